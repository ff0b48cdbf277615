#include <gtest/gtest.h>
#include <torch/utils.h>

namespace engraft {
namespace {

/// Tensors of torch::rand are the same in each run of a test, whatever ran
/// before it.
class SeedEachTest : public testing::EmptyTestEventListener {
  void OnTestStart(const testing::TestInfo&) override { torch::manual_seed(0); }
};

const bool seeding = [] {
  testing::UnitTest::GetInstance()->listeners().Append(new SeedEachTest);
  return true;
}();

}  // namespace
}  // namespace engraft
