// How the process uses the machine: threads and memory.

#include "engraft/threads.h"

#include <ATen/Parallel.h>
#ifdef _OPENMP
#include <omp.h>
#endif
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "processor_use.h"
#include "stopwatch.h"

namespace engraft {
namespace {

/// A thread with an OpenMP team of its own that does nothing. The team lives
/// as long as its thread does, and is one thread more than the processors:
/// GNU's OpenMP compares their number with all threads of all teams, of which
/// LibTorch's may be half as many (one of the two that a core counts for).
class IdleTeam {
 public:
  IdleTeam() : thread_([this] { park(); }) { started_.wait(); }
  ~IdleTeam() {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
    }
    changed_.notify_one();
    thread_.join();
  }

 private:
  void park() {
#ifdef _OPENMP
#pragma omp parallel num_threads(omp_get_num_procs() + 1)
    std::atomic_thread_fence(std::memory_order_relaxed);
#endif
    started_.count_down();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_; });
  }

  std::latch started_{1};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the others
};

std::mutex sharing_mutex;
int sharing = 0;  // guarded by it, as is the team
std::unique_ptr<IdleTeam> idle_team;

}  // namespace

ShareCores::ShareCores() {
  const std::lock_guard lock(sharing_mutex);
  if (sharing == 0) idle_team = std::make_unique<IdleTeam>();
  ++sharing;
}

ShareCores::~ShareCores() {
  const std::lock_guard lock(sharing_mutex);
  if (--sharing == 0) idle_team.reset();
}

struct WatchCores::State {
  std::atomic<bool> sharing = false;
  std::jthread thread;  // last: it uses the other

  /// Calls nothing of LibTorch's, whose set-up in a new thread would meet that
  /// of others.
  /// \param threads  that compute
  void watch(const std::stop_token& stop, int threads) {
    constexpr auto kInterval = std::chrono::milliseconds(500);
    constexpr int kQuietLooks = 4;  // in a row, before it shares no more
    const std::vector<int> processors = own_processors();
    std::mutex mutex;
    std::condition_variable_any ended;
    std::optional<ShareCores> shared;
    int quiet = 0;
    auto before = processor_use(processors);
    Stopwatch watch;
    while (before) {
      std::unique_lock lock(mutex);
      if (ended.wait_for(lock, stop, kInterval,
                         [&stop] { return stop.stop_requested(); }))
        return;
      const auto now = processor_use(processors);
      if (!now) return;
      const bool crowded = is_crowded(
          {now->all - before->all, now->own - before->own}, watch.seconds(),
          threads, static_cast<int>(std::ssize(processors)));
      watch = Stopwatch();
      before = now;
      quiet = crowded ? 0 : quiet + 1;
      if (crowded && !shared) shared.emplace();
      if (quiet >= kQuietLooks) shared.reset();
      sharing = shared.has_value();
    }
  }
};

WatchCores::WatchCores() : state_(std::make_unique<State>()) {
  const int threads = at::get_num_threads();
  if (threads < 2) return;  // one waits for none
  try {
    state_->thread = std::jthread(
        [state = state_.get(), threads](const std::stop_token& stop) {
          try {
            state->watch(stop, threads);
          } catch (...) {
            // Training goes on without it, only slower.
          }
          state->sharing = false;
        });
  } catch (const std::system_error&) {
    // No thread is left for it.
  }
}

WatchCores::~WatchCores() = default;

bool WatchCores::sharing() const { return state_->sharing; }

struct ComputeTeam::State {
  std::mutex mutex;  // guards the next two
  std::deque<std::packaged_task<void()>> tasks;
  bool ending = false;
  std::condition_variable changed;
  std::vector<std::jthread> threads;  // last: they use the others

  void work() {
    std::unique_lock lock(mutex);
    while (true) {
      changed.wait(lock, [this] { return ending || !tasks.empty(); });
      if (tasks.empty()) return;
      auto task = std::move(tasks.front());
      tasks.pop_front();
      lock.unlock();
      task();
      lock.lock();
    }
  }
};

ComputeTeam::ComputeTeam() : state_(std::make_unique<State>()) {
  const int count = at::get_num_threads();
  if (count <= 1) return;
  start_threads(state_->threads, count, [this] { state_->work(); });
}

ComputeTeam::~ComputeTeam() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->ending = true;
  }
  state_->changed.notify_all();
}

std::future<void> ComputeTeam::begin(std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  auto future = task.get_future();
  if (state_->threads.empty()) {
    task();
    return future;
  }
  {
    const std::lock_guard lock(state_->mutex);
    state_->tasks.push_back(std::move(task));
  }
  state_->changed.notify_one();
  return future;
}

void start_threads(std::vector<std::jthread>& threads, int64_t count,
                   const std::function<void()>& work) {
  // LibTorch keeps the number per thread but also remembers the last one set,
  // for threads to come: put that back.
  const int before = at::get_num_threads();
  std::latch ready(count);
  int64_t started = 0;
  try {
    for (; started < count; ++started)
      threads.emplace_back([work, &ready] {
        at::get_num_threads();  // the lazy set-up would undo what follows
        at::set_num_threads(1);
        ready.count_down();
        work();
      });
  } catch (const std::system_error&) {
    if (started == 0) throw;
    ready.count_down(count - started);
  }
  ready.wait();
  at::set_num_threads(before);
}

void wait_for_all(std::vector<std::future<void>>& begun) {
  for (const auto& one : begun) one.wait();
  for (auto& one : begun) one.get();
}

void compute_apart(int64_t count, const std::function<void(int64_t)>& work) {
  if (count == 1) return work(0);
  if (count < 1) return;
  ComputeTeam team;
  std::vector<std::future<void>> begun;
  for (int64_t i = 0; i < count; ++i)
    begun.push_back(team.begin([&work, i] { work(i); }));
  wait_for_all(begun);
}

void keep_memory() {
#ifdef __GLIBC__
  // 32 MiB is the most that glibc takes.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

void give_back_memory() {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
}

}  // namespace engraft
