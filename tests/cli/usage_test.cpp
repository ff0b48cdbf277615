// What the binary says to its own misuse, and its help.

#include <gtest/gtest.h>

#include "cli/process.h"

namespace engraft {
namespace {

using test::expect_usage_error;
using test::Outcome;
using test::run_engraft;

TEST(CliHelp, OfEveryCommandBeginsWithASentenceAndEndsWithAnExample) {
  for (const char* command :
       {"train", "plan", "eval", "predict", "inspect", "cache", "search"}) {
    const Outcome run = run_engraft({command, "--help"});
    EXPECT_EQ(run.code, 0);
    EXPECT_EQ(run.err, "");
    const std::string first = run.out.substr(0, run.out.find('\n'));
    EXPECT_EQ(first.back(), '.') << first;
    EXPECT_NE(run.out.find(std::string("Usage: engraft ") + command),
              std::string::npos);
    EXPECT_NE(run.out.find(std::string("\nExample:\n  engraft ") + command),
              std::string::npos);
    for (size_t begin = 0; begin < run.out.size();) {
      const size_t end = run.out.find('\n', begin);
      EXPECT_LE(end - begin, 80u) << run.out.substr(begin, end - begin);
      begin = end + 1;
    }
  }
}

TEST(CliHelp, ShowsRangesDefaultsAndTheNegatedSwitch) {
  const std::string help = run_engraft({"train", "--help"}).out;
  for (const char* part :
       {"--momentum X", "(auto: 0.9, rmsprop 0; 0 to 0.9999)",
        "--optimizer auto|sgd|nesterov|adagrad|rmsprop|adam|adamw|lbfgs",
        "--no-flip", "--mean R G B", "--crops N", "1 to 10)", "--config FILE",
        "--seed N", "(at least 0; default 0)", "--json", "\nPlan:\n"})
    EXPECT_NE(help.find(part), std::string::npos) << part;
  EXPECT_EQ(help.find("--flip "), std::string::npos);
}

TEST(CliHelp, SaysWhichOptionMayBeRepeated) {
  for (const char* command : {"eval", "predict"}) {
    const std::string help = run_engraft({command, "--help"}).out;
    const auto at = help.find("--with TEXT");
    ASSERT_NE(at, std::string::npos) << help;
    EXPECT_LT(help.find("may be given"), help.find("\n  --", at)) << help;
  }
}

TEST(CliHelp, OfTheWholeAndTheVersion) {
  const Outcome help = run_engraft({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("predict"), std::string::npos);
  const Outcome version = run_engraft({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out.rfind("engraft ", 0), 0u);
  EXPECT_NE(version.out.find("LibTorch "), std::string::npos);
  const Outcome nothing = run_engraft({});
  EXPECT_EQ(nothing.code, 2);
  EXPECT_EQ(nothing.err, help.out);
}

TEST(CliUsage, AMistypedWordNamesItsNearestNeighbour) {
  expect_usage_error({"trian", "pets"}, "did you mean 'train'?");
  expect_usage_error({"train", "pets", "--epoch", "3"},
                     "unknown option '--epoch'; did you mean '--epochs'?");
  expect_usage_error({"eval", "m.pt", "pets", "--min-acuracy=0.9"},
                     "did you mean '--min-accuracy'?");
  expect_usage_error({"help"}, "unknown command 'help'; see engraft --help");
  expect_usage_error({"train", "--optimizer", "sdg"}, "sgd, nesterov");
}

TEST(CliUsage, NumbersAreReadAsPeopleWriteThem) {
  expect_usage_error({"train", "--lr", "abc"}, "--lr: 'abc' is not a number");
  expect_usage_error({"train", "--lr", "-0.1"}, "outside of [0, 10]");
  expect_usage_error({"train", "--epochs", "2.5"}, "not a whole number");
  expect_usage_error({"train", "--mean", "0.5", "0.5"},
                     "--mean takes 3 values");
  // These are read: what is missing is DATA.
  expect_usage_error({"train", "--lr", "1e-3", "--epochs=+3", "--mean", "0.5",
                      "0.5", "0.5", "--no-flip"},
                     "DATA is missing");
}

TEST(CliUsage, WhatIsTooMuchOrMissingIsNamed) {
  expect_usage_error({"plan", "a", "b"}, "'b' is one argument too many");
  expect_usage_error({"train", "pets"}, "--out is missing");
  expect_usage_error({"train", "--lr"}, "--lr takes 1 value, once");
  expect_usage_error({"eval", "a.pt", "pets", "--with"},
                     "--with takes 1 value each time");
  // The word behind its value is DATA.
  expect_usage_error({"eval", "a.pt", "--with", "b.pt", "pets", "more"},
                     "'more' is one argument too many");
  expect_usage_error({"train", "--lr", "1", "--lr", "2"}, "once");
  expect_usage_error({"train", "--flip", "--no-flip"}, "exclude each other");
  expect_usage_error({"predict", "m.pt", "a.png", "--json", "--format", "csv"},
                     "exclude each other");
  expect_usage_error({"eval", "m.pt", "pets", "--lr", "1"}, "unknown option");
  expect_usage_error({"eval", "m.pt", "pets", "--device", "abacus"}, "abacus");
}

}  // namespace
}  // namespace engraft
