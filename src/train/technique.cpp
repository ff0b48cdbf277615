#include "engraft/train/technique.h"

#include <torch/nn/functional/embedding.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "engraft/train/curves.h"
#include "engraft/train/trainer.h"

namespace engraft {
namespace {

double uniform() { return torch::rand({1}, torch::kDouble).item<double>(); }

/// Beta(alpha, alpha) is the first part of a Dirichlet of two.
double beta(double alpha) {
  return torch::_sample_dirichlet(torch::full({2}, alpha, torch::kDouble))[0]
      .item<double>();
}

/// Pixels [begin, end) of an edge of `side` pixels: `length` of them around a
/// centre that is anywhere, cut at the edge.
std::pair<int64_t, int64_t> stretch(int64_t side, double length) {
  const auto centre = static_cast<int64_t>(uniform() * side);
  const auto half = static_cast<int64_t>(length / 2);
  return {std::max<int64_t>(centre - half, 0),
          std::min<int64_t>(centre + half, side)};
}

/// Mixup, cutmix (of pictures or feature maps [N, C, H, W]), or one of the two
/// by the toss of a coin for each batch.
class Mix : public Technique {
 public:
  Mix(const MixOptions& options, int64_t classes)
      : options_(options), classes_(classes) {}

  void batch(TrainBatch& b) override {
    const bool both = options_.mixup > 0 && options_.cutmix > 0;
    const bool cut = both ? uniform() < 0.5 : options_.cutmix > 0;
    const double alpha = cut ? options_.cutmix : options_.mixup;
    const auto order = torch::randperm(b.x.size(0)).to(b.x.device());
    double kept = beta(alpha);
    if (cut)
      kept = paste(b.x, order, kept);
    else
      b.x = kept * b.x + (1 - kept) * b.x.index_select(0, order);
    const auto targets =
        b.targets.defined() ? b.targets
                            : torch::nn::functional::one_hot(b.labels, classes_)
                                  .to(torch::kFloat);
    b.targets = kept * targets + (1 - kept) * targets.index_select(0, order);
  }

 private:
  /// Returns the share of the pixels that stays.
  static double paste(torch::Tensor& x, const torch::Tensor& order,
                      double kept) {
    const int64_t height = x.size(2), width = x.size(3);
    const double edge = std::sqrt(1 - kept);
    const auto [top, bottom] =
        stretch(height, edge * static_cast<double>(height));
    const auto [left, right] =
        stretch(width, edge * static_cast<double>(width));
    const auto window = [&, top = top, bottom = bottom, left = left,
                         right = right](const torch::Tensor& t) {
      return t.slice(2, top, bottom).slice(3, left, right);
    };
    const auto from = window(x).index_select(0, order);
    x = x.clone();
    window(x).copy_(from);
    return 1 - static_cast<double>((bottom - top) * (right - left)) /
                   static_cast<double>(height * width);
  }

  MixOptions options_;
  int64_t classes_;
};

class L1 : public Technique {
 public:
  explicit L1(double strength) : strength_(strength) {}

  void before_step(const std::vector<ParameterGroup>& groups) override {
    torch::NoGradGuard no_grad;
    for (const ParameterGroup& group : groups) {
      if (!group.decays) continue;
      for (const torch::Tensor& w : group.tensors)
        if (w.grad().defined()) w.mutable_grad().add_(w.sign(), strength_);
    }
  }

 private:
  double strength_;
};

/// Measures first in a step, and again last.
class Curves : public Technique {
 public:
  explicit Curves(const std::string& out) : writer_(out) {}

  void begin_stage(const BlockChain& chain, int64_t cut) override {
    watch_.emplace(watched_blocks(chain, cut));
  }
  void before_step(const std::vector<ParameterGroup>&) override {
    watch_->before_step();
  }
  void after_step() override {
    watch_->after_step();
    ++steps_;
  }
  void epoch_ended(const EpochResult& now) override {
    EpochCurves curves;
    curves.epoch = now.epoch;
    curves.step = steps_;
    curves.stage = now.stage;
    curves.train_loss = now.train_loss;
    curves.train_accuracy = now.train_accuracy;
    curves.val_loss = now.val_loss;
    curves.val_accuracy = now.val_accuracy;
    if (!now.solved) {
      curves.head_lr = now.head_lr;
      curves.backbone_lr = now.backbone_lr;
      curves.blocks = watch_->take();
    }
    writer_.write(curves);
  }

 private:
  CurveWriter writer_;
  std::optional<BlockWatch> watch_;
  int64_t steps_ = 0;
};

}  // namespace

Techniques make_techniques(const OptimOptions& optim, const MixOptions& mix,
                           int64_t classes, const std::string& curves_beside) {
  Techniques out;
  if (!curves_beside.empty())
    out.push_back(std::make_unique<Curves>(curves_beside));
  if (mix.mixup > 0 || mix.cutmix > 0)
    out.push_back(std::make_unique<Mix>(mix, classes));
  if (optim.l1 > 0) out.push_back(std::make_unique<L1>(optim.l1));
  return out;
}

void MixOptions::validate() const {
  if (average_decay && average != WeightAverage::ema)
    fail(Fault::usage, "--average-decay belongs to --weight-average ema");
  if (average_from && average != WeightAverage::swa)
    fail(Fault::usage, "--average-from belongs to --weight-average swa");
}

}  // namespace engraft
