#include "eval/mean_probabilities.h"

#include <gtest/gtest.h>

#include <limits>

namespace engraft {
namespace {

/// Log probabilities of three models for five pictures and four classes.
std::vector<torch::Tensor> three_models() {
  auto generator = at::detail::createCPUGenerator(5);
  std::vector<torch::Tensor> out;
  for (int i = 0; i < 3; ++i)
    out.push_back(
        torch::randn({5, 4}, generator, torch::kFloat64).log_softmax(1));
  return out;
}

torch::Tensor expected(const std::vector<torch::Tensor>& models) {
  return ((models[0].exp() + models[1].exp() + models[2].exp()) / 3).log();
}

TEST(MeanProbabilities, OfThreeModelsAllAtOnce) {
  const auto models = three_models();
  EXPECT_TRUE(torch::allclose(log_mean(models), expected(models), 1e-12));
  EXPECT_TRUE(log_mean({models[0]}).equal(models[0]));
}

TEST(MeanProbabilities, OfThreeModelsOneAfterTheOther) {
  const auto models = three_models();
  MeanProbabilities mean(5);
  EXPECT_TRUE(mean.empty());
  for (const auto& model : models) {
    mean.add(model.narrow(0, 0, 3));
    mean.add(model.narrow(0, 3, 2));
  }
  // 1e-6: the sums are kept in single precision.
  EXPECT_TRUE(torch::allclose(mean.rows(0, 5), expected(models), 1e-6, 1e-6));
  EXPECT_TRUE(mean.rows(2, 2).equal(mean.rows(0, 5).narrow(0, 2, 2)));
}

TEST(MeanProbabilities, CertaintyAndNaNStayWhatTheyAre) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  MeanProbabilities mean(1);
  mean.add(torch::tensor({0.0, -inf, -1000.0, nan}).unsqueeze(0));
  mean.add(torch::tensor({0.0, -inf, -1000.0, -1.0}).unsqueeze(0));
  const auto row = mean.rows(0, 1)[0];
  EXPECT_NEAR(row[0].item<double>(), 0, 1e-6);
  EXPECT_EQ(row[1].item<double>(), -inf);
  EXPECT_NEAR(row[2].item<double>(), -1000, 1e-3);
  EXPECT_TRUE(std::isnan(row[3].item<double>()));
}

}  // namespace
}  // namespace engraft
