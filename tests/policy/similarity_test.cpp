#include "engraft/policy/similarity.h"

#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "policy/picture_facts.h"
#include "support/tiny_training.h"

namespace engraft {
namespace {

class MeasureSimilarity : public test::TinyTraining {
 protected:
  static Similarity measure(torch::jit::Module module,
                            const ImageFolder& folder,
                            const std::string& cache = "") {
    const Classifier classifier = make_classifier(module, tiny::input());
    return measure_similarity(BlockChain(classifier), classifier.input, folder,
                              1, cache);
  }

  ImageFolder scan() const {
    return scan_image_folder(folder_ / "data", {}, 1, "");
  }

  /// The training pictures as the model sees them, float32 [N, 3, 16, 16].
  static torch::Tensor prepared(const ImageFolder& folder) {
    std::vector<torch::Tensor> out;
    for (const Sample& sample : folder.train)
      out.push_back(normalise(
          evaluation_views(decode_image(sample.path), tiny::input(), 1).at(0),
          tiny::input()));
    return torch::stack(out);
  }
};

TEST_F(MeasureSimilarity, WithoutBatchNormIsTheConfidenceOfTheHead) {
  const ImageFolder folder = scan();
  auto module = tiny::attention();
  const Similarity seen = measure(module, folder);
  module.eval();
  torch::NoGradGuard no_grad;
  const auto confidence = std::get<0>(
      module.forward({prepared(folder)}).toTensor().softmax(1).max(1));
  EXPECT_EQ(seen.method, "confidence");
  EXPECT_NEAR(seen.value, confidence.mean().item<double>(), 1e-5);
  EXPECT_EQ(seen.images, std::ssize(folder.train));
}

TEST_F(MeasureSimilarity, StatesSizeAndColour) {
  // Sides are 20 to 31 by 24; which are held out depends on their bytes.
  const ImageFolder folder = scan();
  std::vector<double> sides;
  for (const Sample& sample : folder.train) {
    const cv::Mat image = decode_image(sample.path);
    sides.push_back(std::min(image.rows, image.cols));
  }
  std::ranges::sort(sides);
  const size_t n = sides.size();
  const Similarity seen = measure(tiny::traced(false), folder);
  EXPECT_EQ(seen.method, "batch_norm");
  EXPECT_EQ(seen.shorter_side, (sides[(n - 1) / 2] + sides[n / 2]) / 2);
  EXPECT_EQ(seen.resized_side, 18);
  EXPECT_EQ(seen.grey, 0);
}

TEST_F(MeasureSimilarity, StatesTheShareOfGreyPictures) {
  for (int i = 0; i < 12; ++i)
    test::write_picture(folder_ / ("data/a/" + std::to_string(i) + ".png"),
                        test::flat_picture(20 + i, 24, {99, 99, 99}));
  const ImageFolder folder = scan();
  const auto grey = folder.counts(folder.train).at(0);
  ASSERT_GT(grey, 0);
  EXPECT_NEAR(
      measure(tiny::traced(false), folder).grey,
      static_cast<double>(grey) / static_cast<double>(std::ssize(folder.train)),
      1e-12);
}

TEST_F(MeasureSimilarity, TheSizeOfEveryFormatIsKnown) {
  for (const char* name : {"a.png", "a.jpg", "a.webp", "a.tif", "a.bmp"}) {
    const std::string path =
        test::write_picture(folder_ / name, test::blob_picture(37, 52, 1));
    EXPECT_EQ(median_shorter_side({{path, 0, ""}}), 37) << name;
  }
}

TEST_F(MeasureSimilarity, FindsWhatItKnows) {
  const ImageFolder folder = scan();
  const std::string cache = folder_ / "cache";
  const Json first = to_json(measure(tiny::traced(false), folder, cache));
  for (const Sample& sample : folder.train)
    std::filesystem::remove(sample.path);
  EXPECT_EQ(to_json(measure(tiny::traced(false), folder, cache)), first);
}

TEST_F(MeasureSimilarity, CountsPicturesWithoutColour) {
  InputSpec input = tiny::input();
  input.mean = {0.5, 0.4, 0.3};
  input.std = {0.2, 0.3, 0.4};
  const auto grey = test::flat_picture(16, 16, {90, 90, 90}),
             nearly = test::flat_picture(16, 16, {90, 91, 90}),
             red = test::flat_picture(16, 16, {99, 90, 90}),
             brown = test::flat_picture(16, 16, {92, 91, 89});
  cv::Mat one_red_place = grey.clone();
  one_red_place.at<cv::Vec3b>(3, 4) = {99, 90, 90};
  for (const char* channels : {"RGB", "BGR"}) {
    input.channels = channels;
    EXPECT_EQ(count_grey(torch::stack(
                             {normalise(grey, input), normalise(nearly, input),
                              normalise(red, input), normalise(brown, input),
                              normalise(one_red_place, input)}),
                         input),
              2)
        << channels;
  }
}

TEST_F(MeasureSimilarity, OfUnreadablePicturesNoSizeIsKnown) {
  test::write_text(folder_ / "text.png", "no picture");
  const double side = median_shorter_side(
      {{folder_ / "text.png", 0, ""}, {folder_ / "missing.png", 0, ""}});
  EXPECT_EQ(side, 0);
}

}  // namespace
}  // namespace engraft
