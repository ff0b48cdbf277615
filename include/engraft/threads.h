#pragma once

#include <cstdint>
#include <functional>

namespace engraft {

/// While one lives, the threads that compute and the threads that decode share
/// the cores.
///
/// GNU's OpenMP lets a thread that waits for the others of its team burn its
/// core for milliseconds, as long as its teams have no more threads than there
/// are cores. The threads that decode do not count there, so that they and the
/// waiting ones starve each other. This parks a second, idle team: then a
/// waiting thread goes to sleep soon. Without threads that decode, sleeping
/// only costs the time to wake up. OMP_WAIT_POLICY and GOMP_SPINCOUNT still
/// win.
class ShareCores {
 public:
  ShareCores();
  ~ShareCores();
  ShareCores(const ShareCores&) = delete;
  ShareCores& operator=(const ShareCores&) = delete;
};

/// Calls work(i) for every i in [0, count), on as many threads as LibTorch
/// computes with, each of which computes alone. For work in independent parts:
/// no thread waits for another one within a layer. Rethrows the first
/// exception, in the order of i, after all threads have ended. With one thread
/// or one part it runs on the caller's.
void compute_apart(int64_t count, const std::function<void(int64_t)>& work);

/// Lets the C library keep freed activations for the next layer instead of
/// giving them back to the system, whose page faults then take a third of an
/// inference's time. For a program's main, before its first allocation of
/// size; nothing outside of glibc.
void keep_memory();

}  // namespace engraft
