#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace engraft::cli {

/// How far a long piece of work is, on standard error: one line that redraws
/// itself on a terminal, else a plain line every half minute.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// label "epoch 3/10", details "85 images/s  loss 0.41  about 12 s left".
  void show(const std::string& label, int64_t done, int64_t total,
            const std::string& details);
  /// As show, with speed and time left made from the calls themselves.
  void show(const std::string& label, int64_t done, int64_t total);
  /// Takes the line away, so that something else can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(const std::string& label, int64_t done, int64_t total,
            const std::string& details);

  const bool terminal_;
  bool drawn_ = false;
  Clock::time_point last_, start_;
  std::string label_;
};

/// Standard output and standard error end in the same terminal or file, so
/// what was printed to one need not be repeated on the other.
bool outputs_are_one();

}  // namespace engraft::cli
