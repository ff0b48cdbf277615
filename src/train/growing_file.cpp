#include "train/growing_file.h"

#include <cerrno>
#include <cstring>

#include "engraft/error.h"

namespace engraft {

GrowingFile::GrowingFile(const std::string& path)
    : path_(path), out_(path, std::ios::binary | std::ios::trunc) {
  if (!out_) refuse_curves(path_, std::strerror(errno));
}

void GrowingFile::append(std::string_view record) {
  out_.write(record.data(), std::ssize(record));
  // Only now does the system say that its disk is full.
  out_.flush();
  if (!out_) refuse_curves(path_, std::strerror(errno));
}

void refuse_curves(const std::string& path, const std::string& reason) {
  fail(Fault::io, path, ": curves cannot be written: ", reason,
       "; name another place by --out, or leave --curves out");
}

}  // namespace engraft
