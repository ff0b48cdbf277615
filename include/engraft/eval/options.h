#pragma once

#include "engraft/options.h"

namespace engraft {

enum class CropAverage { softmax, logits };
enum class ListFormat { text, csv, jsonl };
ENGRAFT_ENUM_NAMES(CropAverage, "softmax", "logits");
ENGRAFT_ENUM_NAMES(ListFormat, "text", "csv", "jsonl");

/// How pictures are looked at when a model is tested.
struct ViewOptions {
  int64_t crops = 10;
  CropAverage average = CropAverage::softmax;
  NumberList scales{{1}};

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("crops", self.crops,
          "views of a picture that are averaged: 1 (centre), 5 (corners and "
          "centre) or 10 (their mirror images too)",
          Range{1, 10});
    visit("average", self.average, "what is averaged over the crops", Any{});
    visit("scales", self.scales,
          "factors on the picture's size before the crops; those of all scales "
          "are averaged",
          Range{0.5, 3});
  }
  void validate() const;
  /// Of a picture.
  int64_t views() const { return crops * std::ssize(scales.values); }
  /// Nothing but the model's own view, which validation looks at.
  bool centre_only() const;
};

/// Help of --with.
inline constexpr const char* kWithHelp =
    "another model of the same classes: the probabilities of all are averaged";

/// `engraft eval`.
struct EvalOptions {
  std::string model, data;
  std::vector<std::string> with;
  ViewOptions view;
  std::string split = "auto";
  std::optional<double> min_accuracy;
  int64_t batch_size = 40;
  DataOptions data_options;
  InputOptions input;
  RunOptions run;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("with", self.with, kWithHelp, Any{});
    ViewOptions::fields(self.view, visit);
    visit("split", self.split,
          "pictures to test on: val, test, train, all, or auto (test or else "
          "val where DATA has them as folders or in its manifest, all "
          "otherwise)",
          Any{});
    visit("min-accuracy", self.min_accuracy,
          "exit with 1 when top-1 accuracy is below this", Range{0, 1});
    visit("batch-size", self.batch_size, "views in one forward pass",
          Range{1, 65536});
    DataOptions::fields(self.data_options, visit);
    InputOptions::fields(self.input, visit);
    RunOptions::fields(self.run, visit);
  }
  void validate() const;
};

/// `engraft predict`.
struct PredictOptions {
  std::string model;
  std::vector<std::string> paths, with;
  ViewOptions view{1, CropAverage::softmax};
  int64_t top = 1;
  ListFormat format = ListFormat::text;
  int64_t batch_size = 40;
  InputOptions input;
  RunOptions run;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("with", self.with, kWithHelp, Any{});
    ViewOptions::fields(self.view, visit);
    visit("top", self.top, "classes to print for a picture, likeliest first",
          Range{1, 100000});
    visit("format", self.format, "of the lines on stdout", Any{});
    visit("batch-size", self.batch_size, "views in one forward pass",
          Range{1, 65536});
    InputOptions::fields(self.input, visit);
    RunOptions::fields(self.run, visit);
  }
  void validate() const;
};

}  // namespace engraft
