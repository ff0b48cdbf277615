#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <vector>

namespace engraft {

/// While one lives, threads that compute leave the cores to others while they
/// wait: to the threads that decode, or to other processes.
///
/// GNU's OpenMP lets a thread that waits for the others of its team burn its
/// core for milliseconds, as long as its teams have no more threads than there
/// are cores. Whoever else computes does not count there, so that he and the
/// waiting ones starve each other. This parks a second, idle team: then a
/// waiting thread goes to sleep soon. Where nobody else computes, that only
/// costs the time to wake up. OMP_WAIT_POLICY and GOMP_SPINCOUNT still win.
class ShareCores {
 public:
  ShareCores();
  ~ShareCores();
  ShareCores(const ShareCores&) = delete;
  ShareCores& operator=(const ShareCores&) = delete;
};

/// While one lives, looks twice a second at what other processes use of the
/// cores, and lives with a ShareCores while they and LibTorch's threads want
/// more than there are: beside two processes that compute all the time on two
/// cores, training took 36 s instead of 61 (medians of three). For a program's
/// main. Does nothing where the system does not say who uses the cores.
class WatchCores {
 public:
  WatchCores();
  ~WatchCores();
  WatchCores(const WatchCores&) = delete;
  WatchCores& operator=(const WatchCores&) = delete;

  /// Whether the cores are shared with others now.
  bool sharing() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// As many threads as LibTorch computes with, each of which computes alone: for
/// work in independent parts, so that no thread waits for another one within a
/// layer. Where LibTorch has one thread, work runs on the caller's.
class ComputeTeam {
 public:
  ComputeTeam();
  /// Waits for the work that was begun.
  ~ComputeTeam();
  ComputeTeam(const ComputeTeam&) = delete;
  ComputeTeam& operator=(const ComputeTeam&) = delete;

  /// Begins it behind what was begun before. The future gives what it throws;
  /// what it refers to must live until then.
  std::future<void> begin(std::function<void()> work);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Waits for all of them, then rethrows the first exception in their order.
void wait_for_all(std::vector<std::future<void>>& begun);

/// Adds up to `count` threads that do `work`, each of which LibTorch computes
/// on alone; fewer where the machine gives no more, but one at least. Returns
/// when all have begun. Throws std::system_error for none.
void start_threads(std::vector<std::jthread>& threads, int64_t count,
                   const std::function<void()>& work);

/// Calls work(i) for every i in [0, count) on a ComputeTeam and waits for all;
/// one part runs on the caller's thread. Rethrows the first exception, in the
/// order of i, after all have ended.
void compute_apart(int64_t count, const std::function<void(int64_t)>& work);

/// Lets the C library keep freed activations for the next layer instead of
/// giving them back to the system, whose page faults then take a third of an
/// inference's time. For a program's main, before its first allocation of
/// size; nothing outside of glibc.
void keep_memory();

/// Gives what is free back to the system: between two parts of a run, of which
/// the second needs other memory than the first. Takes milliseconds.
void give_back_memory();

}  // namespace engraft
