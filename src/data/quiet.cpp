#include "data/quiet.h"

#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <opencv2/core/utils/logger.hpp>
#include <streambuf>

namespace engraft {
namespace {

thread_local int quiet_depth = 0;
thread_local std::string quiet_text;

/// Hands on to `target`, except from threads that are to be quiet.
class ThreadFilter : public std::streambuf {
 public:
  explicit ThreadFilter(std::streambuf* target) : target_(target) {}

 protected:
  int_type overflow(int_type c) override {
    if (traits_type::eq_int_type(c, traits_type::eof()))
      return traits_type::not_eof(c);
    const char text = traits_type::to_char_type(c);
    return xsputn(&text, 1) == 1 ? c : traits_type::eof();
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    if (quiet_depth == 0) return target_->sputn(text, count);
    quiet_text.append(text, static_cast<size_t>(count));
    return count;
  }
  int sync() override { return quiet_depth > 0 ? 0 : target_->pubsync(); }

 private:
  std::streambuf* target_;
};

#ifdef __GLIBC__
ssize_t write_unless_quiet(void*, const char* text, size_t count) {
  if (quiet_depth == 0) return ::write(STDERR_FILENO, text, count);
  quiet_text.append(text, count);
  return static_cast<ssize_t>(count);
}

void filter_c_stream() {
  FILE* filter = fopencookie(nullptr, "w",
                             {nullptr, write_unless_quiet, nullptr, nullptr});
  if (!filter) return;
  std::setvbuf(filter, nullptr, _IONBF, 0);
  stderr = filter;
}
#else
void filter_c_stream() {}
#endif

/// Both filters are put in once and never taken out: doing so around each
/// picture would race with the threads that write. They outlive every static.
bool install_filters() {
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  std::cerr.rdbuf(new ThreadFilter(std::cerr.rdbuf()));
  filter_c_stream();
  return true;
}

}  // namespace

QuietStderr::QuietStderr() {
  static const bool installed = install_filters();
  static_cast<void>(installed);
  if (quiet_depth++ == 0) quiet_text.clear();
}

QuietStderr::~QuietStderr() { --quiet_depth; }

const std::string& QuietStderr::text() const { return quiet_text; }

}  // namespace engraft
