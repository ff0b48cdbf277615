#pragma once

namespace engraft {

/// While it lives, what this thread writes to std::cerr is dropped: OpenCV up
/// to 4.6 prints there before it throws. Other threads write as before.
class QuietCerr {
 public:
  QuietCerr();
  ~QuietCerr();
  QuietCerr(const QuietCerr&) = delete;
  QuietCerr& operator=(const QuietCerr&) = delete;
};

}  // namespace engraft
