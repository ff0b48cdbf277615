#include "engraft/features/activations.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <filesystem>

#include "engraft/data/loader.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

class ActivationsTest : public testing::Test {
 protected:
  ActivationsTest()
      : model_(make_classifier(tiny::residual(), tiny::input())),
        chain_(model_) {
    for (int i = 0; i < 5; ++i)
      samples_.push_back(
          {test::write_picture(folder_ / ("p/" + std::to_string(i) + ".png"),
                               test::blob_picture(30, 40, i)),
           0, "content " + std::to_string(i)});
    options_.input = model_.input;
    options_.augment = augment_settings(AugmentStrength::strong, {});
    options_.seed = 3;
    options_.threads = 2;
    options_.inference = InferenceKind::plain;
    options_.cache.cache = folder_ / "cache";
    options_.cache.cache_precision = CachePrecision::f32;
  }

  /// Block outputs for epoch `epoch` of training, or the evaluation views, by
  /// the loader and the chain themselves.
  torch::Tensor expected(int64_t cut, int64_t epoch) {
    LoaderOptions loading;
    loading.input = options_.input;
    if (epoch > 0) loading.augment = options_.augment;
    loading.shuffle = false;
    loading.seed = options_.seed;
    loading.threads = 1;
    Loader loader(samples_, loading);
    loader.start_epoch(epoch);
    torch::NoGradGuard no_grad;
    return chain_.run(loader.next()->images, 0, cut);
  }

  torch::Tensor all_of(Activations& from, int64_t view) {
    return from.read(samples_, {0, 1, 2, 3, 4}, view);
  }

  /// The only segment file in the cache.
  std::string segment() const {
    for (const auto& entry :
         fs::recursive_directory_iterator(folder_ / "cache"))
      if (entry.is_regular_file() && entry.path().extension() != ".json")
        return entry.path();
    return "";
  }

  test::TempFolder folder_;
  Classifier model_;
  BlockChain chain_;
  std::vector<Sample> samples_;
  ActivationOptions options_;
};

TEST_F(ActivationsTest, AreWhatTheBlocksGiveForTheViewsOfTraining) {
  for (const int64_t cut : {int64_t{1}, int64_t{2}, chain_.num_blocks()}) {
    Activations kept(chain_, cut, options_);
    ASSERT_TRUE(kept.prepare(samples_, 3));
    ASSERT_TRUE(kept.prepare(samples_, 0));
    for (const int64_t view : {-1, 0, 2})
      EXPECT_TRUE(torch::allclose(all_of(kept, view), expected(cut, view + 1),
                                  1e-5, 1e-5))
          << "cut " << cut << " view " << view;
    EXPECT_FALSE(all_of(kept, 0).equal(all_of(kept, 1)));
    EXPECT_EQ(kept.stats().computed, 5 * 4);
  }
}

TEST_F(ActivationsTest, TheNextRunFindsThemByContent) {
  Activations first(chain_, 2, options_);
  first.prepare(samples_, 2);
  const auto before = all_of(first, 1);
  for (Sample& sample : samples_) sample.path += ".moved";  // not even there
  Activations second(chain_, 2, options_);
  ASSERT_TRUE(second.prepare(samples_, 2));
  EXPECT_EQ(second.stats().computed, 0);
  EXPECT_EQ(second.stats().found, 10);
  EXPECT_TRUE(all_of(second, 1).equal(before));
}

TEST_F(ActivationsTest, OtherBlocksViewsAndPreprocessingAreOthers) {
  Activations first(chain_, 2, options_);
  first.prepare(samples_, 1);
  const auto computed = [&](const BlockChain& chain, int64_t cut) {
    Activations again(chain, cut, options_);
    again.prepare(samples_, 1);
    return again.stats().computed;
  };
  EXPECT_EQ(computed(chain_, 2), 0);
  EXPECT_EQ(computed(chain_, 1), 5);
  options_.seed = 4;
  EXPECT_EQ(computed(chain_, 2), 5);
  options_.seed = 3;
  options_.input.mean[0] = 0.1;
  EXPECT_EQ(computed(chain_, 2), 5);
  options_.input = model_.input;
  {
    torch::NoGradGuard no_grad;
    model_.module.attr("c1").toTensor().add_(1e-3);
  }
  EXPECT_EQ(computed(BlockChain(model_), 2), 5);
}

TEST_F(ActivationsTest, AWayThatIsAskedForDoesNotFindWhatAnotherMade) {
  Activations first(chain_, 2, options_);
  first.prepare(samples_, 1);
  options_.inference = InferenceKind::folded;
  for (const int64_t computed : {5, 0}) {
    Activations again(chain_, 2, options_);
    again.prepare(samples_, 1);
    EXPECT_EQ(again.stats().computed, computed);
  }
}

TEST_F(ActivationsTest, ADamagedRowIsMadeAgain) {
  torch::Tensor before;
  {
    Activations first(chain_, 2, options_);
    first.prepare(samples_, 0);
    before = all_of(first, -1);
  }
  auto bytes = test::read_all(segment());
  bytes[bytes.size() - 100] ^= 1;
  test::write_all(segment(), bytes);
  Activations second(chain_, 2, options_);
  second.prepare(samples_, 0);
  EXPECT_TRUE(all_of(second, -1).equal(before));
  EXPECT_EQ(second.stats().damaged, 1);
  EXPECT_EQ(second.stats().computed, 1);
}

TEST_F(ActivationsTest, HalfPrecisionIsTakenWhereItIsExactEnough) {
  options_.cache.cache_precision = CachePrecision::automatic;
  Activations kept(chain_, chain_.num_blocks(), options_);
  kept.prepare(samples_, 0);
  EXPECT_EQ(kept.stats().precision, CachePrecision::f16);
  EXPECT_GT(kept.stats().f16_difference, 0);
  EXPECT_LE(kept.stats().f16_difference, 1e-3);
  const auto exact = expected(chain_.num_blocks(), 0);
  EXPECT_TRUE(torch::allclose(all_of(kept, -1), exact, 1e-3, 1e-6));
  EXPECT_FALSE(all_of(kept, -1).equal(exact));
  Activations again(chain_, chain_.num_blocks(), options_);
  again.prepare(samples_, 0);
  EXPECT_EQ(again.stats().precision, CachePrecision::f16);
  EXPECT_EQ(again.stats().computed, 0);
}

TEST_F(ActivationsTest, HalfPrecisionIsRefusedWhereItOverflows) {
  {
    torch::NoGradGuard no_grad;
    model_.module.attr("n5_w").toTensor().mul_(1e6);
  }
  const BlockChain loud(model_);
  options_.cache.cache_precision = CachePrecision::automatic;
  Activations kept(loud, loud.num_blocks(), options_);
  kept.prepare(samples_, 0);
  EXPECT_EQ(kept.stats().precision, CachePrecision::f32);
}

TEST_F(ActivationsTest, StartFromTheRowsOfALowerCut) {
  Activations lower(chain_, 1, options_);
  lower.prepare(samples_, 2);
  Activations upper(chain_, chain_.num_blocks(), options_);
  upper.start_from(lower);
  for (Sample& sample : samples_) sample.path += ".moved";
  ASSERT_TRUE(upper.prepare(samples_, 2));
  for (Sample& sample : samples_) sample.path.resize(sample.path.size() - 6);
  EXPECT_TRUE(torch::allclose(all_of(upper, 1),
                              expected(chain_.num_blocks(), 2), 1e-5, 1e-5));
}

TEST_F(ActivationsTest, StoppingKeepsWhatWasComputed) {
  options_.cache.cache_memory = 0;
  int calls = 0;
  Activations first(chain_, 2, options_);
  EXPECT_FALSE(first.prepare(samples_, 3, {}, [&] { return ++calls > 0; }));
  Activations second(chain_, 2, options_);
  EXPECT_TRUE(second.prepare(samples_, 3));
}

TEST_F(ActivationsTest, NoFolderLeavesNothingBehind) {
  options_.cache.cache = "none";
  Activations kept(chain_, 2, options_);
  kept.prepare(samples_, 1);
  EXPECT_EQ(kept.read(samples_, {4}, 0).size(0), 1);
  EXPECT_FALSE(fs::exists(folder_ / "cache"));
  EXPECT_EQ(kept.stats().folder, "");
}

TEST_F(ActivationsTest, AViewDoesNotDependOnHowManyAreMade) {
  options_.inference = InferenceKind::fused;
  options_.cache.cache = "none";
  for (const int64_t cut : {int64_t{1}, int64_t{2}}) {
    Activations one(chain_, cut, options_), four(chain_, cut, options_);
    one.prepare(samples_, 1);
    four.prepare(samples_, 4);
    EXPECT_TRUE(all_of(one, 0).equal(all_of(four, 0))) << cut;
    Activations up(chain_, chain_.num_blocks(), options_),
        up4(chain_, chain_.num_blocks(), options_);
    up.start_from(one);
    up4.start_from(four);
    up.prepare(samples_, 1);
    up4.prepare(samples_, 1);
    EXPECT_TRUE(all_of(up, 0).equal(all_of(up4, 0))) << cut;
  }
}

}  // namespace
}  // namespace engraft
