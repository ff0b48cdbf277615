#include "engraft/eval/options.h"

#include <set>

namespace engraft {
namespace {

void require_models(const std::string& model,
                    const std::vector<std::string>& with) {
  require(model, "MODEL", "a TorchScript file");
  for (const auto& path : with) require(path, "--with", "a TorchScript file");
}

}  // namespace

void ViewOptions::validate() const {
  if (crops && !is_crop_count(*crops))
    fail(Fault::usage, "--crops: ", *crops, " is not one of 1, 5, 10");
  if (scales.values.empty()) fail(Fault::usage, "--scales: no factor is given");
  std::set<double> seen;
  for (const double scale : scales.values)
    if (!seen.insert(scale).second)
      fail(Fault::usage, "--scales: ", scale, " is given twice");
}

bool ViewOptions::centre_only() const {
  return crops == kCentreCrop && scales.values == std::vector<double>{1};
}

void SamplingOptions::validate(const std::vector<std::string>& with) const {
  if (mc_samples == 1)
    fail(Fault::usage, "--mc-samples 1: a spread takes two samples or more");
  if (mc_samples > 0 && !with.empty())
    fail(Fault::usage, "--mc-samples and --with exclude each other: masks are ",
         "sampled of one model");
  fields(*this, [this](const char* name, const auto& value, const char*,
                       const auto&) {
    if constexpr (requires { value.has_value(); })
      if (value && mc_samples == 0)
        fail(Fault::usage, "--", name, " counts with --mc-samples: say how ",
             "many masks to average over");
  });
}

void EvalOptions::validate() const {
  require_models(model, with);
  require(data, "DATA", kDataMeaning);
  check_ranges(*this);
  view.validate();
  sampling.validate(with);
  input.validate();
  for (const char* known : {"auto", "train", "val", "test", "all"})
    if (split == known) return;
  fail(Fault::usage, "--split: '", split,
       "' is not one of auto, train, val, test, all");
}

void PredictOptions::validate() const {
  require_models(model, with);
  check_ranges(*this);
  view.validate();
  sampling.validate(with);
  input.validate();
}

}  // namespace engraft
