#include "support/tiny_models.h"

#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/jit/passes/freeze_module.h>

#include <map>

namespace engraft::tiny {
namespace {

using torch::jit::Module;

/// Registers what a model needs, drawn from one generator.
class Builder {
 public:
  explicit Builder(const std::string& name)
      : module_(name), generator_(at::detail::createCPUGenerator(7)) {
    module_.register_attribute("training", c10::BoolType::get(), true);
  }

  Builder& weight(const std::string& name, std::vector<int64_t> shape) {
    module_.register_parameter(name, torch::randn(shape, generator_) * 0.3,
                               false);
    return *this;
  }
  Builder& norm(const std::string& name, int64_t channels) {
    module_.register_parameter(
        name + "_w", torch::rand({channels}, generator_) + 0.5, false);
    module_.register_parameter(
        name + "_b", torch::randn({channels}, generator_) * 0.1, false);
    module_.register_buffer(name + "_mean",
                            torch::randn({channels}, generator_) * 0.1);
    module_.register_buffer(name + "_var",
                            torch::rand({channels}, generator_) + 0.5);
    return *this;
  }
  Builder& buffer(const std::string& name, const torch::Tensor& value) {
    module_.register_buffer(name, value);
    return *this;
  }
  Module define(const std::string& source) {
    module_.define(source);
    return module_;
  }

 private:
  Module module_;
  at::Generator generator_;
};

Builder backbone(const std::string& name, int64_t classes) {
  Builder b(name);
  b.weight("c1", {8, 3, 3, 3}).norm("n1", 8);
  b.weight("c2", {8, 8, 3, 3}).norm("n2", 8);
  b.weight("c3", {8, 8, 3, 3}).norm("n3", 8);
  b.weight("c4", {12, 8, 3, 3}).norm("n4", 12);
  b.weight("c5", {12, 12, 3, 3}).norm("n5", 12);
  b.weight("fc_w", {classes, 12}).weight("fc_b", {classes});
  return b;
}

/// The backbone's source; `mode` is an expression for the train flag, `drop`
/// is put on the last residual branch, `ending` returns from features f.
std::string source(const std::string& mode, const std::string& ending,
                   const std::string& drop = "", const std::string& start = "",
                   const std::string& signature = "self, x: Tensor") {
  const auto bn = [&](const std::string& x, const std::string& n) {
    return "torch.batch_norm(" + x + ", self." + n + "_w, self." + n +
           "_b, self." + n + "_mean, self." + n + "_var, " + mode +
           ", 0.1, 1e-5, True)";
  };
  const auto conv = [](const std::string& x, const std::string& w, int stride) {
    return "torch.conv2d(" + x + ", self." + w + ", None, [" +
           std::to_string(stride) + ", " + std::to_string(stride) +
           "], [1, 1])";
  };
  return "def forward(" + signature + "):\n" + start +
         "  batch = x.size(0)\n"
         "  a = torch.relu_(" +
         bn(conv("x", "c1", 1), "n1") + ")\n" + "  r = torch.relu(" +
         bn(conv("a", "c2", 1), "n2") + ")\n" + "  a = torch.relu(a + " +
         bn(conv("r", "c3", 1), "n3") + ")\n" + "  a = torch.relu_(" +
         bn(conv("a", "c4", 2), "n4") + ")\n" +
         "  r = " + bn(conv("a", "c5", 1), "n5") + "\n" + drop +
         "  a = torch.relu(a + r)\n"
         "  f = torch.adaptive_avg_pool2d(a, [1, 1])\n"
         "  f = torch.reshape(f, [batch, -1])\n"
         "  f = torch.dropout(f, 0.2, " +
         mode + ")\n" + ending;
}

const char* kLinear = "  return torch.linear(f, self.fc_w, self.fc_b)\n";

}  // namespace

Module residual(int64_t classes) {
  return backbone("residual", classes).define(source("self.training", kLinear));
}

Module traced(bool train_mode, int64_t classes) {
  Builder b = backbone("traced", classes);
  if (!train_mode) return b.define(source("False", kLinear));
  b.buffer("num_batches_tracked", torch::zeros({}, torch::kLong));
  return b.define(
      source("True", kLinear,
             "  noise = torch.empty([batch, 1, 1, 1]).bernoulli_(0.8)\n"
             "  noise = noise.div_(0.8)\n"
             "  r = r * noise\n",
             "  self.num_batches_tracked.add_(1)\n"));
}

Module asserting(int64_t classes) {
  return backbone("asserting", classes)
      .define(source("self.training", kLinear,
                     "  assert r.dim() == 4, 'expected 4D input'\n",
                     "  assert x.size(1) == 3, 'expected RGB'\n"));
}

Module conv_head(int64_t classes) {
  Builder b = backbone("conv_head", classes);
  b.weight("head_w", {classes, 12, 1, 1}).weight("head_b", {classes});
  return b.define(
      source("self.training",
             "  y = torch.conv2d(torch.dropout(a, 0.5, self.training), "
             "self.head_w, self.head_b)\n"
             "  y = torch.adaptive_avg_pool2d(torch.relu(y), [1, 1])\n"
             "  return torch.flatten(y, 1)\n"));
}

Module standardised(int64_t classes) {
  return backbone("standardised", classes)
      .define(source("False", kLinear, "",
                     "  w = torch.batch_norm(self.c1.reshape([1, 8, -1]), "
                     "None, None, None, None, True, 0.0, 1e-5, True)\n"
                     "  x = torch.conv2d(x, w.reshape([8, 3, 3, 3]), None, "
                     "[1, 1], [1, 1])[:, :3]\n"));
}

Module random_depth(bool known, int64_t classes) {
  return backbone("random_depth", classes)
      .define(source("False", kLinear,
                     known ? "  m = torch.floor(torch.rand([batch, 1, 1, 1]) + "
                             "0.8)\n"
                             "  r = r / 0.8 * m\n"
                           : "  r = r * torch.rand([batch, 1, 1, 1])\n"));
}

Module one_image(int64_t classes) {
  return backbone("one_image", classes)
      .define(source(
          "False", "  f = torch.reshape(f, [1, 12])\n" + std::string(kLinear)));
}

Module pooled_norm(int64_t classes) {
  Builder b = backbone("pooled_norm", classes);
  return b.norm("n6", 12).define(
      source("self.training",
             "  f = torch.batch_norm(f, self.n6_w, self.n6_b, self.n6_mean, "
             "self.n6_var, self.training, 0.1, 1e-5, True)\n" +
                 std::string(kLinear)));
}

Module addmm_head(int64_t classes) {
  return backbone("addmm_head", classes)
      .define(source("self.training",
                     "  return torch.addmm(self.fc_b, f, "
                     "torch.t(self.fc_w))\n"));
}

Module matmul_head(int64_t classes) {
  Builder b = backbone("matmul_head", classes);
  b.weight("head_w", {12, classes});
  return b.define(source("self.training",
                         "  return torch.matmul(f, self.head_w) + "
                         "self.fc_b\n"));
}

Module attention(int64_t classes) {
  Builder b("attention");
  b.weight("patch", {12, 3, 4, 4}).weight("token", {1, 1, 12});
  b.weight("position", {1, 17, 12}).weight("qkv", {36, 12});
  b.weight("out", {12, 12}).norm("ln", 12);
  b.weight("fc_w", {classes, 12}).weight("fc_b", {classes});
  return b.define(R"(
def forward(self, x: Tensor):
  n, c, h, w = x.shape
  p = torch.conv2d(x, self.patch, None, [4, 4])
  p = torch.transpose(torch.flatten(p, 2), 1, 2)
  t = torch.cat([self.token.expand(n, -1, -1), p], 1) + self.position
  y = torch.layer_norm(t, [12], self.ln_w, self.ln_b)
  q, k, v = torch.chunk(torch.linear(y, self.qkv), 3, -1)
  s = torch.softmax(torch.matmul(q, k.transpose(1, 2)) / 3.4641, -1)
  t = t + torch.linear(torch.matmul(s, v), self.out)
  return torch.linear(t[:, 0], self.fc_w, self.fc_b)
)");
}

Module fast_attention(int64_t classes, bool masked) {
  Builder b("fast_attention");
  b.weight("patch", {12, 3, 4, 4});
  std::string layers;
  for (const std::string l : {"a", "b", "c"}) {
    b.weight(l + "_qkv", {36, 12}).weight(l + "_qkv_b", {36});
    b.weight(l + "_out", {12, 12}).weight(l + "_out_b", {12});
    const std::string attention = "self." + l + "_qkv, self." + l +
                                  "_qkv_b, self." + l + "_out, self." + l +
                                  "_out_b, ";
    if (l == "a") {
      layers +=
          "  y, unused = torch._native_multi_head_attention(t, t, t, " +
          ("12, 3, " + attention) +
          (masked ? "mask, False, True, 0)" : "None, False, True, None)") +
          "\n  t = t + y\n";
      continue;
    }
    b.norm(l + "1", 12).norm(l + "2", 12);
    b.weight(l + "_up", {20, 12}).weight(l + "_up_b", {20});
    b.weight(l + "_down", {12, 20}).weight(l + "_down_b", {12});
    std::string rest;
    for (const char* name :
         {"1_w", "1_b", "2_w", "2_b", "_up", "_up_b", "_down", "_down_b"})
      rest += "self." + l + name + ", ";
    layers += "  t = torch._transformer_encoder_layer_fwd(t, 12, 3, " +
              attention + (l == "b" ? "True, True" : "False, False") +
              ", 1e-5, " + rest + "None, None)\n";
  }
  b.weight("fc_w", {classes, 12}).weight("fc_b", {classes});
  return b.define(R"(
def forward(self, x: Tensor):
  p = torch.conv2d(x, self.patch, None, [4, 4])
  t = torch.transpose(torch.flatten(p, 2), 1, 2)
  mask = torch.zeros([16, 16]) > 0
)" + layers + R"(
  return torch.linear(torch.mean(t, [1]), self.fc_w, self.fc_b)
)");
}

Module writes_list(int64_t classes) {
  Builder b("writes_list");
  b.weight("one", {8, 3, 3, 3}).weight("two", {8, 8, 3, 3});
  b.weight("fc_w", {classes, 8}).weight("fc_b", {classes});
  return b.define(R"(
def forward(self, x: Tensor):
  shift = [3, 2]
  shift = shift.copy()
  y = torch.relu(torch.conv2d(x, self.one, None, [1, 1], [1, 1]))
  if y.size(2) > 8:
    shift[0] = 1
  y = torch.roll(torch.conv2d(y, self.two), shift, [2, 3])
  y = torch.mean(y[:, :, 0:6, 0:6], [2, 3])
  return torch.linear(y, self.fc_w, self.fc_b)
)");
}

Module ending(const std::string& kind, int64_t classes) {
  Builder b = backbone("ending", classes);
  const std::string logits = "torch.linear(f, self.fc_w, self.fc_b)";
  const std::map<std::string, std::string> endings = {
      {"softmax", "  return torch.softmax(" + logits + ", 1)\n"},
      {"log_softmax", "  return torch.log_softmax(" + logits + ", 1)\n"},
      {"tuple", "  return " + logits + ", torch.mean(a, [2, 3])\n"},
      {"dict", "  return {'features': f, 'logits': " + logits + "}\n"},
      {"sigmoid", "  return torch.sigmoid(" + logits + ")\n"},
      {"relu", "  return torch.relu(" + logits + ")\n"},
      {"cast",
       "  return torch.linear(f, self.fc_w.to(f.dtype), "
       "self.fc_b.to(f.dtype))\n"},
      {"none", "  return torch.tanh(f)\n"},
      {"two_images", kLinear},
      {"list_input", kLinear}};
  if (kind == "two_images")
    return b.define(source("False", kLinear, "", "  x = x + y\n",
                           "self, x: Tensor, y: Tensor"));
  if (kind == "list_input")
    return b.define(source("False", kLinear, "", "  x = xs[0]\n",
                           "self, xs: List[Tensor]"));
  if (kind == "complex")
    return b.define(source(
        "self.training", kLinear,
        "  r = torch.view_as_real(torch.complex(r, r))[:, :, :, :, 0]\n"));
  return b.define(source("self.training", endings.at(kind)));
}

Module activations(int64_t classes) {
  Builder b("activations");
  b.weight("c0", {8, 3, 3, 3}).weight("d", {8, 1, 3, 3});
  b.weight("fc_w", {classes, 8}).weight("fc_b", {classes});
  const char* conv =
      "torch.conv2d(torch.constant_pad_nd(a, [1, 1, 1, 1], 0.0), self.d, None, "
      "[1, 1], [0, 0], [1, 1], 8)";
  std::string text =
      "def forward(self, x: Tensor):\n"
      "  a = torch.relu(torch.conv2d(x, self.c0, None, [1, 1], [1, 1]))\n";
  for (const char* f :
       {"torch.relu", "torch.sigmoid", "torch.silu", "torch.hardswish"})
    text += "  a = " + std::string(f) + "(" + conv + ")\n";
  text += "  a = torch.hardtanh(" + std::string(conv) + ", 0.0, 6.0)\n";
  text += "  a = torch.clamp(" + std::string(conv) + ", -1.0, 1.0)\n";
  text += "  a = torch.leaky_relu(" + std::string(conv) + ", 0.2)\n";
  text += "  a = torch.gelu(" + std::string(conv) + ", approximate='tanh')\n";
  text += "  a = a + " + std::string(conv) + "\n";
  text += "  a = torch.relu(" + std::string(conv) + " + a)\n";
  text += "  a = torch.sigmoid(" + std::string(conv) + " + a)\n";
  // Not the same on both sides: stays as it is.
  text +=
      "  a = torch.conv2d(torch.constant_pad_nd(a, [0, 1, 0, 1], 0.0), self.d, "
      "None, [2, 2], [0, 0], [1, 1], 8)\n"
      "  return torch.linear(torch.mean(a, [2, 3]), self.fc_w, self.fc_b)\n";
  return b.define(text);
}

Module tied(int64_t classes) {
  Builder b("tied");
  b.weight("c1", {8, 3, 3, 3}).weight("c2", {8, 8, 3, 3});
  b.weight("fc_w", {classes, 8}).weight("fc_b", {classes});
  Module module = b.define(R"(
def forward(self, x: Tensor):
  a = torch.relu(torch.conv2d(x, self.c1, None, [1, 1], [1, 1]))
  a = torch.relu(torch.conv2d(a, self.c2, None, [1, 1], [1, 1]))
  a = torch.relu(torch.conv2d(a, self.c2, None, [1, 1], [1, 1]))
  return torch.linear(torch.mean(a, [2, 3]), self.fc_w, self.fc_b)
)");
  return module;
}

Module uncuttable(int64_t classes) {
  Builder b("uncuttable");
  b.weight("c1", {8, 3, 3, 3}).weight("fc_w", {classes, 8});
  b.weight("fc_b", {classes});
  return b.define(R"(
def forward(self, x: Tensor):
  height = x.size(2)
  a = torch.relu(torch.conv2d(x, self.c1))
  y = torch.linear(torch.mean(a, [2, 3]), self.fc_w, self.fc_b)
  return torch.reshape(y, [x.size(0), -(height // height)])
)");
}

Module frozen(int64_t classes) {
  Module module = tied(classes);
  module.eval();
  return torch::jit::freeze_module(module);
}

torch::Tensor images(int64_t n) {
  return torch::randn({n, 3, 16, 16}, at::detail::createCPUGenerator(3));
}

InputSpec input() {
  InputSpec spec;
  spec.crop = 16;
  spec.resize = 18;
  return spec;
}

}  // namespace engraft::tiny
