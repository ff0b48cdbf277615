#pragma once

#include <ATen/Context.h>

#include <utility>
#include <vector>

namespace engraft {

/// Looking at the model draws random numbers (dropout), and must not change
/// those that training draws.
class KeepRandomness {
 public:
  explicit KeepRandomness(torch::Device device) {
    for (const auto& one : {torch::Device(torch::kCPU), device}) {
      const auto generator = at::globalContext().defaultGenerator(one);
      kept_.emplace_back(generator, generator.get_state());
    }
  }
  ~KeepRandomness() {
    for (auto& [generator, state] : kept_) generator.set_state(state);
  }
  KeepRandomness(const KeepRandomness&) = delete;
  KeepRandomness& operator=(const KeepRandomness&) = delete;

 private:
  std::vector<std::pair<at::Generator, torch::Tensor>> kept_;
};

}  // namespace engraft
