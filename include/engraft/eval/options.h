#pragma once

#include <functional>
#include <string>

#include "engraft/data/crops.h"
#include "engraft/model/regularise.h"
#include "engraft/options.h"

namespace engraft {

/// What is worth saying to a person, one sentence each. May be empty.
using EvalNote = std::function<void(const std::string&)>;

enum class CropAverage { softmax, logits };
enum class ListFormat { text, csv, jsonl };
ENGRAFT_ENUM_NAMES(CropAverage, "softmax", "logits");
ENGRAFT_ENUM_NAMES(ListFormat, "text", "csv", "jsonl");

/// How pictures are looked at when a model is tested.
struct ViewOptions {
  std::optional<int64_t> crops;
  CropAverage average = CropAverage::softmax;
  NumberList scales{{1}};

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("crops", self.crops,
          "views of a picture that are averaged: 1 (centre, as predict does by "
          "itself), 5 (corners and centre) or 10 (their mirror images too) "
          "(auto in tests: as when the model was trained, which takes 10 but "
          "for what it finds to take the class away)",
          Range{1, 10});
    visit("average", self.average, "what is averaged over the crops", Any{});
    visit("scales", self.scales,
          "factors on the picture's size before the crops, which the crop's is "
          "the least of; those of all scales are averaged",
          Range{0.5, 3});
  }
  void validate() const;
  int64_t num_crops() const { return crops.value_or(kTenCrops); }
  /// Of a picture.
  int64_t views() const { return num_crops() * std::ssize(scales.values); }
  /// Nothing but the model's own view, which validation looks at.
  bool centre_only() const;
};

/// Averaging over random masks when a model is tested (Gal & Ghahramani 2016).
/// What is unset is as the model's record has it.
struct SamplingOptions {
  int64_t mc_samples = 0;
  std::optional<double> dropout, head_dropout, drop_connect;
  std::optional<std::string> drop_connect_on;
  std::optional<bool> fractional_pooling;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("mc-samples", self.mc_samples,
          "average over so many random masks of what was random in training, "
          "in the blocks that were trained, and show their spread as the "
          "uncertainty; 0 for none",
          Range{0, 1000});
    visit("dropout", self.dropout,
          "probability of the model's dropouts in the masks; with it or any "
          "of the next flags masks fall on all blocks (auto: as it was "
          "trained)",
          Range{0, 0.99});
    visit("head-dropout", self.head_dropout,
          "probability of dropout on the final layer's features (auto: "
          "likewise)",
          Range{0, 0.99});
    visit("drop-connect", self.drop_connect,
          "probability that a weight is taken as zero (auto: likewise)",
          Range{0, 0.99});
    visit("drop-connect-on", self.drop_connect_on,
          "weights that it falls on: head, all, or layers by name (auto: "
          "likewise)",
          Any{});
    visit("fractional-pooling", self.fractional_pooling,
          "max pooling over random regions (auto: likewise)", Any{});
  }
  /// Another noise than the recorded one.
  bool asks_for_noise() const {
    return dropout || head_dropout || drop_connect || drop_connect_on ||
           fractional_pooling;
  }
  /// with  the other models that are tested
  /// Throws Error(Fault::usage) for what makes no sense together.
  void validate(const std::vector<std::string>& with) const;
};

/// Help of --with.
inline constexpr const char* kWithHelp =
    "another model of the same classes: the probabilities of all are averaged";

/// `engraft eval`.
struct EvalOptions {
  std::string model, data;
  std::vector<std::string> with;
  ViewOptions view;
  SamplingOptions sampling;
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
    SamplingOptions::fields(self.sampling, visit);
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
  ViewOptions view{kCentreCrop, CropAverage::softmax};
  SamplingOptions sampling;
  int64_t top = 1;
  ListFormat format = ListFormat::text;
  int64_t batch_size = 40;
  InputOptions input;
  RunOptions run;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("with", self.with, kWithHelp, Any{});
    ViewOptions::fields(self.view, visit);
    SamplingOptions::fields(self.sampling, visit);
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
