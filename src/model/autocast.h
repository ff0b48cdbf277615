#pragma once

#include <c10/core/DeviceType.h>
#include <c10/core/ScalarType.h>

namespace engraft {

/// While it lives, convolutions and matrix products of this thread on this
/// device take bfloat16 (mixed precision, Micikevicius et al. 2018; bfloat16
/// has float32's range, so that the loss needs no scaling). Parameters and
/// their gradients stay float32.
class Autocast {
 public:
  explicit Autocast(c10::DeviceType device);
  ~Autocast();
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  c10::DeviceType device_;
  bool enabled_;
  c10::ScalarType dtype_;
};

/// Whether the processor computes in bfloat16 itself; emulated it takes ten
/// times as long as float32. Another architecture than x86 is not known to
/// lack it.
bool has_bf16();

}  // namespace engraft
