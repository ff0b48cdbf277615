#include "engraft/data/loader.h"

#include <ATen/ops/empty.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <numeric>
#include <thread>

#include "data/batch_pool.h"
#include "data/training_view.h"
#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "engraft/error.h"
#include "engraft/threads.h"
#include "stopwatch.h"

namespace engraft {
namespace {

constexpr int64_t kMaxHeldBytes = int64_t{256} << 20;

int64_t views_per_sample(const LoaderOptions& options) {
  return options.augment ? options.views
                         : options.crops * std::ssize(options.scales);
}

int64_t floats_per_sample(const LoaderOptions& options) {
  return views_per_sample(options) * 3 * options.input.crop *
         options.input.crop;
}

std::vector<int64_t> full_shape(const LoaderOptions& options) {
  const int64_t side = options.input.crop;
  const int64_t views = views_per_sample(options);
  if (views == 1) return {options.batch_size, 3, side, side};
  return {options.batch_size, views, 3, side, side};
}

}  // namespace

std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int64_t epoch) {
  constexpr uint64_t kShuffle = 0x73687566666C65;  // no image has this key
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  ImageRandom random(seed, static_cast<uint64_t>(epoch), kShuffle);
  for (size_t i = order.size(); i > 1; --i)  // Fisher-Yates
    std::swap(
        order[i - 1],
        order[static_cast<size_t>(random.uniform() * static_cast<double>(i))]);
  return order;
}

struct Loader::State {
  /// A batch that workers fill; each writes the rows that it claimed.
  struct Slot {
    torch::Tensor images;
    std::vector<int64_t> indices;
    std::exception_ptr no_room;  // why there are no images
    std::vector<std::exception_ptr> errors;
    int64_t missing = 0;  // rows not done yet; under the loader's mutex
  };

  struct Task {
    std::shared_ptr<Slot> slot;
    int64_t row = 0, epoch = 0;
  };

  State(const std::vector<Sample>& samples, LoaderOptions options);
  ~State();

  void start_epoch(int64_t epoch);
  std::optional<Batch> next();
  int64_t num_batches() const {
    return (std::ssize(samples_) + options_.batch_size - 1) /
           options_.batch_size;
  }

  const std::vector<Sample>& samples_;
  const LoaderOptions options_;
  double seconds_waited_ = 0;

 private:
  void work();
  void fill(const Task& task) const;
  bool may_claim() const;
  Task claim();
  std::shared_ptr<Slot> wait_for_front();
  Batch finish(Slot& slot) const;

  const ShareCores sharing_;
  int64_t ahead_ = 1;  // batches that may be begun before they are asked for
  std::mutex mutex_;   // guards everything below but the threads
  std::condition_variable work_, done_;
  BatchPool pool_;
  std::vector<int64_t> order_;
  int64_t epoch_ = 0, claimed_ = 0, taken_ = 0;  // rows; batches
  std::deque<std::shared_ptr<Slot>> slots_;      // begun and not taken
  bool stopping_ = false;
  std::vector<std::jthread> threads_;
};

Loader::State::State(const std::vector<Sample>& samples, LoaderOptions options)
    : samples_(samples),
      options_(std::move(options)),
      pool_(full_shape(options_)) {
  const int64_t bytes = options_.batch_size * floats_per_sample(options_) * 4;
  ahead_ = std::clamp<int64_t>(kMaxHeldBytes / bytes, 1,
                               std::max<int64_t>(options_.prefetch, 1));
  int64_t threads = options_.threads;
  if (threads <= 0) threads = std::thread::hardware_concurrency();
  threads = std::clamp<int64_t>(threads, 1, 1024);
  cv::setNumThreads(0);
  start_threads(threads_, threads, [this] { work(); });
}

Loader::State::~State() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_.notify_all();
}

void Loader::State::start_epoch(int64_t epoch) {
  {
    const std::lock_guard lock(mutex_);
    // Workers hold their slots themselves: rows under way end unseen.
    slots_.clear();
    if (options_.augment && options_.shuffle) {
      order_ = epoch_order(std::ssize(samples_), options_.seed, epoch);
    } else {
      order_.resize(samples_.size());
      std::iota(order_.begin(), order_.end(), int64_t{0});
    }
    epoch_ = epoch;
    claimed_ = taken_ = 0;
  }
  work_.notify_all();
}

bool Loader::State::may_claim() const {
  return claimed_ < std::ssize(order_) &&
         claimed_ / options_.batch_size < taken_ + ahead_;
}

Loader::State::Task Loader::State::claim() {
  const int64_t row = claimed_ % options_.batch_size;
  if (row == 0) {
    auto slot = std::make_shared<Slot>();
    const auto first = order_.begin() + claimed_;
    const int64_t rows =
        std::min(options_.batch_size, std::ssize(order_) - claimed_);
    slot->indices.assign(first, first + rows);
    slot->errors.resize(static_cast<size_t>(rows));
    slot->missing = rows;
    try {
      slot->images = pool_.take(rows);
    } catch (...) {  // no memory: told by whoever waits for this batch
      slot->no_room = std::current_exception();
    }
    slots_.push_back(std::move(slot));
  }
  ++claimed_;
  return {slots_.back(), row, epoch_};
}

void Loader::State::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return stopping_ || may_claim(); });
    if (stopping_) return;
    const Task task = claim();
    lock.unlock();
    try {
      fill(task);
    } catch (...) {
      task.slot->errors[static_cast<size_t>(task.row)] =
          std::current_exception();
    }
    lock.lock();
    if (--task.slot->missing == 0) done_.notify_all();
  }
}

void Loader::State::fill(const Task& task) const {
  if (task.slot->no_room) return;
  const auto index = task.slot->indices[static_cast<size_t>(task.row)];
  const Sample& sample = samples_[static_cast<size_t>(index)];
  const InputSpec& input = options_.input;
  float* out = task.slot->images.mutable_data_ptr<float>() +
               task.row * floats_per_sample(options_);
  const auto write = [&](const cv::Mat& view) {
    normalise_into(view, input, out);
    out += 3 * input.crop * input.crop;
  };
  if (options_.augment)
    for_each_training_view(sample, *options_.augment, input, options_.seed,
                           task.epoch, options_.views, write);
  else
    for (const cv::Mat& view : evaluation_views(
             decode_image(sample.path), input, options_.crops, options_.scales))
      write(view);
}

std::shared_ptr<Loader::State::Slot> Loader::State::wait_for_front() {
  const Stopwatch watch;
  std::unique_lock lock(mutex_);
  if (taken_ * options_.batch_size >= std::ssize(order_)) return nullptr;
  done_.wait(lock,
             [&] { return !slots_.empty() && slots_.front()->missing == 0; });
  auto slot = std::move(slots_.front());
  slots_.pop_front();
  ++taken_;
  seconds_waited_ += watch.seconds();
  return slot;
}

Batch Loader::State::finish(Slot& slot) const {
  Batch batch;
  const int64_t stride = floats_per_sample(options_);
  if (slot.no_room) std::rethrow_exception(slot.no_room);
  float* data = slot.images.mutable_data_ptr<float>();
  for (size_t row = 0; row < slot.indices.size(); ++row) {
    if (slot.errors[row]) {
      try {
        std::rethrow_exception(slot.errors[row]);
      } catch (const Error& error) {
        if (!options_.keep_going) throw;
        batch.unreadable.push_back({slot.indices[row], error.what()});
        continue;
      }
    }
    const auto kept = std::ssize(batch.indices);
    if (kept != static_cast<int64_t>(row))
      std::memcpy(data + kept * stride, data + int64_t(row) * stride,
                  static_cast<size_t>(stride) * sizeof(float));
    batch.indices.push_back(slot.indices[row]);
  }
  const auto rows = std::ssize(batch.indices);
  batch.images = slot.images.narrow(0, 0, rows);
  batch.labels = at::empty({rows}, at::kLong);
  int64_t* labels = batch.labels.mutable_data_ptr<int64_t>();
  for (const int64_t index : batch.indices)
    *labels++ = samples_[static_cast<size_t>(index)].label;
  return batch;
}

std::optional<Batch> Loader::State::next() {
  const std::shared_ptr<Slot> slot = wait_for_front();
  if (!slot) return std::nullopt;
  work_.notify_all();
  try {
    return finish(*slot);
  } catch (...) {
    // The epoch is over: a caller that goes on gets no part of it silently.
    const std::lock_guard lock(mutex_);
    order_.clear();
    slots_.clear();
    throw;
  }
}

Loader::Loader(const std::vector<Sample>& samples, LoaderOptions options)
    : state_(std::make_unique<State>(samples, std::move(options))) {}

Loader::~Loader() = default;

void Loader::start_epoch(int64_t epoch) { state_->start_epoch(epoch); }

std::optional<Batch> Loader::next() { return state_->next(); }

int64_t Loader::num_samples() const { return std::ssize(state_->samples_); }

int64_t Loader::num_batches() const { return state_->num_batches(); }

double Loader::seconds_waited() const { return state_->seconds_waited_; }

}  // namespace engraft
