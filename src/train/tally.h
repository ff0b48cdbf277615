#pragma once

#include <torch/types.h>

namespace engraft {

inline int64_t count_right(const torch::Tensor& logits,
                           const torch::Tensor& labels) {
  return logits.argmax(1).eq(labels).sum().item<int64_t>();
}

/// Running means over pictures.
struct Tally {
  double loss = 0;
  int64_t right = 0, images = 0;

  void add(double batch_loss, int64_t batch_right, int64_t batch_images) {
    loss += batch_loss * static_cast<double>(batch_images);
    right += batch_right;
    images += batch_images;
  }
  double mean_loss() const {
    return images ? loss / static_cast<double>(images) : 0;
  }
  double accuracy() const {
    return images ? static_cast<double>(right) / static_cast<double>(images)
                  : 0;
  }
};

}  // namespace engraft
