#include "model/residual.h"

#include <gtest/gtest.h>

#include "engraft/model/chain.h"
#include "support/tiny_models.h"
#include "support/tiny_steps.h"

namespace engraft {
namespace {

using tiny::Form;

struct Steps {
  const char* name;
  int64_t branches;
  std::string source;
};

std::string text(const testing::TestParamInfo<Steps>& info) {
  return info.param.name;
}

std::vector<Steps> cases() {
  std::vector<Steps> out;
  for (const Form form : {Form::scripted, Form::traced}) {
    const bool traced = form == Form::traced;
    const auto norm = [&](const char* x, const char* weight, int stride = 1) {
      return tiny::conv_norm(form, x, weight, stride);
    };
    const auto add = [&](const char* name, const char* traced_name,
                         int64_t branches, const std::string& source) {
      out.push_back({traced ? traced_name : name, branches, source});
    };
    add("identity", "identity_traced", 1,
        "  r = torch.relu(" + norm("a", "w3") + ")\n  r = " + norm("r", "v3") +
            "\n  a = torch.relu(a + r)\n");
    add("in_place", "in_place_traced", 1,
        "  r = torch.relu_(" + norm("a", "w3") + ")\n  r = " + norm("r", "v3") +
            "\n  a = torch.relu_(r.add_(a))\n");
    add("projection", "projection_traced", 2,
        "  r = torch.relu(" + norm("a", "w3", 2) +
            ")\n  r = " + norm("r", "v3") + "\n  s = " + norm("a", "w1", 2) +
            "\n  a = torch.relu(r.add_(s))\n"
            "  a = a + " +
            norm("a", "v1") + "\n");
    add("two_from_one_input", "two_from_one_input_traced", 2,
        "  y = a + torch.relu(" + norm("a", "w3") + ")\n" +
            "  a = y + torch.relu(" + norm("a", "v3") + ")\n");
    add("sum_of_linear_layers", "sum_of_linear_layers_traced", 0,
        "  a = torch.relu(" + norm("a", "w3") + " + " + norm("a", "w1") +
            " + torch.batch_norm(a, self.v1_w, self.v1_b, self.v1_mean, "
            "self.v1_var, False, 0.1, 1e-5, True))\n");
    add("sum_of_activations", "sum_of_activations_traced", 0,
        "  a = torch.relu(" + norm("a", "w3") + ") + torch.relu(" +
            norm("a", "w1") + ")\n");
  }
  const std::string conv = "torch.conv2d(a, self.w3, None, [1, 1], [1, 1])";
  out.push_back({"bias", 0, "  a = torch.relu(" + conv + " + self.scale)\n"});
  out.push_back({"no_layer", 0, "  a = a + 0.04 * torch.pow(a, 3)\n"});
  out.push_back({"broadcast", 0,
                 "  a = a + torch.conv2d(torch.adaptive_avg_pool2d(a, [1, 1]), "
                 "self.w1)\n"});
  out.push_back(
      {"layer_scale", 1, "  a = a + self.scale * torch.relu(" + conv + ")\n"});
  out.push_back({"pooled_shortcut", 1,
                 "  r = torch.relu(torch.conv2d(a, self.w3, None, [2, 2], [1, "
                 "1]))\n"
                 "  r = torch.conv2d(r, self.v3, None, [1, 1], [1, 1])\n"
                 "  a = r + torch.conv2d(torch.avg_pool2d(a, [2, 2]), "
                 "self.w1)\n"});
  out.push_back({"strided_shortcut", 1,
                 "  r = torch.relu(torch.conv2d(a, self.w3, None, [2, 2], [1, "
                 "1]))\n"
                 "  s = torch.constant_pad_nd(a[:, :, ::2, ::2], [0, 0, 0, 0, "
                 "0, 0], 0.0)\n"
                 "  a = r + s\n"});
  // Res2Net: another part of the channels, not the same values.
  out.push_back({"other_channels", 0,
                 "  b, c = torch.split(torch.relu(torch.cat([a, a], 1)), 8, "
                 "1)\n"
                 "  a = c + torch.relu(torch.conv2d(b, self.w1))\n"});
  // The image also reaches the branch around the shortcut's start.
  out.push_back({"around", 0,
                 "  b = torch.relu(torch.conv2d(a, self.w1))\n"
                 "  a = b + torch.relu(torch.conv2d(b, self.v1) * a)\n"});
  // Pictures lie along the second dimension.
  out.push_back({"tokens_first", 1,
                 "  t = torch.permute(torch.flatten(a, 2), [2, 0, 1])\n"
                 "  r = torch.relu(torch.linear(t, self.fc_w))\n"
                 "  t = t + torch.linear(r, self.fc_w.t())\n"
                 "  a = torch.permute(t, [1, 2, 0])\n"});
  return out;
}

class Residual : public testing::TestWithParam<Steps> {};

TEST_P(Residual, BranchesAreCounted) {
  BlockChain chain(
      make_classifier(tiny::steps(GetParam().source), tiny::input()));
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  int64_t found = 0;
  try {
    found = chain.regularise(options).residual_branches;
  } catch (const Error& error) {
    EXPECT_EQ(error.fault, Fault::usage);
  }
  EXPECT_EQ(found, GetParam().branches);
}

INSTANTIATE_TEST_SUITE_P(Steps, Residual, testing::ValuesIn(cases()), text);

TEST(ResidualBranches, AreThoseOfTheTinyModels) {
  RegulariserOptions options;
  options.stochastic_depth = 0.5;
  const auto count = [&](const torch::jit::Module& module) {
    BlockChain chain(make_classifier(module, tiny::input()));
    return chain.regularise(options).residual_branches;
  };
  EXPECT_EQ(count(tiny::residual()), 2);
  EXPECT_EQ(count(tiny::asserting()), 2);
  EXPECT_EQ(count(tiny::traced(false)), 2);
  EXPECT_EQ(count(tiny::traced(true)), 2);
  EXPECT_EQ(count(tiny::attention()), 1);
  // One attention, and two layers of an attention and a perceptron each.
  EXPECT_EQ(count(tiny::fast_attention()), 5);
}

}  // namespace
}  // namespace engraft
