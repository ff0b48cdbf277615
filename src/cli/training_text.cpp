#include "cli/training_text.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "cli/epoch_text.h"
#include "cli/report_text.h"
#include "cli/text.h"
#include "cli/weights_text.h"
#include "digits.h"

namespace engraft::cli {
namespace {

std::string frozen_text(const TrainResult& result) {
  if (result.frozen_tensors == 0)
    return paragraph("frozen", "nothing: no tensor was held fixed");
  return paragraph("frozen", counted(result.frozen_tensors, "tensor") +
                                 " unchanged, checksum " +
                                 result.frozen_checksum + " before and after");
}

/// Why an epoch that a star marks is not the best one.
std::string more_accurate_text(const TrainResult& result) {
  auto e = result.epochs.begin() + result.best_epoch - 1;
  if (e->average_is_best || (result.batch_norms && result.batch_norms->kept))
    return "";
  while (!e->best && e != result.epochs.begin()) --e;
  if (!e->best || e->epoch == result.best_epoch) return "";
  return ". Epoch " + std::to_string(e->epoch) + " with its " +
         percent(e->average_is_best ? *e->average_val_accuracy
                                    : e->val_accuracy) +
         " is not more accurate by more than a standard error, and the later "
         "one counts";
}

std::string best_text(const TrainResult& result) {
  const EpochResult& best = result.epochs.at(result.best_epoch - 1);
  std::string how = result.interrupted         ? " (stopped by you)"
                    : !result.diverged.empty() ? " (" + result.diverged + ")"
                    : result.early_stopped
                        ? " (stopped early: no more accurate one came)"
                        : "";
  const std::string which = result.epochs.size() == 1 && best.solved
                                ? "the head's optimum"
                                : "epoch " + std::to_string(result.best_epoch) +
                                      " of " +
                                      std::to_string(result.epochs.size());
  const SnapshotFigures saved = saved_figures(result);
  return paragraph(
             "best",
             which + how +
                 (best.average_is_best ? ", the average of the weights" : "") +
                 batch_norms_text(result) + ": validation accuracy " +
                 percent(saved.accuracy.value_or(0)) + ", loss " +
                 fixed(saved.loss.value_or(0), 3) + " (centre crop)" +
                 more_accurate_text(result)) +
         gap_text(best, result.plan.augment.strength);
}

/// What a range test found, and about ten points of its curve.
std::string rates_text(const RateCurve& curve) {
  std::string out =
      paragraph("rates", curve.stage + ": the loss falls fastest at " +
                             brief(curve.suggestion) +
                             " times the plan's rates, which are taken");
  const size_t count = curve.losses.size(), every = count / 10 + 1;
  double highest = 0;
  for (const double loss : curve.losses) highest = std::max(highest, loss);
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < count; i += every)
    rows.push_back(
        {std::string(
             static_cast<size_t>(std::lround(40 * curve.losses[i] / highest)),
             '#'),
         "x " + brief(curve.factors[i]), "loss " + fixed(curve.losses[i], 3)});
  return out + table(rows, std::string(10, ' '));
}

std::string share(double part, double whole) {
  return whole > 0 ? fixed(100 * part / whole, 0) + " %" : "none";
}

/// How the work was done and what it cost.
std::string verbose_text(const TrainResult& result) {
  const ActivationStats& a = result.activations;
  std::string out;
  if (a.row_bytes > 0) {
    out += paragraph(
        "features",
        std::to_string(a.found) +
            " views found, of the plan or an earlier run, " +
            std::to_string(a.computed) + " computed in " + duration(a.seconds) +
            " (" + share(a.seconds_waiting, a.seconds) +
            " of it waiting for pictures)" +
            (a.damaged
                 ? ", " + std::to_string(a.damaged) + " damaged ones made again"
                 : "") +
            "; kept as " + std::string(name_of(a.precision)) +
            (a.f16_difference >= 0 ? " (f16 changes the output by " +
                                         brief(a.f16_difference) + ")"
                                   : "") +
            (a.folder.empty() ? "" : " in " + a.folder));
    if (!a.trouble.empty()) out += paragraph("cache", a.trouble);
    if (a.computed > 0) out += paragraph("inference", a.prefix.text());
  }
  if (result.head)
    out += paragraph("head", "L2 penalty " + brief(result.head->l2) + " of " +
                                 std::to_string(result.head->trials.size()) +
                                 " tried, " +
                                 counted(result.head->iterations, "iteration") +
                                 " of L-BFGS");
  for (const PrecisionChoice& p : result.precisions)
    out += paragraph("precision", "blocks from " + std::to_string(p.cut) +
                                      " on: " + p.text());
  double seconds = 0, waiting = 0;
  for (const EpochResult& epoch : result.epochs) {
    seconds += epoch.seconds;
    waiting += epoch.seconds_waiting;
  }
  out +=
      paragraph("epochs", duration(seconds) + ", " + share(waiting, seconds) +
                              " of it waiting for pictures");
  if (result.val) out += paragraph("testing", result.val->inference.text());
  return out +
         paragraph("memory",
                   fixed(static_cast<double>(result.peak_memory) / 1e6, 0) +
                       " MB at most");
}

std::string saved_text(const TrainResult& result) {
  std::error_code error;
  const auto bytes = std::filesystem::file_size(result.out, error);
  const std::string size =
      error ? "" : " (" + fixed(static_cast<double>(bytes) / 1e6, 1) + " MB)";
  return paragraph(
             "saved",
             result.out + size + ", in " + duration(result.seconds) +
                 " in all" +
                 (result.plan.seconds > 0
                      ? " (estimated: " + duration(result.plan.seconds) + ")"
                      : "")) +
         "use it    engraft predict " + result.out + " photo.jpg\n";
}

std::string verdict(const StageProof& proof) {
  if (proof.errors <= 0)
    return std::string(proof.kept ? "not " : "") + "less accurate" +
           (proof.errors < 0
                ? " by more than the " + brief(-proof.errors) + " allowed"
                : "");
  return std::string("both together are ") + (proof.kept ? "" : "not ") +
         "better by more than the " + brief(proof.errors) + " asked for";
}

/// A z, beside a bound to both sides of 0.
std::string z_text(double z, double bound) {
  return fixed(z, telling_digits(z, std::copysign(bound, z), 1, 4));
}

}  // namespace

std::string proof_text(const StageProof& proof) {
  const PairedTest& t = proof.test;
  const std::string& stays = proof.kept ? proof.to : proof.from;
  const bool blocks = stays.find("block") != std::string::npos;
  return paragraph(
      "proof", proof.to + " against " + proof.from + ", on the same " +
                   counted(t.pictures, "picture") + ": " +
                   std::to_string(t.won) + " won, " + std::to_string(t.lost) +
                   " lost (" + z_text(t.accuracy_z, proof.errors) +
                   " standard errors), loss " +
                   (t.loss_gain < 0 ? "worse" : "better") + " by " +
                   fixed(std::abs(t.loss_gain), 3) + " (" +
                   z_text(t.loss_z, proof.errors) + "): " + verdict(proof) +
                   ", " + stays + (blocks ? " stay" : " stays"));
}

std::string training_text(const TrainResult& result, bool verbose) {
  if (result.best_epoch == 0)
    return "stopped before the first epoch ended: nothing is saved\n";
  std::string out;
  if (result.regularised && !result.regularised->changes.empty())
    out += paragraph("trained", listed(result.regularised->changes, 6));
  for (const RateCurve& curve : result.rate_curves) out += rates_text(curve);
  for (const StageProof& proof : result.proofs) out += proof_text(proof);
  out += soup_text(result) + best_text(result);
  for (const auto* report : {&result.val, &result.test})
    if (*report) out += report_text(**report);
  if (!result.val && !result.folder.val.empty())
    out += paragraph("test", "not made (stopped by you): engraft eval " +
                                 result.out + " " + result.folder.root);
  out += frozen_text(result);
  if (verbose) out += verbose_text(result);
  out += snapshots_text(result.snapshots);
  // Those of the model came with the plan.
  for (size_t i = result.classifier.notes.size(); i < result.notes.size(); ++i)
    out += paragraph("note", result.notes[i]);
  return out + saved_text(result);
}

}  // namespace engraft::cli
