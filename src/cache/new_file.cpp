#include "cache/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "engraft/error.h"

namespace engraft {
namespace {

constexpr const char* kPrefix = "writing-";
// Rows may be a few bytes: they go to the system together.
constexpr size_t kBuffer = size_t{1} << 20;

/// Opens a file that did not exist and stores its path. mkstemp would do, but
/// makes it readable by its owner alone.
int open_new(const std::string& folder, std::string& path) {
  static std::atomic<int> count = 0;
  for (int attempt = 0; attempt < 1000; ++attempt) {
    path = folder + "/" + kPrefix + std::to_string(::getpid()) + "-" +
           std::to_string(count++);
    const int fd =
        ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    // It may exist where machines share a disk and process numbers.
    if (fd >= 0 || errno != EEXIST) return fd;
  }
  return -1;
}

/// Makes a rename last; file systems that cannot are left alone.
void sync_folder(const std::string& folder) {
  const Descriptor handle(::open(folder.c_str(), O_RDONLY | O_CLOEXEC));
  if (handle) ::fsync(handle.get());
}

}  // namespace

NewFile::NewFile(const std::string& folder)
    : folder_(folder), file_(open_new(folder, path_)) {
  if (!file_) refuse();
}

NewFile::~NewFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

void NewFile::write(Bytes bytes) {
  if (buffer_.size() + bytes.size() > kBuffer) write_buffer();
  if (bytes.size() > kBuffer)
    write_out(bytes);
  else
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

void NewFile::write_out(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(file_.get(), bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) refuse();
    bytes = bytes.subspan(static_cast<size_t>(done));
  }
}

void NewFile::write_buffer() {
  write_out(buffer_);
  buffer_.clear();
}

void NewFile::commit(const std::string& name) {
  write_buffer();
  // Without it the name could outlive a power cut that the rows did not.
  if (::fsync(file_.get()) != 0) refuse();
  if (std::rename(path_.c_str(), (folder_ + "/" + name).c_str()) != 0) refuse();
  path_.clear();
  sync_folder(folder_);
}

void NewFile::unlink() {
  if (::unlink(path_.c_str()) != 0) refuse();
  path_.clear();
}

FileMap NewFile::map(int64_t bytes) {
  write_buffer();
  return FileMap(file_.get(), bytes);
}

void NewFile::refuse() const {
  fail(Fault::io, folder_, ": cannot be written: ", std::strerror(errno));
}

bool is_unfinished_name(const std::string& name) {
  return name.starts_with(kPrefix) &&
         name.find_first_not_of("0123456789-", std::strlen(kPrefix)) ==
             std::string::npos;
}

}  // namespace engraft
