// How the process uses the machine: threads and memory.

#include "engraft/threads.h"

#include <ATen/Parallel.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <condition_variable>
#include <mutex>
#include <thread>

namespace engraft {

void share_cores() {
  static std::once_flag once;
  std::call_once(once, [] {
    std::mutex mutex;
    std::condition_variable changed;
    bool ready = false;
    std::thread parked([&] {
      at::parallel_for(0, at::get_num_threads(), 1, [](int64_t, int64_t) {});
      {
        // Notified under the lock: the waiting scope may end right after it.
        const std::lock_guard lock(mutex);
        ready = true;
        changed.notify_one();
      }
      // Its team lives as long as it does.
      std::mutex forever;
      std::condition_variable never;
      std::unique_lock lock(forever);
      while (true) never.wait(lock);
    });
    parked.detach();
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
  });
}

void keep_memory() {
#ifdef __GLIBC__
  // 32 MiB is the most that glibc takes.
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
#endif
}

}  // namespace engraft
