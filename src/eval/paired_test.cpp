#include "engraft/eval/paired_test.h"

#include "engraft/eval/calibration.h"
#include "statistics.h"

namespace engraft {
namespace {

torch::Tensor losses(const torch::Tensor& logits, const torch::Tensor& labels) {
  const double temperature = fit_temperature(logits, labels);
  return -(logits.to(torch::kDouble) / temperature)
              .log_softmax(1)
              .gather(1, labels.unsqueeze(1))
              .squeeze(1);
}

}  // namespace

bool PairedTest::better(double errors) const {
  if (errors <= 0) return accuracy_z >= errors;
  return (accuracy_z > errors && loss_z > -errors) ||
         (won >= lost && loss_z > errors);
}

PairedTest compare_paired(const torch::Tensor& first,
                          const torch::Tensor& second,
                          const torch::Tensor& labels) {
  PairedTest out;
  out.pictures = labels.size(0);
  if (out.pictures == 0) return out;
  const auto a = first.argmax(1).eq(labels), b = second.argmax(1).eq(labels);
  out.won = (b & a.logical_not()).sum().item<int64_t>();
  out.lost = (a & b.logical_not()).sum().item<int64_t>();
  out.accuracy_gain = static_cast<double>(out.won - out.lost) /
                      static_cast<double>(out.pictures);
  out.accuracy_z = mcnemar_z(out.won, out.lost);
  const auto gains = losses(first, labels) - losses(second, labels);
  out.loss_gain = gains.mean().item<double>();
  out.loss_z = mean_over_error(gains);
  return out;
}

Json to_json(const PairedTest& t) {
  return {{"images", t.pictures},
          {"won", t.won},
          {"lost", t.lost},
          {"accuracy_gain", t.accuracy_gain},
          {"accuracy_z", t.accuracy_z},
          {"loss_gain", t.loss_gain},
          {"loss_z", t.loss_z}};
}

}  // namespace engraft
