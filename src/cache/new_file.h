#pragma once

#include <string>
#include <vector>

#include "cache/file_map.h"
#include "data/bytes.h"

namespace engraft {

/// A file that is written under a name of its own and then appears whole under
/// the name it was made for; gone unless committed. All of it throws
/// Error(Fault::io) with path and reason.
class NewFile {
 public:
  /// `folder` must exist. Permissions follow the umask, so a cache may be
  /// shared by a group.
  explicit NewFile(const std::string& folder);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  void write(Bytes bytes);
  /// Onto the disk, then under `name` in the folder, replacing what is there.
  void commit(const std::string& name);
  /// Takes the name away; the file ends when it is closed and unmapped.
  void unlink();
  /// Of what was written, `bytes` in all. Nothing may be written afterwards.
  FileMap map(int64_t bytes);

 private:
  void write_out(Bytes bytes);
  void write_buffer();
  [[noreturn]] void refuse() const;

  std::string folder_, path_;
  Descriptor file_;
  std::vector<uint8_t> buffer_;
};

/// The names that NewFile writes under.
bool is_unfinished_name(const std::string& name);

}  // namespace engraft
