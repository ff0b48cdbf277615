#include "data/bytes.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>

#include "engraft/error.h"

namespace engraft {

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::error_code code;
  const auto status = std::filesystem::status(path, code);
  if (status.type() == std::filesystem::file_type::not_found)
    fail(Fault::data, "no such file");
  if (std::filesystem::is_directory(status))
    fail(Fault::data, "is a folder, not a picture");
  if (!std::filesystem::is_regular_file(status))
    fail(Fault::data, "not a regular file");
  const std::unique_ptr<FILE, int (*)(FILE*)> file(
      std::fopen(path.c_str(), "rb"), &std::fclose);
  if (!file) fail(Fault::data, "cannot be opened: ", std::strerror(errno));
  std::vector<uint8_t> bytes(std::filesystem::file_size(path, code));
  if (code) fail(Fault::data, "cannot be read: ", code.message());
  if (bytes.empty()) fail(Fault::data, "is empty (0 bytes)");
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size())
    fail(Fault::data, "cannot be read to its end");
  return bytes;
}

}  // namespace engraft
