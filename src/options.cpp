#include "engraft/options.h"

#include <fstream>

namespace engraft {

namespace {

void require(const std::string& value, const char* name, const char* what) {
  if (value.empty()) fail(Fault::usage, name, " is missing: ", what);
}

constexpr const char* kDataMeaning =
    "a folder of images with one folder a class, or a CSV file "
    "path,label[,split]";

}  // namespace

Json read_json_object(const std::string& path) {
  std::ifstream in(path);
  if (!in)
    fail(Fault::usage, path,
         ": cannot be opened; --config takes a JSON file of options");
  const Json json = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object())
    fail(Fault::usage, path,
         ": not a JSON object; write {\"epochs\": 10, ...}");
  return json;
}

void InputOptions::validate() const {
  for (const auto* values : {&mean, &std})
    if (!values->empty() && values->size() != 3)
      fail(Fault::usage, values == &mean ? "--mean" : "--std",
           ": takes three numbers, one a colour, but has ", values->size());
  if (resize && input_size && *resize < *input_size)
    fail(Fault::usage, "--resize ", *resize, " is below --input-size ",
         *input_size, ": the crop would not fit");
}

void ViewOptions::validate() const {
  if (crops != 1 && crops != 5 && crops != 10)
    fail(Fault::usage, "--crops: ", crops, " is not one of 1, 5, 10");
}

void PlanCommandOptions::validate() const {
  require(data, "DATA", kDataMeaning);
  check_ranges(*this);
  input.validate();
  if (plan.epochs && plan.head_epochs && *plan.head_epochs > *plan.epochs)
    fail(Fault::usage, "--head-epochs ", *plan.head_epochs,
         " is above --epochs ", *plan.epochs);
}

void TrainOptions::validate() const {
  check_ranges(*this);
  base.validate();
  view.validate();
  require(out, "--out", "the file to write the fine-tuned model to");
}

void EvalOptions::validate() const {
  require(model, "MODEL", "a TorchScript file");
  require(data, "DATA", kDataMeaning);
  check_ranges(*this);
  view.validate();
  input.validate();
  for (const char* known : {"auto", "train", "val", "test", "all"})
    if (split == known) return;
  fail(Fault::usage, "--split: '", split,
       "' is not one of auto, train, val, test, all");
}

void PredictOptions::validate() const {
  require(model, "MODEL", "a TorchScript file");
  check_ranges(*this);
  view.validate();
  input.validate();
}

void InspectOptions::validate() const {
  require(path, "MODEL or DATA", "a TorchScript file, or images to look at");
  check_ranges(*this);
  input.validate();
}

}  // namespace engraft
