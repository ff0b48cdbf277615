// DATA as a CSV file.

#include <gtest/gtest.h>

#include "engraft/data/image_folder.h"
#include "support/tiny_images.h"

namespace engraft {
namespace {

using namespace test;

class Manifest : public testing::Test {
 protected:
  Manifest() {
    write_class(data_ / "pics", 6, 1);
    write_picture(data_ / "pics/a, \"b\".png", blob_picture(9, 9, 77));
  }
  ImageFolder scan(const std::string& text) {
    write_text(data_ / "list.csv", text);
    return scan_image_folder(data_ / "list.csv", {}, 1);
  }
  void expect_complaint(const std::string& text, const std::string& part) {
    const std::string message = message_of(Fault::data, [&] { scan(text); });
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }

  TempFolder data_;
};

TEST_F(Manifest, NamesPathsRelativeToItself) {
  const ImageFolder folder =
      scan("pics/0.png,dog\npics/1.png,dog\npics/2.png,cat\npics/3.png,cat\n");
  EXPECT_EQ(folder.classes, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_FALSE(folder.has_own_split);
  EXPECT_EQ(folder.train.size() + folder.val.size(), 4U);
}

TEST_F(Manifest, MayHaveASplitColumn) {
  const ImageFolder folder = scan(
      "pics/0.png,a,train\npics/1.png,b,train\npics/2.png,b,validation\n"
      "pics/3.png,a,test");
  EXPECT_TRUE(folder.has_own_split);
  EXPECT_EQ(folder.train.size(), 2U);
  EXPECT_EQ(folder.val.at(0).path, data_ / "pics/2.png");
  EXPECT_EQ(folder.test.at(0).label, 0);
}

TEST_F(Manifest, MayHaveAHeaderInAnyOrder) {
  const ImageFolder folder = scan(
      "\xEF\xBB\xBFLabel,size,Split,Path\r\n"
      "a,9,train,pics/0.png\r\n\r\nb,9,train,pics/1.png\r\n"
      "b,9,val,pics/2.png\r\n");
  EXPECT_EQ(folder.train.size(), 2U);
  EXPECT_EQ(folder.val.size(), 1U);
}

TEST_F(Manifest, MayQuoteCommasQuotesAndLineEnds) {
  const ImageFolder folder = scan(
      "\"pics/a, \"\"b\"\".png\" , \"two\nlines\" , train\n"
      "pics/0.png,b,train\npics/1.png,b,val\n");
  EXPECT_EQ(folder.classes, (std::vector<std::string>{"b", "two\nlines"}));
  EXPECT_EQ(folder.train.at(1).path, data_ / "pics/a, \"b\".png");
}

TEST_F(Manifest, PointsToTheLineThatCannotBeUsed) {
  const std::string good = "pics/0.png,a\npics/1.png,b\n";
  expect_complaint(good + "pics/2.png\n", "list.csv:3: 1 fields");
  expect_complaint(good + "pics/2.png,a,train,x\n", "list.csv:3: 4 fields");
  expect_complaint(good + ",a\n", "list.csv:3: the path is empty");
  expect_complaint(good + "pics/2.png,\n", "list.csv:3: the label is empty");
  expect_complaint(good + "pics/2.png,a,dev\n",
                   "list.csv:3: split 'dev' is not train, val or test");
  expect_complaint(good + "pics/9.png,a\n", "list.csv:3: ");
  expect_complaint(good + "pics,a\n", "pics: is not a file");
  expect_complaint(good + "./pics/0.png,b\n", "is on line 1 already");
  expect_complaint(good + "pics/2.png,a,val\n", "list.csv:2: has no split");
  expect_complaint(good + "\"pics/2.png,a\n", "list.csv:3: a quote is never");
  expect_complaint(good + "\"pics/2.png\"x,a\n", "list.csv:3: text after");
  expect_complaint("", "empty");
  expect_complaint("path,label\n", "names no picture");
}

TEST_F(Manifest, CountsLinesInsideQuotes) {
  expect_complaint("pics/0.png,\"a\n\nb\"\npics/9.png,b\n", "list.csv:4: ");
}

TEST_F(Manifest, NamesAllBadLinesAtOnce) {
  const std::string message = message_of(
      Fault::data, [&] { scan("pics/7.png,a\npics/0.png,b\npics/8.png,b\n"); });
  EXPECT_NE(message.find("list.csv:1: "), std::string::npos) << message;
  const std::string third = (data_ / "list.csv") + ":3: ";
  EXPECT_NE(message.find(third), std::string::npos) << message;
}

TEST_F(Manifest, RefusesAValLabelThatTrainLacks) {
  expect_complaint("pics/0.png,a,train\npics/1.png,b,train\npics/2.png,c,val\n",
                   "list.csv:3: label 'c' has no picture in train");
}

}  // namespace
}  // namespace engraft
