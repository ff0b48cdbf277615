#include "cli/colour_model.h"

#include <torch/csrc/jit/api/module.h>
#include <torch/types.h>

#include <filesystem>

#include "support/tiny_images.h"

namespace engraft::test {
namespace {

torch::jit::Module colour_module() {
  torch::jit::Module module("Colours");
  module.register_attribute("training", c10::BoolType::get(), true);
  const auto eye = torch::eye(3);
  module.register_parameter("mix", eye.reshape({3, 3, 1, 1}).clone(), false);
  module.register_parameter("gamma", torch::ones(3), false);
  module.register_parameter("beta", torch::zeros(3), false);
  module.register_parameter("mean", torch::zeros(3), /*is_buffer=*/true);
  module.register_parameter("var", torch::ones(3), /*is_buffer=*/true);
  module.register_parameter("weight", (eye * 10).clone(), false);
  module.register_parameter("bias", torch::zeros(3), false);
  module.define(R"(
def forward(self, x):
    x = torch.conv2d(x, self.mix)
    x = torch.batch_norm(x, self.gamma, self.beta, self.mean, self.var,
                         self.training, 0.1, 1e-5, True)
    x = torch.adaptive_avg_pool2d(torch.relu(x), [1, 1])
    return torch.linear(torch.flatten(x, 1), self.weight, self.bias)
)");
  module.eval();
  return module;
}

InputSpec colour_input() {
  InputSpec spec;
  spec.resize = 36;
  spec.crop = 32;
  spec.mean = {0, 0, 0};
  spec.std = {1, 1, 1};
  return spec;
}

}  // namespace

Classifier colour_classifier() {
  return make_classifier(colour_module(), colour_input());
}

std::string write_colour_model(const std::string& path) {
  colour_module().save(path);
  const Json sidecar{{"classes", {"red", "green", "sky, blue"}},
                     {"input", to_json(colour_input())}};
  write_text(std::filesystem::path(path).replace_extension(".json").string(),
             sidecar.dump());
  return path;
}

std::string write_half_right_model(const std::string& path, bool knows_blue,
                                   int64_t crop) {
  Classifier model = colour_classifier();
  const auto weight = knows_blue ? torch::tensor({0, 1, 0, 1, 0, 0, 0, 0, 30})
                                 : torch::tensor({10, 0, 0, 0, 10, 0, 0, 0, 0});
  model.module.attr("weight").toTensor().copy_(weight.reshape({3, 3}));
  model.module.attr("bias").toTensor().copy_(
      knows_blue ? torch::tensor({0.0, 0.0, -10.0})
                 : torch::tensor({0.0, 0.0, 1.5}));
  model.input.crop = crop;
  model.record = {{"format", 1},
                  {"classes", {"red", "green", "sky, blue"}},
                  {"input", to_json(model.input)}};
  save_classifier(model, path);
  return path;
}

void write_colour_data(const std::string& folder, int count) {
  const char* names[] = {"red", "green", "blue"};
  for (int c = 0; c < 3; ++c)
    for (int i = 0; i < count; ++i) {
      cv::Scalar rgb(40 + i, 50, 60);
      rgb[c] = 220;
      write_picture(folder + "/" + names[c] + "/" + std::to_string(i) + ".png",
                    flat_picture(40, 48, rgb));
    }
}

}  // namespace engraft::test
