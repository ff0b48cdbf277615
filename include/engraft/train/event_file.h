#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace engraft {

class GrowingFile;

/// A point of a curve. TensorBoard keeps single precision.
struct Scalar {
  std::string tag;  ///< name of the curve; what is before a '/' groups curves
  float value = 0;
};

/// An event file as TensorBoard reads it: TFRecord frames around
/// tensorflow.Event messages, protobuf encoded by hand, because the five
/// fields that it takes are less code than a dependence.
class EventFile {
 public:
  /// Starts folder/events.out.tfevents.<unix seconds>.<host>, with the next
  /// free second where that exists; makes the folder. Throws Error(Fault::io).
  explicit EventFile(const std::string& folder);
  ~EventFile();
  EventFile(const EventFile&) = delete;
  EventFile& operator=(const EventFile&) = delete;

  /// One event with all of them, handed to the system before it returns.
  /// Throws Error(Fault::io), also for a full disk.
  void write(int64_t step, const std::vector<Scalar>& scalars);

  const std::string& path() const;

 private:
  std::unique_ptr<GrowingFile> file_;
};

/// Removes from `folder` what an EventFile wrote and leaves all else alone,
/// event files of other programs too. Throws Error(Fault::io).
void remove_event_files(const std::string& folder);

}  // namespace engraft
