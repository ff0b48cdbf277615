// What does not decode, and that nothing but the error tells of it.

#include <gtest/gtest.h>

#include <iostream>
#include <opencv2/imgcodecs.hpp>
#include <thread>

#include "data/decode.h"
#include "engraft/data/image.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;
using testing::internal::CaptureStderr;
using testing::internal::GetCapturedStderr;

std::string refusal(const std::string& path) {
  const std::string message =
      message_of(Fault::data, [&] { decode_image(path); });
  EXPECT_TRUE(message.starts_with(path + ": ")) << message;
  return message;
}

bool says(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

TEST(DecodeImageErrors, FindsFilesThatAreCutShort) {
  const TempFolder folder;
  const cv::Mat image = blob_picture(60, 80, 3);
  for (const char* name : {"a.jpg", "a.png", "a.bmp", "a.tif", "a.webp"}) {
    const auto whole = read_all(write_picture(folder / name, image));
    const size_t size = whole.size();
    for (const size_t kept : {size / 8, size / 2, size * 9 / 10, size - 1}) {
      write_all(folder / name, {whole.begin(), whole.begin() + long(kept)});
      CaptureStderr();
      const std::string message = refusal(folder / name);
      EXPECT_EQ(GetCapturedStderr(), "") << message;
    }
  }
}

TEST(DecodeImageErrors, SeesThroughAnEndMarkerOnATruncatedJpeg) {
#ifndef __GLIBC__
  GTEST_SKIP() << "libjpeg's warnings are caught with glibc only";
#endif
  const TempFolder folder;
  auto jpeg =
      read_all(write_picture(folder / "a.jpg", blob_picture(60, 80, 3)));
  jpeg.resize(jpeg.size() * 3 / 4);
  jpeg.insert(jpeg.end(), {0xFF, 0xD9});
  write_all(folder / "a.jpg", jpeg);
  CaptureStderr();
  const std::string message = refusal(folder / "a.jpg");
  EXPECT_EQ(GetCapturedStderr(), "");
  EXPECT_TRUE(says(message, "JPEG is damaged")) << message;
}

TEST(DecodeImageErrors, FindsPngsWhoseBytesChanged) {
  const TempFolder folder;
  auto png = read_all(write_picture(folder / "a.png", blob_picture(60, 80, 3)));
  png[png.size() / 2] ^= 1;
  write_all(folder / "a.png", png);
  EXPECT_TRUE(says(refusal(folder / "a.png"), "checksum"));
}

TEST(DecodeImageErrors, NamesWhatIsNoPicture) {
  const TempFolder folder;
  write_text(folder / "text.jpg", "this is no picture");
  write_text(folder / "page.png", "<html></html>");
  write_text(folder / "empty.png", "");
  write_text(folder / "moving.jpg", "GIF89a............");
  EXPECT_TRUE(says(refusal(folder / "text.jpg"), "not a picture"));
  EXPECT_TRUE(says(refusal(folder / "page.png"), "HTML"));
  EXPECT_TRUE(says(refusal(folder / "empty.png"), "empty"));
  EXPECT_TRUE(says(refusal(folder / "moving.jpg"), "GIF"));
  EXPECT_TRUE(says(refusal(folder / "none.png"), "no such file"));
  EXPECT_TRUE(says(refusal(folder.path()), "folder"));
}

std::vector<uint8_t> png_of_size(uint8_t first_byte_of_sides) {
  std::vector<uint8_t> png{0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  const uint8_t b = first_byte_of_sides;
  for (const auto& chunk :
       {png_chunk("IHDR", {b, 1, 0, 0, b, 1, 0, 0, 8, 2, 0, 0, 0}),
        png_chunk("IDAT", {0x78, 0x9C, 0x03, 0, 0, 0, 0, 1}),  // nothing
        png_chunk("IEND", {})})
    png.insert(png.end(), chunk.begin(), chunk.end());
  return png;
}

TEST(DecodeImageErrors, RefusesHugeDimensionsBeforeAllocating) {
  const TempFolder folder;
  write_all(folder / "65536.png", png_of_size(0));
  write_all(folder / "4e9.png", png_of_size(255));
  EXPECT_TRUE(says(refusal(folder / "65536.png"), "65536 x 65536"));
  EXPECT_TRUE(says(refusal(folder / "4e9.png"), "pixels"));
}

TEST(DecodeImageErrors, RefusesAHugeJpegAtAnyScale) {
  std::vector<uint8_t> bytes;
  cv::imencode(".jpg", blob_picture(16, 16, 1), bytes);
  for (size_t i = 0; i + 9 < bytes.size(); ++i)
    if (bytes[i] == 0xFF && bytes[i + 1] == 0xC0) {  // 20000 x 15000
      bytes[i + 5] = 15000 >> 8, bytes[i + 6] = 15000 & 255;
      bytes[i + 7] = 20000 >> 8, bytes[i + 8] = 20000 & 255;
      break;
    }
  for (const int64_t min_side : {0, 1}) try {
      decode_bytes(bytes, min_side);
      ADD_FAILURE() << min_side;
    } catch (const Error& error) {
      EXPECT_TRUE(says(error.what(), "20000 x 15000"));
    }
}

TEST(DecodeImageErrors, KeepsLibpngFromWritingToStderr) {
  const TempFolder folder;
  auto png = png_of_size(0);
  const auto header =
      png_chunk("IHDR", {0, 0, 0, 9, 0, 0, 0, 9, 8, 2, 0, 0, 0});
  std::copy(header.begin(), header.end(), png.begin() + 8);
  write_all(folder / "a.png", png);
  CaptureStderr();
  refusal(folder / "a.png");
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST(DecodeImageErrors, LeavesStderrToTheRestOfTheProcess) {
  const TempFolder folder;
  write_text(folder / "a.png", "no picture");
  CaptureStderr();
  std::jthread other([&] {
    for (int i = 0; i < 100; ++i) std::cerr << "c++;";
  });
  for (int i = 0; i < 100; ++i) {
    refusal(folder / "a.png");
    std::fprintf(stderr, "c;");
  }
  other.join();
  // 100 times "c++;" and 100 times "c;", in whatever order.
  EXPECT_EQ(GetCapturedStderr().size(), 100U * 4 + 100U * 2);
}

}  // namespace
}  // namespace engraft
