#include "eval/class_names.h"

#include <gtest/gtest.h>

#include "support/tiny_images.h"

namespace engraft {
namespace {

const std::vector<std::string> kImageNet{
    "tench, Tinca tinca",    "ant, emmet, pismire", "bee", "crane", "goose",
    "crane, lifting machine"};

std::vector<int64_t> match(const std::vector<std::string>& names) {
  return match_classes("pets", names, kImageNet);
}

TEST(ClassNames, MatchWholeNamesAndSynonyms) {
  EXPECT_EQ(match({"bee", "tench, Tinca tinca", "emmet"}),
            (std::vector<int64_t>{2, 0, 1}));
}

TEST(ClassNames, IgnoreCaseAndTakeUnderscoresForSpaces) {
  EXPECT_EQ(match({"BEE", "tinca_TINCA"}), (std::vector<int64_t>{2, 0}));
}

TEST(ClassNames, PreferAWholeNameToASynonym) {
  EXPECT_EQ(match({"crane"}), (std::vector<int64_t>{3}));
}

TEST(ClassNames, RefuseAnUnknownNameWithNearOnes) {
  const auto message = test::message_of(Fault::data, [] {
    match({"bee", "ants"});
  });
  EXPECT_NE(message.find("pets: 'ants' is no class"), std::string::npos);
  EXPECT_NE(message.find("near: 'ant'"), std::string::npos) << message;
  EXPECT_NE(message.find("'goose'"), std::string::npos) << message;
}

TEST(ClassNames, RefuseTwoMeaningsAndTwoNamesForOne) {
  const auto two = test::message_of(Fault::data, [] {
    match_classes("pets", {"crane"}, {"crane, bird", "crane, machine"});
  });
  EXPECT_NE(two.find("'crane, bird'"), std::string::npos) << two;
  EXPECT_NE(two.find("'crane, machine'"), std::string::npos) << two;
  const auto same = test::message_of(Fault::data, [] {
    match({"ant", "emmet"});
  });
  EXPECT_NE(same.find("'ant' and 'emmet'"), std::string::npos) << same;
}

}  // namespace
}  // namespace engraft
