#include "cli/failure.h"

#include <gtest/gtest.h>

#include <sstream>

namespace engraft::cli {
namespace {

template <typename Exception>
std::pair<int, std::string> reported(const Exception& exception) {
  std::ostringstream err;
  const int code = report_failure(std::make_exception_ptr(exception), err);
  return {code, err.str()};
}

TEST(Failure, OfTheUserExitsWithItsFault) {
  EXPECT_EQ(reported(Error(Fault::usage, "x")).first, 2);
  EXPECT_EQ(reported(Error(Fault::data, "x")).first, 3);
  EXPECT_EQ(reported(Error(Fault::model, "x")).first, 4);
  EXPECT_EQ(reported(Error(Fault::io, "x")).first, 5);
  EXPECT_EQ(reported(Error(Fault::io, "disk")).second, "engraft: disk\n");
}

TEST(Failure, OfOursExitsWith70InOneLine) {
  try {
    TORCH_CHECK(false, "an invariant");
  } catch (const c10::Error& error) {
    const auto [code, text] = reported(error);
    EXPECT_EQ(code, 70);
    EXPECT_EQ(text, "engraft: internal: an invariant\n");
  }
  EXPECT_EQ(reported(std::bad_alloc()).first, 70);
  EXPECT_EQ(reported(std::logic_error("x")).first, 70);
  EXPECT_EQ(reported(42).first, 70);
}

}  // namespace
}  // namespace engraft::cli
