#include "cli/training_text.h"

#include <gtest/gtest.h>

#include <cmath>

#include "cli/has_text.h"

namespace engraft::cli {
namespace {

StageProof proof(int64_t won, int64_t lost, double errors, bool kept) {
  StageProof out;
  out.from = "the head alone";
  out.to = "blocks from 12 on";
  out.test.pictures = 100;
  out.test.won = won;
  out.test.lost = lost;
  const auto of = static_cast<double>(won + lost);
  if (of > 0)
    out.test.accuracy_z = static_cast<double>(won - lost) / std::sqrt(of);
  out.errors = errors;
  out.kept = kept;
  return out;
}

TEST(ProofText, SaysWhatWasAskedForAndWhatStays) {
  const std::string better = proof_text(proof(4, 1, 1, true));
  EXPECT_TRUE(has(better, "on the same 100 pictures: 4 won, 1 lost (1.3 "))
      << better;
  EXPECT_TRUE(has(better,
                  "both together are better by more than the 1 asked for, "
                  "blocks from 12 on stay"))
      << better;
  EXPECT_TRUE(has(proof_text(proof(1, 1, 1, false)),
                  "(0.0 standard errors), loss better by 0.000 (0.0): both "
                  "together are not better by more than the 1 asked for, the "
                  "head alone stays"));
  EXPECT_TRUE(has(proof_text(proof(2, 2, 0, true)),
                  ": not less accurate, blocks from 12 on stay"));
  EXPECT_TRUE(has(proof_text(proof(1, 8, -1, false)),
                  "(-2.3 standard errors), loss better by 0.000 (0.0): less "
                  "accurate by more than the 1 allowed, the head alone stays"));
  EXPECT_TRUE(has(proof_text(proof(1, 1, -1, true)),
                  ": not less accurate by more than the 1 allowed, blocks"));
}

TEST(ProofText, TellsAFigureFromTheBoundBesideIt) {
  // 17 - 26 of 43: -1.37; 13 - 19 of 32: -1.06; 19 - 26 of 45: -1.04.
  EXPECT_TRUE(has(proof_text(proof(17, 26, -1, false)), "(-1.4 standard"));
  EXPECT_TRUE(has(proof_text(proof(13, 19, -1, false)), "(-1.1 standard"));
  EXPECT_TRUE(has(proof_text(proof(19, 26, -1, false)), "(-1.04 standard"));
  // On it: 1 of 1.
  EXPECT_TRUE(has(proof_text(proof(0, 1, -1, true)), "(-1.0 standard"));
  StageProof worse = proof(3, 1, 1, true);
  worse.test.loss_gain = -0.25;
  worse.test.loss_z = -0.996;
  EXPECT_TRUE(has(proof_text(worse), "loss worse by 0.250 (-0.996):"))
      << proof_text(worse);
}

TEST(TrainingText, SaysWhatWasHeldFixed) {
  TrainResult result;
  result.out = "no such folder/pets.pt";
  EXPECT_EQ(training_text(result, false),
            "stopped before the first epoch ended: nothing is saved\n");
  result.best_epoch = 1;
  result.epochs.resize(1);
  EXPECT_TRUE(
      has(training_text(result, false), "frozen nothing: no tensor was held"));
  result.frozen_tensors = 1;
  result.frozen_checksum = "abc";
  EXPECT_TRUE(has(training_text(result, false),
                  "frozen 1 tensor unchanged, checksum abc before and after"));
}

TEST(TrainingText, SaysWhyAMoreAccurateEpochIsNotTheBest) {
  TrainResult result;
  result.epochs.resize(3);
  for (size_t i = 0; i < 3; ++i)
    result.epochs[i].epoch = static_cast<int64_t>(i) + 1;
  result.epochs[1].best = true;
  result.epochs[1].val_accuracy = 0.91;
  result.epochs[2].val_accuracy = 0.9;
  result.best_epoch = 3;
  const std::string later = training_text(result, false);
  EXPECT_TRUE(has(later, "best epoch 3 of 3: validation accuracy 90.0 %"));
  EXPECT_TRUE(has(later, "Epoch 2 with its 91.0 % is not more accurate"));
  result.best_epoch = 2;
  EXPECT_FALSE(has(training_text(result, false), "is not more accurate"));
}

}  // namespace
}  // namespace engraft::cli
