#include "data/quiet.h"

#include <iostream>
#include <opencv2/core/utils/logger.hpp>
#include <streambuf>

namespace engraft {
namespace {

thread_local int quiet_depth = 0;

/// Hands on to `target`, except from threads that are to be quiet.
class ThreadFilter : public std::streambuf {
 public:
  explicit ThreadFilter(std::streambuf* target) : target_(target) {}

 protected:
  int_type overflow(int_type c) override {
    if (quiet_depth > 0 || traits_type::eq_int_type(c, traits_type::eof()))
      return traits_type::not_eof(c);
    return target_->sputc(traits_type::to_char_type(c));
  }
  std::streamsize xsputn(const char* text, std::streamsize count) override {
    return quiet_depth > 0 ? count : target_->sputn(text, count);
  }
  int sync() override { return quiet_depth > 0 ? 0 : target_->pubsync(); }

 private:
  std::streambuf* target_;
};

}  // namespace

QuietCerr::QuietCerr() {
  // Put in once and never taken out: swapping the buffer around each picture
  // would race with the threads that write. It must outlive every static.
  static const bool installed = [] {
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    std::cerr.rdbuf(new ThreadFilter(std::cerr.rdbuf()));
    return true;
  }();
  static_cast<void>(installed);
  ++quiet_depth;
}

QuietCerr::~QuietCerr() { --quiet_depth; }

}  // namespace engraft
