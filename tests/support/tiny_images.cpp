#include "support/tiny_images.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace engraft::test {
namespace fs = std::filesystem;

TempFolder::TempFolder() {
  static std::atomic<int> count = 0;
  path_ = fs::temp_directory_path() /
          ("engraft-test-" + std::to_string(::getpid()) + "-" +
           std::to_string(count++));
  fs::remove_all(path_);
  fs::create_directories(path_);
}

TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

cv::Mat place_picture(int height, int width) {
  cv::Mat image(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      image.at<cv::Vec3b>(y, x) = {static_cast<uint8_t>(x),
                                   static_cast<uint8_t>(y), 128};
  return image;
}

cv::Mat blob_picture(int height, int width, uint64_t seed) {
  cv::RNG random(seed * 7919 + 1);
  cv::Mat small(4, 4, CV_8UC3), image;
  random.fill(small, cv::RNG::UNIFORM, 0, 256);
  cv::resize(small, image, {width, height}, 0, 0, cv::INTER_LINEAR);
  return image;
}

cv::Mat flat_picture(int height, int width, cv::Scalar rgb) {
  return cv::Mat(height, width, CV_8UC3, rgb);
}

std::string write_picture(const std::string& path, const cv::Mat& image) {
  fs::create_directories(fs::path(path).parent_path());
  cv::Mat bgr = image.clone();
  if (image.type() == CV_8UC3) cv::cvtColor(image, bgr, cv::COLOR_RGB2BGR);
  EXPECT_TRUE(cv::imwrite(path, bgr)) << path;
  return path;
}

void write_class(const std::string& folder, int count, uint64_t first_seed) {
  for (int i = 0; i < count; ++i)
    write_picture(folder + "/" + std::to_string(i) + ".png",
                  blob_picture(24, 32, first_seed + static_cast<uint64_t>(i)));
}

std::vector<uint8_t> read_all(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_all(const std::string& path, const std::vector<uint8_t>& bytes) {
  write_text(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

void write_text(const std::string& path, std::string_view text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::vector<uint8_t> exif_block(int orientation) {
  // Big-endian; one directory at 8 with one entry: tag 0x0112, type short,
  // one value; no further directory.
  return {'M',  'M',  0, 42, 0, 0, 0, 8, 0, 1,
          0x01, 0x12, 0, 3,  0, 0, 0, 1, 0, static_cast<uint8_t>(orientation),
          0,    0,    0, 0,  0, 0};
}

std::vector<uint8_t> with_orientation(const std::vector<uint8_t>& jpeg,
                                      int orientation) {
  std::vector<uint8_t> segment{'E', 'x', 'i', 'f', 0, 0};
  for (const uint8_t byte : exif_block(orientation)) segment.push_back(byte);
  const auto length = static_cast<uint8_t>(segment.size() + 2);
  segment.insert(segment.begin(), {0xFF, 0xE1, 0, length});
  std::vector<uint8_t> out = jpeg;
  out.insert(out.begin() + 2, segment.begin(), segment.end());
  return out;
}

std::vector<uint8_t> png_chunk(std::string_view type,
                               const std::vector<uint8_t>& content) {
  std::vector<uint8_t> body;
  for (const char c : type) body.push_back(static_cast<uint8_t>(c));
  for (const uint8_t byte : content) body.push_back(byte);
  uint32_t crc = 0xFFFFFFFF;
  for (const uint8_t byte : body) {  // bit by bit, as the standard defines it
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = crc & 1 ? 0xEDB88320U ^ (crc >> 1) : crc >> 1;
  }
  std::vector<uint8_t> chunk;
  const auto put = [&chunk](uint32_t value) {
    for (const int shift : {24, 16, 8, 0})
      chunk.push_back(static_cast<uint8_t>(value >> shift));
  };
  put(static_cast<uint32_t>(content.size()));
  for (const uint8_t byte : body) chunk.push_back(byte);
  put(~crc);
  return chunk;
}

std::string message_of(Fault fault, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.fault, fault) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no engraft::Error was thrown";
  return {};
}

}  // namespace engraft::test
