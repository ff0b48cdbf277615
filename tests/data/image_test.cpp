#include "engraft/data/image.h"

#include <gtest/gtest.h>

#include <array>
#include <opencv2/imgcodecs.hpp>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;
using cv::Vec3b;

cv::Mat decode_of(const std::string& name, const cv::Mat& stored) {
  const TempFolder folder;
  return decode_image(write_picture(folder / name, stored));
}

TEST(DecodeImage, GivesTheStoredPixelsInRgbOrder) {
  for (const char* name : {"a.png", "a.bmp", "a.tif", "a.PNG", "a.TIFF"}) {
    const cv::Mat image = decode_of(name, place_picture(5, 7));
    EXPECT_EQ(image.size(), cv::Size(7, 5)) << name;
    EXPECT_EQ(image.at<Vec3b>(4, 6), Vec3b(6, 4, 128)) << name;
  }
}

TEST(DecodeImage, KeepsSmoothColoursOfLossyFormats) {
  const cv::Mat image = blob_picture(64, 96, 5);
  for (const char* name : {"a.jpg", "a.JPEG", "a.webp"})
    // Mean difference: chroma is stored at half the resolution.
    EXPECT_LT(
        cv::norm(decode_of(name, image), image, cv::NORM_L1) / (64 * 96 * 3), 3)
        << name;
}

TEST(DecodeImage, AppliesEachExifOrientation) {
  // Exif 2.3 table 6: orientation o says which sides of the scene the stored
  // row 0 and column 0 are. Stored AB/CD; the scene's corners, by hand:
  const std::array<const char*, 8> scenes{"ABCD", "BADC", "DCBA", "CDAB",
                                          "ACBD", "CADB", "DBCA", "BDAC"};
  cv::Mat stored(32, 64, CV_8UC3);  // whole 16 x 16 JPEG blocks
  for (int i = 0; i < 4; ++i)
    stored(cv::Rect(i % 2 * 32, i / 2 * 16, 32, 16)) =
        cv::Scalar::all(40 + 50 * i);
  const TempFolder folder;
  const auto jpeg = read_all(write_picture(folder / "a.jpg", stored));
  for (int o = 1; o <= 8; ++o) {
    write_all(folder / "o.jpg", with_orientation(jpeg, o));
    const cv::Mat image = decode_image(folder / "o.jpg");
    EXPECT_EQ(image.size(), o < 5 ? cv::Size(64, 32) : cv::Size(32, 64));
    std::string scene;
    for (int i = 0; i < 4; ++i) {
      const int level = image.at<Vec3b>(i / 2 * (image.rows - 1),
                                        i % 2 * (image.cols - 1))[0];
      scene += static_cast<char>('A' + (level - 40 + 25) / 50);
    }
    EXPECT_EQ(scene, scenes[static_cast<size_t>(o - 1)]) << o;
  }
}

TEST(DecodeImage, AppliesTheOrientationOfAPng) {
  const TempFolder folder;
  auto png = read_all(write_picture(folder / "a.png", place_picture(3, 5)));
  const auto chunk = png_chunk("eXIf", exif_block(6));
  png.insert(png.begin() + 33, chunk.begin(), chunk.end());  // behind IHDR
  write_all(folder / "b.png", png);
  const cv::Mat image = decode_image(folder / "b.png");
  EXPECT_EQ(image.size(), cv::Size(3, 5));
  // Stored row 0 is the scene's right side: its (0, 0) is at the top right.
  EXPECT_EQ(image.at<Vec3b>(0, 2), Vec3b(0, 0, 128));
  EXPECT_EQ(image.at<Vec3b>(4, 2), Vec3b(4, 0, 128));
}

TEST(DecodeImage, RepeatsGreyOverTheChannels) {
  const cv::Mat grey = (cv::Mat_<uint8_t>(1, 3) << 0, 77, 255);
  for (const char* name : {"a.png", "a.bmp", "a.tif"})
    EXPECT_EQ(decode_of(name, grey).at<Vec3b>(0, 1), Vec3b(77, 77, 77)) << name;
}

TEST(DecodeImage, ReadsOneBitPictures) {
  const TempFolder folder;
  const cv::Mat grey = (cv::Mat_<uint8_t>(1, 3) << 0, 255, 0);
  cv::imwrite(folder / "a.png", grey, {cv::IMWRITE_PNG_BILEVEL, 1});
  const cv::Mat image = decode_image(folder / "a.png");
  EXPECT_EQ(image.at<Vec3b>(0, 0), Vec3b(0, 0, 0));
  EXPECT_EQ(image.at<Vec3b>(0, 1), Vec3b(255, 255, 255));
}

TEST(DecodeImage, Scales16BitsBy257Rounded) {
  // v / 257: 0.498, 0.502, 1.498, 77, 254.502, 255 -> nearest
  const cv::Mat deep =
      (cv::Mat_<uint16_t>(1, 6) << 128, 129, 385, 77 * 257, 65407, 65535);
  for (const char* name : {"a.png", "a.tif"}) {
    const cv::Mat image = decode_of(name, deep);
    const std::array<int, 6> expected{0, 1, 1, 77, 255, 255};
    for (int x = 0; x < 6; ++x)
      EXPECT_EQ(image.at<Vec3b>(0, x)[1], expected[static_cast<size_t>(x)])
          << name << " " << x;
  }
}

TEST(DecodeImage, ComposesAlphaOverWhite) {
  cv::Mat bgra(1, 3, CV_8UC4);
  bgra.at<cv::Vec4b>(0, 0) = {50, 100, 200, 255};
  bgra.at<cv::Vec4b>(0, 1) = {50, 100, 200, 51};  // alpha 0.2
  bgra.at<cv::Vec4b>(0, 2) = {50, 100, 200, 0};
  const cv::Mat image = decode_of("a.png", bgra);
  EXPECT_EQ(image.at<Vec3b>(0, 0), Vec3b(200, 100, 50));
  // 0.2 * 200 + 0.8 * 255 = 244, and so on
  EXPECT_EQ(image.at<Vec3b>(0, 1), Vec3b(244, 224, 214));
  EXPECT_EQ(image.at<Vec3b>(0, 2), Vec3b(255, 255, 255));
}

TEST(DecodeImage, ExpandsPalettesAndTheirTransparency) {
  // Written by Pillow 13: mode P, 2 x 2, palette (10,20,30) (200,100,50)
  // (0,0,0) (7,8,9) with alpha 255, 51, 255, 0.
  const std::vector<uint8_t> png{
      0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00,
      0x0D, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00,
      0x00, 0x02, 0x02, 0x03, 0x00, 0x00, 0x00, 0x0F, 0xD8, 0xE5, 0xB7,
      0x00, 0x00, 0x00, 0x0C, 0x50, 0x4C, 0x54, 0x45, 0x0A, 0x14, 0x1E,
      0xC8, 0x64, 0x32, 0x00, 0x00, 0x00, 0x07, 0x08, 0x09, 0x24, 0x9E,
      0x46, 0xA6, 0x00, 0x00, 0x00, 0x04, 0x74, 0x52, 0x4E, 0x53, 0xFF,
      0x33, 0xFF, 0x00, 0xD8, 0x9F, 0xC6, 0xD0, 0x00, 0x00, 0x00, 0x0C,
      0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0x10, 0x60, 0xD8, 0x00,
      0x00, 0x00, 0xE4, 0x00, 0xC1, 0x27, 0xA8, 0xE8, 0x57, 0x00, 0x00,
      0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82};
  const TempFolder folder;
  write_all(folder / "p.png", png);
  const cv::Mat image = decode_image(folder / "p.png");
  EXPECT_EQ(image.at<Vec3b>(0, 0), Vec3b(10, 20, 30));
  EXPECT_EQ(image.at<Vec3b>(0, 1), Vec3b(244, 224, 214));
  EXPECT_EQ(image.at<Vec3b>(1, 0), Vec3b(0, 0, 0));
  EXPECT_EQ(image.at<Vec3b>(1, 1), Vec3b(255, 255, 255));
}

TEST(DecodeImage, TakesUnusedAlphaOfABmpAsOpaque) {
  const TempFolder folder;
  const cv::Mat bgra(2, 2, CV_8UC4, cv::Scalar(50, 100, 200, 0));
  write_picture(folder / "a.bmp", bgra);
  EXPECT_EQ(decode_image(folder / "a.bmp").at<Vec3b>(1, 1),
            Vec3b(200, 100, 50));
}

TEST(DecodeImage, GoesByContentNotByName) {
  const TempFolder folder;
  write_picture(folder / "a.png", place_picture(5, 7));
  std::filesystem::rename(folder / "a.png", folder / "a.jpg");
  EXPECT_EQ(decode_image(folder / "a.jpg").at<Vec3b>(4, 6), Vec3b(6, 4, 128));
}

TEST(DecodeImage, ReducesJpegsAsLongAsTheShorterSideIsKept) {
  const TempFolder folder;
  write_picture(folder / "a.jpg", blob_picture(300, 400, 1));
  const std::string path = folder / "a.jpg";
  EXPECT_EQ(decode_image(path, 151).size(), cv::Size(400, 300));
  EXPECT_EQ(decode_image(path, 150).size(), cv::Size(200, 150));
  EXPECT_EQ(decode_image(path, 75).size(), cv::Size(100, 75));
  EXPECT_EQ(decode_image(path, 1).size(), cv::Size(50, 38));
  EXPECT_EQ(decode_image(path, 0).size(), cv::Size(400, 300));
  write_picture(folder / "a.png", blob_picture(300, 400, 1));
  EXPECT_EQ(decode_image(folder / "a.png", 75).size(), cv::Size(400, 300));
}

}  // namespace
}  // namespace engraft
