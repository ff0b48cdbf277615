// How the process uses the machine: threads and memory.

#include "engraft/threads.h"

#include <ATen/Parallel.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <latch>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace engraft {
namespace {

/// A thread with an OpenMP team of its own that does nothing. The team lives
/// as long as its thread does.
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
    at::parallel_for(0, at::get_num_threads(), 1, [](int64_t, int64_t) {});
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
  if (sharing++ == 0) idle_team = std::make_unique<IdleTeam>();
}

ShareCores::~ShareCores() {
  const std::lock_guard lock(sharing_mutex);
  if (--sharing == 0) idle_team.reset();
}

void compute_apart(int64_t count, const std::function<void(int64_t)>& work) {
  const int own_threads = at::get_num_threads();
  const int64_t threads = std::min<int64_t>(own_threads, count);
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i) work(i);
    return;
  }
  std::atomic<int64_t> next{0};
  std::vector<std::exception_ptr> failures(static_cast<size_t>(count));
  {
    std::vector<std::jthread> team;
    for (int64_t t = 0; t < threads; ++t)
      team.emplace_back([&] {
        at::get_num_threads();  // the lazy set-up would undo what follows
        at::set_num_threads(1);
        for (int64_t i = next++; i < count; i = next++) {
          try {
            work(i);
          } catch (...) {
            failures[static_cast<size_t>(i)] = std::current_exception();
          }
        }
      });
  }
  // LibTorch remembers the last number set for threads to come.
  at::set_num_threads(own_threads);
  for (const auto& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

void keep_memory() {
#ifdef __GLIBC__
  // 32 MiB is the most that glibc takes.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace engraft
