#include "engraft/train/live_chain.h"

#include <gtest/gtest.h>
#include <torch/types.h>

#include <array>
#include <map>
#include <memory>

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

/// What the optimizer gets of a model, and at which rates.
class Groups : public testing::Test {
 protected:
  Groups() {
    plan_.head_lr = 0.1;
    plan_.backbone_lr = 0.01;
    plan_.block_decay = 0.5;
    options_.weight_decay = 0.03;
  }

  void make(const torch::jit::Module& module, int64_t cut) {
    model_ = make_classifier(module, tiny::input());
    chain_ = std::make_unique<BlockChain>(model_);
    const LiveChain live(*chain_, cut < 0 ? chain_->num_blocks() : cut);
    groups_ = live.groups(plan_, options_);
  }

  /// The group that it is in; null when it is in none.
  const ParameterGroup* group_of(const NamedTensor& t) const {
    const ParameterGroup* out = nullptr;
    for (const ParameterGroup& group : groups_)
      for (const torch::Tensor& other : group.tensors) {
        if (!other.is_same(t.tensor)) continue;
        EXPECT_EQ(out, nullptr) << t.name << " is there twice";
        out = &group;
      }
    return out;
  }

  Classifier model_;
  std::unique_ptr<BlockChain> chain_;
  TransferPlan plan_;
  OptimOptions options_;
  std::vector<ParameterGroup> groups_;
};

TEST_F(Groups, RatesFallBlockByBlockTowardsTheInput) {
  make(tiny::residual(), 1);
  const int64_t head = chain_->num_blocks();
  ASSERT_EQ(head, 3);
  const std::array<double, 4> rates = {0, 0.005, 0.01, 0.1};
  for (int64_t i = 0; i <= head; ++i)
    for (const NamedTensor& t : chain_->block(i).tensors) {
      const ParameterGroup* group = group_of(t);
      // Frozen blocks and running statistics are not the optimizer's.
      ASSERT_EQ(group != nullptr, i > 0 && !t.is_buffer) << t.name;
      if (group) {
        EXPECT_DOUBLE_EQ(group->lr, rates.at(i)) << t.name;
      }
    }
}

TEST_F(Groups, BiasesAndNormsDoNotDecay) {
  make(tiny::residual(), 0);
  int64_t decaying = 0, others = 0;
  for (int64_t i = 0; i <= chain_->num_blocks(); ++i)
    for (const NamedTensor& t : chain_->block(i).tensors) {
      if (t.is_buffer) continue;
      // Convolutions are called c1 to c5, norms n1_w, n1_b and so on.
      const bool weight = t.name[0] == 'c' || t.name == "fc_w";
      ++(weight ? decaying : others);
      const ParameterGroup* group = group_of(t);
      ASSERT_NE(group, nullptr) << t.name;
      EXPECT_EQ(group->decays, weight) << t.name;
      EXPECT_EQ(group->weight_decay, weight ? 0.03 : 0) << t.name;
    }
  EXPECT_EQ(decaying, 5 + 1);
  EXPECT_EQ(others, 2 * 5 + 1);
}

TEST_F(Groups, TheHeadAloneTakesItsOwnRate) {
  make(tiny::residual(), -1);
  ASSERT_EQ(groups_.size(), 2u);
  for (const ParameterGroup& group : groups_) {
    EXPECT_EQ(group.lr, 0.1);
    EXPECT_EQ(group.tensors.size(), 1u);
  }
}

TEST_F(Groups, ATensorOfTwoBlocksIsInOneAtTheRateOfTheFirst) {
  make(tiny::tied(), 0);
  ASSERT_EQ(chain_->num_blocks(), 3);
  for (const int64_t block : {1, 2}) {
    ASSERT_EQ(chain_->block(block).tensors.size(), 1u);
    const ParameterGroup* group = group_of(chain_->block(block).tensors[0]);
    ASSERT_NE(group, nullptr);
    EXPECT_DOUBLE_EQ(group->lr, 0.01 * 0.5);
  }
}

}  // namespace
}  // namespace engraft
