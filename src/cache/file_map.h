#pragma once

#include <cstdint>
#include <utility>

namespace engraft {

/// An open file, closed with its scope.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_;
};

/// A whole file, mapped to be read. It stays readable when the file's name is
/// removed or given to another file. The file must not be cut short.
class FileMap {
 public:
  /// `fd` may be closed afterwards. Throws Error(Fault::io) when the system
  /// refuses the map.
  FileMap(int fd, int64_t bytes);
  ~FileMap();
  FileMap(FileMap&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), bytes_(other.bytes_) {}
  FileMap& operator=(FileMap&&) = delete;

  const uint8_t* data() const { return data_; }

  /// Takes the pages out of this process's resident memory; the next read
  /// brings them back. Any thread may read meanwhile.
  void give_back() const;

 private:
  uint8_t* data_;
  int64_t bytes_;
};

}  // namespace engraft
