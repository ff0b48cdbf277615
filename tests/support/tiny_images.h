#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <opencv2/core.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engraft/error.h"

namespace engraft::test {

/// A folder of its own for a test, gone when it goes.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string path() const { return path_.string(); }
  /// A path below it, as text.
  std::string operator/(const std::string& name) const {
    return (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

/// RGB in which a pixel tells its place: R = x, G = y (below 256), B = 128.
cv::Mat place_picture(int height, int width);
/// Smooth random RGB: other seeds are other pictures, and JPEG keeps them.
cv::Mat blob_picture(int height, int width, uint64_t seed);
/// One colour.
cv::Mat flat_picture(int height, int width, cv::Scalar rgb);

/// Writes RGB (or whatever cv::imwrite takes, in its BGR order, when it has
/// another type) by the path's extension; makes the folders. Returns the path.
std::string write_picture(const std::string& path, const cv::Mat& image);
/// `count` different pictures folder/0.png, 1.png, ...
void write_class(const std::string& folder, int count, uint64_t first_seed);

std::vector<uint8_t> read_all(const std::string& path);
void write_all(const std::string& path, const std::vector<uint8_t>& bytes);
void write_text(const std::string& path, std::string_view text);

/// The EXIF block that says this orientation and nothing else.
std::vector<uint8_t> exif_block(int orientation);
/// A JPEG's bytes with that block put in.
std::vector<uint8_t> with_orientation(const std::vector<uint8_t>& jpeg,
                                      int orientation);
/// A PNG chunk with its checksum.
std::vector<uint8_t> png_chunk(std::string_view type,
                               const std::vector<uint8_t>& content);

/// What the Error that `action` must throw says; a test failure otherwise.
std::string message_of(Fault fault, const std::function<void()>& action);

}  // namespace engraft::test
