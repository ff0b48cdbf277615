#include "engraft/data/loader.h"

#include <ATen/Parallel.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <set>

#include "engraft/data/crops.h"
#include "engraft/data/image.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

class LoaderTest : public testing::Test {
 protected:
  LoaderTest() {
    for (int i = 0; i < 11; ++i)
      samples_.push_back(
          {write_picture(folder_ / (std::to_string(i) + ".png"),
                         blob_picture(40, 50, static_cast<uint64_t>(i))),
           i % 3, "content " + std::to_string(i)});
    options_.input.resize = 40;
    options_.input.crop = 32;
    options_.batch_size = 4;
    options_.threads = 2;
  }

  LoaderOptions training(int64_t threads) {
    LoaderOptions options = options_;
    options.augment = augment_settings(AugmentStrength::strong, {});
    options.threads = threads;
    return options;
  }

  static std::vector<Batch> rest(Loader& loader) {
    std::vector<Batch> batches;
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
    return batches;
  }

  static std::vector<Batch> epoch(Loader& loader, int64_t number) {
    loader.start_epoch(number);
    return rest(loader);
  }

  static std::vector<int64_t> order(const std::vector<Batch>& batches) {
    std::vector<int64_t> out;
    for (const Batch& batch : batches)
      out.insert(out.end(), batch.indices.begin(), batch.indices.end());
    return out;
  }

  static void expect_equal(const std::vector<Batch>& a,
                           const std::vector<Batch>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(at::equal(a[i].images, b[i].images)) << "batch " << i;
      EXPECT_TRUE(at::equal(a[i].labels, b[i].labels)) << "batch " << i;
      EXPECT_EQ(a[i].indices, b[i].indices) << "batch " << i;
    }
  }

  TempFolder folder_;
  std::vector<Sample> samples_;
  LoaderOptions options_;
};

TEST_F(LoaderTest, GivesTheEvaluationViewsInOrder) {
  Loader loader(samples_, options_);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(loader.num_batches(), 3);
  EXPECT_EQ(batches[0].images.sizes(), (std::vector<int64_t>{4, 3, 32, 32}));
  EXPECT_EQ(batches[2].images.size(0), 3);
  EXPECT_TRUE(batches[2].images.is_contiguous());
  const auto view =
      evaluation_views(decode_image(samples_[5].path), options_.input, 1)[0];
  EXPECT_TRUE(at::equal(batches[1].images[1], normalise(view, options_.input)));
  EXPECT_EQ(batches[1].labels[1].item<int64_t>(), 5 % 3);
}

TEST_F(LoaderTest, GivesTenCropsAPicture) {
  options_.crops = 10;
  Loader loader(samples_, options_);
  const auto batches = epoch(loader, 0);
  EXPECT_EQ(batches[2].images.sizes(),
            (std::vector<int64_t>{3, 10, 3, 32, 32}));
  const auto views =
      evaluation_views(decode_image(samples_[9].path), options_.input, 10);
  EXPECT_TRUE(
      at::equal(batches[2].images[1][7], normalise(views[7], options_.input)));
}

TEST_F(LoaderTest, GivesTheCropsOfEveryScale) {
  options_.crops = 5;
  options_.scales = {1, 1.5};
  Loader loader(samples_, options_);
  const auto batches = epoch(loader, 0);
  EXPECT_EQ(batches[0].images.sizes(),
            (std::vector<int64_t>{4, 10, 3, 32, 32}));
  InputSpec larger = options_.input;
  larger.resize = 60;
  const auto views =
      evaluation_views(decode_image(samples_[2].path), larger, 5);
  EXPECT_TRUE(
      at::equal(batches[0].images[2][8], normalise(views[3], options_.input)));
}

TEST_F(LoaderTest, DrawsTheSamePixelsOnOneThreadAndOnEight) {
  Loader one(samples_, training(1)), eight(samples_, training(8));
  for (const int64_t number : {0, 1, 5})
    expect_equal(epoch(one, number), epoch(eight, number));
}

TEST_F(LoaderTest, ShufflesEachEpochAnew) {
  Loader loader(samples_, training(2));
  const auto first = order(epoch(loader, 0)), second = order(epoch(loader, 1));
  EXPECT_EQ(std::set<int64_t>(first.begin(), first.end()).size(), 11U);
  EXPECT_NE(first, second);
  EXPECT_EQ(order(epoch(loader, 0)), first);
  LoaderOptions other = training(2);
  other.seed = 1;
  Loader reseeded(samples_, other);
  EXPECT_NE(order(epoch(reseeded, 0)), first);
}

TEST_F(LoaderTest, DrawsTheViewOfAPictureFromItsContentNotItsPlace) {
  Loader loader(samples_, training(2));
  const auto batches = epoch(loader, 3);
  std::vector<Sample> reversed(samples_.rbegin(), samples_.rend());
  Loader other(reversed, training(2));
  const auto others = epoch(other, 3);
  const auto find = [](const std::vector<Batch>& in, int64_t index) {
    for (const Batch& batch : in)
      for (size_t row = 0; row < batch.indices.size(); ++row)
        if (batch.indices[row] == index)
          return batch.images[static_cast<int64_t>(row)];
    return torch::Tensor();
  };
  EXPECT_TRUE(at::equal(find(batches, 2), find(others, 8)));
}

TEST_F(LoaderTest, RestartsInTheMiddleOfAnEpoch) {
  Loader loader(samples_, training(3));
  const auto whole = epoch(loader, 1);
  for (int i = 0; i < 20; ++i) {
    loader.start_epoch(0);
    if (i % 2) loader.next();
  }
  expect_equal(epoch(loader, 1), whole);
  EXPECT_FALSE(loader.next().has_value());
}

TEST_F(LoaderTest, LeavesBatchesThatAreHeldAlone) {
  Loader loader(samples_, training(2));
  const auto held = epoch(loader, 0);
  std::vector<torch::Tensor> before;
  for (const Batch& batch : held) before.push_back(batch.images.clone());
  for (int64_t number = 1; number < 4; ++number) epoch(loader, number);
  for (size_t i = 0; i < held.size(); ++i)
    EXPECT_TRUE(at::equal(held[i].images, before[i]));
}

TEST_F(LoaderTest, MayBeDestroyedAtAnyTime) {
  for (int i = 0; i < 20; ++i) {
    Loader loader(samples_, training(4));
    if (i % 4 == 0) continue;
    loader.start_epoch(0);
    for (int k = 1; k < i % 4; ++k) loader.next();
  }
}

TEST_F(LoaderTest, ThrowsTheFirstErrorInOrderWhereItsBatchIs) {
  write_text(samples_[6].path, "no picture");
  write_text(samples_[7].path, "no picture");
  options_.threads = 8;
  Loader loader(samples_, options_);
  loader.start_epoch(0);
  EXPECT_TRUE(loader.next().has_value());
  const std::string message = message_of(Fault::data, [&] { loader.next(); });
  EXPECT_TRUE(message.starts_with(samples_[6].path)) << message;
  EXPECT_FALSE(loader.next().has_value());
  write_picture(samples_[6].path, blob_picture(9, 9, 1));
  write_picture(samples_[7].path, blob_picture(9, 9, 2));
  EXPECT_EQ(epoch(loader, 1).size(), 3U);
}

TEST_F(LoaderTest, MayGoOnWithoutPicturesThatDoNotDecode) {
  for (const size_t bad : {0, 2, 8, 9, 10})
    write_text(samples_[bad].path, "no picture");
  options_.keep_going = true;
  Loader loader(samples_, options_);
  const auto batches = epoch(loader, 0);
  ASSERT_EQ(batches.size(), 3U);
  EXPECT_EQ(order(batches), (std::vector<int64_t>{1, 3, 4, 5, 6, 7}));
  EXPECT_EQ(batches[0].images.size(0), 2);
  EXPECT_EQ(batches[0].unreadable.at(1).index, 2);
  EXPECT_TRUE(
      batches[0].unreadable.at(1).message.starts_with(samples_[2].path));
  EXPECT_EQ(batches[2].images.size(0), 0);
  const auto view =
      evaluation_views(decode_image(samples_[3].path), options_.input, 1)[0];
  EXPECT_TRUE(at::equal(batches[0].images[1], normalise(view, options_.input)));
}

TEST_F(LoaderTest, LeavesTheCallersThreadsAndEmptyDataAlone) {
  at::set_num_threads(3);
  const std::vector<Sample> none;
  Loader loader(none, options_);
  EXPECT_EQ(at::get_num_threads(), 3);
  EXPECT_TRUE(epoch(loader, 0).empty());
  EXPECT_EQ(loader.num_batches(), 0);
}

}  // namespace
}  // namespace engraft
