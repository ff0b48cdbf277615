#include "engraft/data/preview.h"

#include <gtest/gtest.h>

#include "engraft/data/image.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

ImageFolder folder_of(const TempFolder& data) {
  write_class(data / "caf\xC3\xA9 \xE7\x8C\xAB", 2, 1);
  write_picture(data / "red/0.png", flat_picture(30, 30, {255, 0, 0}));
  write_picture(data / "red/1.png", flat_picture(30, 31, {255, 0, 0}));
  return scan_image_folder(data.path(), {});
}

TEST(WritePreview, ShowsARowOfViewsForEachClass) {
  const TempFolder data;
  const ImageFolder folder = folder_of(data);
  const auto settings = augment_settings(AugmentStrength::none, {});
  write_preview(data / "out.png", folder, settings, InputSpec(), 0);
  const cv::Mat sheet = decode_image(data / "out.png");
  // The lower half of the second class's row: red tiles between white gaps.
  const cv::Mat row = sheet.row(sheet.rows - 20);
  int red = 0;
  for (int x = 0; x < row.cols; ++x)
    red += row.at<cv::Vec3b>(0, x) == cv::Vec3b(255, 0, 0);
  EXPECT_EQ(red, 8 * 144);
}

TEST(WritePreview, NamesTheFileThatItCannotWrite) {
  const TempFolder data;
  const ImageFolder folder = folder_of(data);
  const std::string message = message_of(Fault::io, [&] {
    write_preview(data / "none/out.png", folder,
                  augment_settings(AugmentStrength::standard, {}), InputSpec(),
                  0);
  });
  EXPECT_TRUE(message.starts_with(data / "none/out.png")) << message;
}

}  // namespace
}  // namespace engraft
