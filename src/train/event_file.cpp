#include "engraft/train/event_file.h"

#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>

#include "train/event_record.h"
#include "train/growing_file.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kPrefix = "events.out.tfevents.";

/// Seconds since 1970.
double now() {
  return std::chrono::duration<double>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string host_name() {
  std::array<char, 256> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name[0] ? name.data() : "localhost";
}

/// Of a file that is not there yet. Makes the folder.
std::string new_path(const std::string& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) refuse_curves(folder, error.message());
  for (auto second = static_cast<int64_t>(now());; ++second) {
    const fs::path path = fs::path(folder) / (kPrefix + std::to_string(second) +
                                              "." + host_name());
    if (!fs::exists(fs::symlink_status(path, error))) return path;
  }
}

bool is_ours(const fs::directory_entry& file) {
  std::error_code error;
  if (!file.path().filename().string().starts_with(kPrefix) ||
      !file.is_regular_file(error))
    return false;
  std::string start(version_record(0).size(), '\0');
  std::ifstream in(file.path(), std::ios::binary);
  in.read(start.data(), std::ssize(start));
  return in && starts_with_version_record(start);
}

}  // namespace

EventFile::EventFile(const std::string& folder)
    : file_(std::make_unique<GrowingFile>(new_path(folder))) {
  file_->append(version_record(now()));
}

EventFile::~EventFile() = default;

void EventFile::write(int64_t step, const std::vector<Scalar>& scalars) {
  file_->append(scalar_record(now(), step, scalars));
}

const std::string& EventFile::path() const { return file_->path(); }

void remove_event_files(const std::string& folder) {
  std::error_code error;
  std::vector<fs::path> ours;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error))
    if (is_ours(*it)) ours.push_back(it->path());
  if (error && error != std::errc::no_such_file_or_directory)
    refuse_curves(folder, error.message());
  for (const fs::path& path : ours)
    if (!fs::remove(path, error) && error) refuse_curves(path, error.message());
}

}  // namespace engraft
