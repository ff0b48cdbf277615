// Files that are whole or absent.

#include <fcntl.h>
#include <sys/stat.h>
#include <torch/csrc/jit/serialization/export.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "engraft/model/classifier.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

/// The file that a link stands for, which may not be there yet.
std::string behind_links(const std::string& path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  std::error_code error;
  fs::path file = path;
  for (int i = 0; i < kMostLinks && fs::is_symlink(file, error); ++i) {
    const fs::path target = fs::read_symlink(file, error);
    if (error) break;
    file = file.parent_path() / target;
  }
  return file.string();
}

/// A temporary file beside its destination; gone unless committed.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path)
      : path_(behind_links(path)), temporary_(path_ + ".XXXXXX") {
    fd_ = ::mkstemp(temporary_.data());
    if (fd_ < 0) io_error();
  }
  ~AtomicFile() {
    if (fd_ >= 0) ::close(fd_);
    if (!committed_) ::unlink(temporary_.c_str());
  }
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Keeps the first error instead of throwing: LibTorch's writer is still on
  /// the stack and writes again while it unwinds.
  size_t write(const void* data, size_t size) {
    const char* at = static_cast<const char*>(data);
    size_t left = size;
    while (left > 0 && error_ == 0) {
      const ssize_t done = ::write(fd_, at, left);
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) {
        error_ = errno;
        break;
      }
      at += done;
      left -= static_cast<size_t>(done);
    }
    return size;
  }

  void commit() {
    struct stat old;
    const mode_t mask = ::umask(0);
    ::umask(mask);
    const mode_t mode =
        ::stat(path_.c_str(), &old) == 0 ? old.st_mode & 0777 : 0666 & ~mask;
    if (error_ == 0 && ::fchmod(fd_, mode) != 0) error_ = errno;
    if (error_ == 0 && ::fsync(fd_) != 0) error_ = errno;
    if (error_ != 0) {
      errno = error_;
      io_error();
    }
    ::close(fd_);
    fd_ = -1;
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) io_error();
    committed_ = true;
    sync_folder();
  }

 private:
  [[noreturn]] void io_error() {
    fail(Fault::io, path_, ": cannot be written: ", std::strerror(errno));
  }

  /// Makes the rename itself last; file systems that cannot are left alone.
  void sync_folder() {
    const std::string folder = fs::path(path_).parent_path().string();
    const int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
  }

  std::string path_, temporary_;
  int fd_ = -1;
  int error_ = 0;
  bool committed_ = false;
};

}  // namespace

void save_classifier(const Classifier& classifier, const std::string& path) {
  AtomicFile file(path);
  torch::jit::ExtraFilesMap extra;
  if (!classifier.record.is_null())
    // Paths in it may hold any bytes.
    extra["engraft.json"] = classifier.record.dump(
        1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace);
  torch::jit::ExportModule(
      classifier.module,
      [&](const void* data, size_t size) { return file.write(data, size); },
      extra);
  file.commit();
}

void write_atomically(const std::string& path, const std::string& bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void save_or_rescue(const Classifier& classifier, const std::string& path) {
  try {
    save_classifier(classifier, path);
  } catch (const Error& lost) {
    std::error_code error;
    const fs::path folder = fs::temp_directory_path(error);
    if (error) throw;
    const std::string rescue =
        folder / ("engraft-" + std::to_string(::getpid()) + ".pt");
    try {
      save_classifier(classifier, rescue);
    } catch (const Error&) {
      throw lost;
    }
    fail(Fault::io, lost.what(), "; the trained model is in ", rescue,
         " instead");
  }
}

void check_writable(const std::string& path, uint64_t bytes) {
  std::error_code error;
  if (fs::is_directory(path, error))
    fail(Fault::io, path, ": is a folder; name a file in it");
  const AtomicFile probe(path);
  fs::path folder = fs::path(path).parent_path();
  if (folder.empty()) folder = ".";
  const uint64_t room = fs::space(folder, error).available;
  if (!error && room < bytes)
    fail(Fault::io, path, ": its disk has ", room >> 10,
         " KiB left, the model takes about ", bytes >> 10, " KiB");
}

}  // namespace engraft
