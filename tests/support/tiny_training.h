#pragma once

#include <gtest/gtest.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/types.h>

#include <array>
#include <map>
#include <string>

#include "engraft/train/trainer.h"
#include "support/tiny_images.h"
#include "support/tiny_models.h"

namespace engraft::test {

/// A model file and three classes of one colour each.
class TinyTraining : public testing::Test {
 protected:
  TinyTraining() {
    tiny::traced(false).save(folder_ / "model.pt");
    const std::array<cv::Scalar, 3> colours = {cv::Scalar(220, 30, 30),
                                               cv::Scalar(30, 220, 30),
                                               cv::Scalar(30, 30, 220)};
    for (size_t c = 0; c < colours.size(); ++c)
      for (int i = 0; i < 12; ++i)
        write_picture(
            folder_ / ("data/" + std::string(1, static_cast<char>('a' + c)) +
                       "/" + std::to_string(i) + ".png"),
            flat_picture(20 + i, 24, colours[c]));
  }

  TrainOptions options(const std::string& freeze_until = "auto") {
    TrainOptions out;
    out.base.model = folder_ / "model.pt";
    out.base.data = folder_ / "data";
    out.base.input.input_size = 16;
    out.base.plan.freeze_until = freeze_until;
    out.base.plan.epochs = 4;
    out.base.plan.batch_size = 8;
    out.base.run.threads = 1;
    out.base.cache.cache = "none";
    out.view.crops = 1;
    out.out = folder_ / "out.pt";
    return out;
  }

  /// To solve for the head alone, which takes no epochs and batches.
  static TrainOptions by_lbfgs(TrainOptions o) {
    o.base.plan.epochs.reset();
    o.base.plan.batch_size.reset();
    o.optim.optimizer = OptimizerKind::lbfgs;
    return o;
  }

  /// Parameters and buffers of a saved model.
  static std::map<std::string, torch::Tensor> weights(const std::string& path) {
    std::map<std::string, torch::Tensor> out;
    const auto module = torch::jit::load(path);
    for (const auto& p : module.named_parameters())
      out[p.name] = p.value.detach().clone();
    for (const auto& b : module.named_buffers())
      out[b.name] = b.value.detach().clone();
    return out;
  }

  TempFolder folder_;
};

}  // namespace engraft::test
