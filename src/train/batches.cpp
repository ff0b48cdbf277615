#include "train/batches.h"

#include <algorithm>
#include <numeric>

namespace engraft {

Batches::Batches(const std::vector<Sample>& samples,
                 const LoaderOptions& options, Activations& kept, int64_t views)
    : samples_(samples), options_(options), kept_(&kept), views_(views) {}

Batches::Batches(const std::vector<Sample>& samples,
                 const LoaderOptions& options, FrozenPrefix* prefix)
    : samples_(samples),
      options_(options),
      prefix_(prefix),
      loader_(std::make_unique<Loader>(samples, options)) {}

void Batches::start_epoch(int64_t epoch) {
  if (loader_) return loader_->start_epoch(epoch);
  at_ = 0;
  view_ = views_ > 0 ? (epoch - 1) % views_ : -1;
  if (options_.augment) {
    order_ = epoch_order(num_samples(), options_.seed, epoch);
  } else {
    order_.resize(samples_.size());
    std::iota(order_.begin(), order_.end(), int64_t{0});
  }
}

std::optional<Batches::Batch> Batches::next() {
  if (loader_) {
    auto batch = loader_->next();
    if (!batch) return std::nullopt;
    return Batch{prefix_ ? prefix_->run(batch->images) : batch->images,
                 batch->labels};
  }
  if (at_ >= num_samples()) return std::nullopt;
  const auto last = std::min(at_ + options_.batch_size, num_samples());
  const std::vector<int64_t> indices(order_.begin() + at_,
                                     order_.begin() + last);
  at_ = last;
  Batch out{kept_->read(samples_, indices, view_),
            torch::empty({std::ssize(indices)}, torch::kLong)};
  for (int64_t i = 0; i < std::ssize(indices); ++i)
    out.labels.mutable_data_ptr<int64_t>()[i] =
        samples_[static_cast<size_t>(indices[i])].label;
  return out;
}

int64_t Batches::num_batches() const {
  return (num_samples() + options_.batch_size - 1) / options_.batch_size;
}

double Batches::seconds_waited() const {
  return loader_ ? loader_->seconds_waited() : 0;
}

}  // namespace engraft
