#include "engraft/train/live_chain.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <map>

#include "support/tiny_models.h"

namespace engraft {
namespace {

using Statistics = std::map<std::string, torch::Tensor>;

/// The residual model with its first two batch norms frozen.
class MeasureBatchNorms : public testing::Test {
 protected:
  static constexpr double kMomentum = 0.1;  // of the model's batch norms

  MeasureBatchNorms() {
    while (chain_.block(cut_).batch_norms == 0 || cut_ == 0) ++cut_;
    auto generator = at::detail::createCPUGenerator(3);
    for (const int64_t pictures : {6, 3})
      batches_.push_back(torch::randn({pictures, 3, 16, 16}, generator));
  }

  Statistics statistics() const {
    Statistics out;
    for (const auto& b : model_.module.named_buffers())
      out[b.name] = b.value.clone();
    return out;
  }

  void restore(const Statistics& saved) const {
    for (const auto& b : model_.module.named_buffers())
      torch::Tensor(b.value).copy_(saved.at(b.name));
  }

  /// What a batch itself has, from what training leaves of the old statistics.
  Statistics of_batch(const torch::Tensor& batch) const {
    torch::NoGradGuard no_grad;
    const Statistics before = statistics();
    chain_.run(chain_.run_frozen(batch, 0, cut_), cut_, chain_.num_blocks() + 1,
               BlockMode::training);
    Statistics out;
    for (const auto& [name, after] : statistics())
      out[name] = (after - (1 - kMomentum) * before.at(name)) / kMomentum;
    restore(before);
    return out;
  }

  void measure(int64_t begin = 0) {
    LiveChain live(chain_, cut_);
    size_t next = 0;
    live.measure_batch_norms(
        [&]() -> torch::Tensor {
          if (next == batches_.size()) return {};
          const auto& images = batches_[next++];
          return begin == 0 ? images : chain_.run_frozen(images, 0, begin);
        },
        begin);
  }

  void expect_all_stay() {
    const Statistics before = statistics();
    measure();
    for (const auto& [name, after] : statistics())
      EXPECT_TRUE(after.equal(before.at(name))) << name;
  }

  Classifier model_ = make_classifier(tiny::residual(), tiny::input());
  BlockChain chain_{model_};
  int64_t cut_ = 0;
  std::vector<torch::Tensor> batches_;
};

TEST_F(MeasureBatchNorms, TakesTheMeanOfTheBatchesByTheirSizes) {
  const Statistics one = of_batch(batches_[0]), two = of_batch(batches_[1]),
                   before = statistics();
  std::map<std::string, bool> live;
  for (int64_t i = cut_; i <= chain_.num_blocks(); ++i)
    for (const NamedTensor& t : chain_.block(i).tensors) live[t.name] = true;
  for (const int64_t begin : {int64_t{0}, int64_t{1}, cut_}) {
    restore(before);
    measure(begin);
    int64_t moved = 0;
    for (const auto& [name, after] : statistics()) {
      const auto mean = (6 * one.at(name) + 3 * two.at(name)) / 9;
      if (!live[name]) {
        EXPECT_TRUE(after.equal(before.at(name))) << name;
        continue;
      }
      ++moved;
      EXPECT_FALSE(after.equal(before.at(name))) << name;
      // One number in single precision less nine tenths of another.
      EXPECT_TRUE(torch::allclose(after, mean, 1e-4, 1e-5)) << name;
    }
    EXPECT_GT(moved, 0);
    EXPECT_LT(moved, 10);
  }
}

TEST_F(MeasureBatchNorms, LeavesWhatTrainingDoesNotMove) {
  RegulariserOptions options;
  options.bn_statistics = BatchNormStatistics::running;
  chain_.regularise(options);
  EXPECT_TRUE(chain_.running_statistics(0).empty());
  expect_all_stay();
  options = {};
  options.bn_momentum = 0;
  chain_.regularise(options);
  expect_all_stay();
}

TEST_F(MeasureBatchNorms, WithoutABatchTheyStay) {
  batches_.clear();
  expect_all_stay();
}

TEST_F(MeasureBatchNorms, DoesNotDependOnTheMomentum) {
  const Statistics before = statistics();
  measure();
  const Statistics own = statistics();
  restore(before);
  RegulariserOptions options;
  options.bn_momentum = 0.73;
  chain_.regularise(options);
  measure();
  for (const auto& [name, after] : statistics())
    EXPECT_TRUE(after.equal(own.at(name))) << name;
}

}  // namespace
}  // namespace engraft
