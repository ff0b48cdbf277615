#include "cli/progress.h"

#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string_view>

#include "cli/text.h"

namespace engraft::cli {
namespace {

using namespace std::chrono_literals;

constexpr auto kRedraw = 100ms;
constexpr auto kPlainLine = 30s;
constexpr int64_t kBar = 20;

bool stderr_is_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDERR_FILENO) && !(kind && std::string_view(kind) == "dumb");
}

size_t terminal_width() {
  winsize size{};
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return 80;
  return size.ws_col;
}

std::string bar(int64_t done, int64_t total) {
  std::string out(kBar, '.');
  if (total > 0)
    std::fill_n(out.begin(), std::clamp<int64_t>(done * kBar / total, 0, kBar),
                '#');
  return "[" + out + "]";
}

}  // namespace

Progress::Progress() : terminal_(stderr_is_terminal()), last_(Clock::now()) {}

void Progress::show(const std::string& label, int64_t done, int64_t total) {
  const auto now = Clock::now();
  if (label != label_) {
    label_ = label;
    start_ = now;
    return draw(label, done, total, "");
  }
  const std::chrono::duration<double> spent = now - start_;
  const double speed =
      static_cast<double>(done) / std::max(1e-3, spent.count());
  draw(label, done, total,
       fixed(speed, 0) + " images/s  " +
           duration(static_cast<double>(total - done) / std::max(1e-3, speed)) +
           " left");
}

void Progress::show(const std::string& label, int64_t done, int64_t total,
                    const std::string& details) {
  draw(label, done, total, details);
}

void Progress::draw(const std::string& label, int64_t done, int64_t total,
                    const std::string& details) {
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? Clock::duration(kRedraw) : kPlainLine)) return;
  last_ = now;
  const std::string count =
      "  " + std::to_string(done) + "/" + std::to_string(total) + "  ";
  if (!terminal_) {
    std::cerr << label << count << details << std::endl;
    return;
  }
  std::string line = label + "  " + bar(done, total) + count + details;
  line.resize(std::min(line.size(), terminal_width() - 1));
  std::cerr << '\r' << line << "\033[K" << std::flush;
  drawn_ = true;
}

void Progress::clear() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
  drawn_ = false;
}

bool outputs_are_one() {
  struct stat out {
  }, err{};
  return fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
         out.st_dev == err.st_dev && out.st_ino == err.st_ino;
}

}  // namespace engraft::cli
