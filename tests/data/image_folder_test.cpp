#include "engraft/data/image_folder.h"

#include <gtest/gtest.h>

#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;
namespace fs = std::filesystem;

/// What scanning `data` complains of; it must be the data's fault.
std::string complaint(const std::string& data, DataOptions options = {}) {
  return message_of(Fault::data, [&] { scan_image_folder(data, options, 1); });
}

void expect_says(const std::string& message, const std::string& part) {
  EXPECT_NE(message.find(part), std::string::npos) << message;
}

std::vector<std::string> names(const std::vector<LeftOut>& files) {
  std::vector<std::string> out;
  for (const auto& file : files)
    out.push_back(fs::path(file.path).filename().string());
  return out;
}

TEST(ImageFolder, ReadsOneFolderAClassInSortedOrder) {
  const TempFolder data;
  write_class(data / "dog", 10, 100);
  write_class(data / "cat/deep/deeper", 10, 200);
  const ImageFolder folder = scan_image_folder(data.path(), {});
  EXPECT_EQ(folder.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_FALSE(folder.has_own_split);
  EXPECT_EQ(folder.train.size() + folder.val.size(), 20U);
  EXPECT_EQ(folder.counts(folder.train)[0] + folder.counts(folder.val)[0], 10);
  for (const Sample& sample : folder.train) {
    EXPECT_EQ(sample.label == 1, sample.path.find("/dog/") != sample.path.npos);
    EXPECT_EQ(sample.content.size(), 32U);
  }
}

TEST(ImageFolder, TakesTheSplitThatDataHas) {
  const TempFolder data;
  for (const char* val : {"val", "valid", "validation"}) {
    write_class(data / "train/a", 3, 1);
    write_class(data / "train/b", 2, 10);
    write_class(data / (val + std::string("/b")), 1, 20);  // a keeps index 0
    write_class(data / "test/a", 2, 30);
    write_text(data / "readme.txt", "");
    write_class(data / "notes", 1, 1);
    const ImageFolder folder = scan_image_folder(data.path(), {});
    EXPECT_TRUE(folder.has_own_split);
    EXPECT_EQ(folder.counts(folder.train), (std::vector<int64_t>{3, 2}));
    EXPECT_EQ(folder.counts(folder.val), (std::vector<int64_t>{0, 1}));
    EXPECT_EQ(folder.counts(folder.test), (std::vector<int64_t>{2, 0}));
    EXPECT_EQ(names(folder.left_out),
              (std::vector<std::string>{"readme.txt", "notes"}));
    fs::remove_all(data / val);
  }
}

TEST(ImageFolder, HoldsOutOfTrainWhenThereIsNoVal) {
  const TempFolder data;
  write_class(data / "train/a", 10, 1);
  write_class(data / "train/b", 10, 20);
  write_class(data / "test/a", 2, 40);
  const ImageFolder folder = scan_image_folder(data.path(), {});
  EXPECT_FALSE(folder.has_own_split);
  EXPECT_EQ(folder.train.size() + folder.val.size(), 20U);
  EXPECT_FALSE(folder.val.empty());
  EXPECT_EQ(folder.test.size(), 2U);
}

TEST(ImageFolder, ToTestTakesAnyPicture) {
  const TempFolder data;
  write_class(data / "a", 1, 1);
  EXPECT_THROW(scan_image_folder(data.path(), {}), Error);
  const auto one = scan_image_folder(data.path(), {}, 1, "", DataUse::test);
  EXPECT_EQ(one.num_classes(), 1);
  write_class(data / "b", 1, 9);
  const auto two = scan_image_folder(data.path(), {}, 1, "", DataUse::test);
  EXPECT_EQ(two.train.size() + two.val.size(), 2u);
  write_text(data / "list.csv", "a/0.png,a,test\nb/0.png,b,test\n");
  const auto list =
      scan_image_folder(data / "list.csv", {}, 1, "", DataUse::test);
  EXPECT_EQ(list.test.size(), 2u);
  EXPECT_EQ(list.classes, two.classes);
}

TEST(ImageFolder, RefusesANameThatNoModelCanHold) {
  const TempFolder data;
  write_class(data / "a", 3, 1);
  write_class(data / "caf\xe9", 3, 9);
  EXPECT_TRUE(message_of(Fault::data, [&] {
                scan_image_folder(data.path(), {});
              }).find("is not UTF-8") != std::string::npos);
}

TEST(ImageFolder, SeesThatTrainIsAVehicle) {
  const TempFolder data;
  for (const char* vehicle : {"bus", "car", "train"})
    write_class(data / vehicle, 4, std::hash<std::string>()(vehicle));
  EXPECT_EQ(scan_image_folder(data.path(), {}).num_classes(), 3);
}

TEST(ImageFolder, NamesWhatItLeavesOutAndIgnoresHiddenFiles) {
  const TempFolder data;
  write_class(data / "a", 4, 1);
  write_class(data / "b", 4, 10);
  write_text(data / "a/.DS_Store", "x");
  write_text(data / "a/Thumbs.db", "x");
  write_class(data / ".git", 1, 1);
  write_text(data / "a/notes.txt", "x");
  write_text(data / "b/missing.gif", "GIF89a");
  write_picture(data / "stray.png", blob_picture(9, 9, 1));
  const ImageFolder folder = scan_image_folder(data.path(), {});
  EXPECT_EQ(
      names(folder.left_out),
      (std::vector<std::string>{"stray.png", "notes.txt", "missing.gif"}));
  EXPECT_EQ(folder.left_out[2].reason, "not a picture that is read: .gif");
  EXPECT_EQ(to_json(folder)["left_out"].size(), 3U);
}

TEST(ImageFolder, FollowsLinksOnce) {
  const TempFolder data, elsewhere;
  write_class(elsewhere / "photos", 5, 1);
  write_class(data / "b", 5, 10);
  fs::create_directory(data / "a");
  fs::create_directory_symlink(elsewhere / "photos", data / "a/album");
  fs::create_directory_symlink(data / "a", data / "a/circle");
  fs::create_symlink(elsewhere / "none.png", data / "a/broken.png");
  fs::create_symlink(data / "b/0.png", data / "a/link.png");
  const ImageFolder folder = scan_image_folder(data.path(), {});
  EXPECT_EQ(folder.counts(folder.train)[0] + folder.counts(folder.val)[0], 6);
  EXPECT_EQ(names(folder.left_out),
            (std::vector<std::string>{"broken.png", "circle"}));
}

TEST(ImageFolder, NamesAllPicturesThatDoNotDecodeAtOnce) {
  const TempFolder data;
  write_class(data / "a", 4, 1);
  write_class(data / "b", 4, 10);
  write_text(data / "a/text.jpg", "no picture");
  write_text(data / "b/empty.png", "");
  const std::string message = complaint(data.path());
  expect_says(message, "2 pictures do not decode");
  expect_says(message, "--skip-unreadable");
  expect_says(message, data / "a/text.jpg: ");
  expect_says(message, data / "b/empty.png: ");
  DataOptions options;
  options.skip_unreadable = true;
  for (const int64_t threads : {1, 5}) {
    const auto folder = scan_image_folder(data.path(), options, threads);
    EXPECT_EQ(names(folder.unreadable),
              (std::vector<std::string>{"text.jpg", "empty.png"}));
    EXPECT_EQ(folder.train.size() + folder.val.size(), 8U);
  }
}

TEST(ImageFolder, CountsCopiesConflictsAndLeaks) {
  const TempFolder data;
  write_class(data / "train/a", 3, 1);  // seeds 1 2 3
  write_class(data / "train/b", 2, 3);  // seeds 3 4: 3 is in both classes
  write_class(data / "val/a", 2, 2);    // seeds 2 3: in train too
  write_class(data / "val/b", 1, 9);
  const ImageFolder folder = scan_image_folder(data.path(), {});
  EXPECT_EQ(folder.copies, 5);       // 2 twice, 3 three times
  EXPECT_EQ(folder.conflicting, 3);  // all that show 3
  EXPECT_EQ(folder.leaked, 2);
}

TEST(ImageFolder, KeepsItsFingerprintWhenMoved) {
  const TempFolder data;
  write_class(data / "x/a", 4, 1);
  write_class(data / "x/b", 4, 10);
  const auto fingerprint = scan_image_folder(data / "x", {}).fingerprint;
  fs::rename(data / "x", data / "y");
  fs::rename(data / "y/a/0.png", data / "y/a/zero.png");
  EXPECT_EQ(scan_image_folder(data / "y", {}).fingerprint, fingerprint);
  fs::rename(data / "y/a/zero.png", data / "y/b/zero.png");
  EXPECT_NE(scan_image_folder(data / "y", {}).fingerprint, fingerprint);
}

TEST(ImageFolder, ExplainsDataThatHasNoClasses) {
  const TempFolder data;
  expect_says(complaint(data / "none"), "no such file or folder");
  fs::create_directory(data / "empty");
  expect_says(complaint(data / "empty"), "is empty");
  write_class(data / "flat", 3, 1);
  expect_says(complaint(data / "flat"), "3 pictures but no class folders");
  expect_says(complaint(data / "flat/0.png"), "is one picture");
  write_class(data / "flat2/train", 3, 1);
  expect_says(complaint(data / "flat2"), "flat2/train: has 3 pictures but no");
}

TEST(ImageFolder, ExplainsClassesThatCannotBeUsed) {
  const TempFolder data;
  write_class(data / "one/a", 3, 1);
  expect_says(complaint(data / "one"), "one class only ('a')");
  fs::create_directory(data / "one/b");
  expect_says(complaint(data / "one"), "class 'b' has no picture: add some");
  write_class(data / "two/train/a", 3, 1);
  write_class(data / "two/train/b", 3, 10);
  write_class(data / "two/val/c", 3, 20);
  expect_says(complaint(data / "two"), "class 'c' has no folder in train");
  fs::remove_all(data / "two/val/c");
  expect_says(complaint(data / "two"), "val: has no picture");
  fs::create_directory(data / "two/valid");
  expect_says(complaint(data / "two"), "has both val and valid");
  DataOptions options;
  options.skip_unreadable = true;
  write_class(data / "three/a", 3, 1);
  write_text(data / "three/b/x.png", "no picture");
  expect_says(complaint(data / "three", options),
              "class 'b' has no picture that decodes");
}

TEST(ListPictures, KeepsTheOrderGivenAndSortsInFolders) {
  const TempFolder data;
  write_class(data / "z", 2, 1);
  write_text(data / "z/notes.txt", "");
  write_text(data / "odd.dat", "");
  const auto listed =
      list_pictures({data / "odd.dat", data / "z", data / "a.png"});
  EXPECT_EQ(listed.paths,
            (std::vector<std::string>{data / "odd.dat", data / "z/0.png",
                                      data / "z/1.png", data / "a.png"}));
  ASSERT_EQ(listed.left_out.size(), 1u);
  EXPECT_EQ(listed.left_out[0].path, data / "z/notes.txt");
}

}  // namespace
}  // namespace engraft
