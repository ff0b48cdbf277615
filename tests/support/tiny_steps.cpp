#include "support/tiny_steps.h"

namespace engraft::tiny {

torch::jit::Module steps(const std::string& source, int64_t classes) {
  torch::jit::Module module("steps");
  auto generator = at::detail::createCPUGenerator(9);
  const auto parameter = [&](const std::string& name,
                             std::vector<int64_t> shape) {
    module.register_parameter(name, torch::randn(shape, generator) * 0.3,
                              false);
  };
  module.register_attribute("training", c10::BoolType::get(), true);
  parameter("stem", {8, 3, 3, 3});
  for (const std::string weight : {"w3", "v3", "w1", "v1"}) {
    const int64_t side = weight[1] - '0';
    parameter(weight, {8, 8, side, side});
    module.register_parameter(weight + "_w", torch::rand({8}, generator) + 0.5,
                              false);
    parameter(weight + "_b", {8});
    module.register_buffer(weight + "_mean", torch::randn({8}, generator));
    module.register_buffer(weight + "_var", torch::rand({8}, generator) + 0.5);
  }
  parameter("scale", {1, 8, 1, 1});
  parameter("fc_w", {classes, 8});
  parameter("fc_b", {classes});
  module.define(
      "def forward(self, x: Tensor):\n"
      "  a = torch.relu(torch.conv2d(x, self.stem, None, [1, 1], [1, 1]))\n" +
      source +
      "  f = torch.mean(torch.flatten(a, 2), [2])\n"
      "  return torch.linear(f, self.fc_w, self.fc_b)\n");
  return module;
}

std::string conv_norm(Form form, const std::string& x,
                      const std::string& weight, int stride) {
  const bool traced = form == Form::traced;
  const std::string s = std::to_string(stride),
                    p = weight[1] == '3' ? "1" : "0";
  const std::string start = x + ", self." + weight + ", None, [" + s + ", " +
                            s + "], [" + p + ", " + p + "], [1, 1], ";
  const std::string conv =
      traced ? "torch._convolution(" + start +
                   "False, [0, 0], 1, False, False, True, True)"
             : "torch.conv2d(" + start + "1)";
  const std::string own = "self." + weight + "_";
  return "torch.batch_norm(" + conv + ", " + own + "w, " + own + "b, " + own +
         "mean, " + own + "var, " + (traced ? "False" : "self.training") +
         ", 0.1, 1e-5, True)";
}

torch::jit::Module pooled() {
  return steps("  a = torch.max_pool2d(a, [3, 3], [2, 2], [1, 1])\n");
}

}  // namespace engraft::tiny
