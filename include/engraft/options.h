#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "engraft/error.h"
#include "engraft/json.h"

namespace engraft {

// An option is written once, as a row of its struct's `fields`: the flag, its
// help and range, the --config key and the record in the saved model are all
// made from that row by visitors. An unset std::optional means "decided from
// the plan, the model or the machine"; its help says which.

/// Allowed numbers, both ends included.
struct Range {
  double min = -std::numeric_limits<double>::infinity();
  double max = std::numeric_limits<double>::infinity();
};
/// Any value is allowed (free text, switches, enumerations).
struct Any {};

/// One or more numbers: "1,1.15" on the command line, a list in JSON.
struct NumberList {
  std::vector<double> values;
};
inline void to_json(Json& json, const NumberList& list) { json = list.values; }
inline void from_json(const Json& json, NumberList& list) {
  json.get_to(list.values);
}

/// The spellings of an enumeration's values, in the order of their numbers.
template <typename Enum>
struct EnumNames;

#define ENGRAFT_ENUM_NAMES(Enum, ...)                   \
  template <>                                           \
  struct EnumNames<Enum> {                              \
    static constexpr auto value =                       \
        std::to_array<std::string_view>({__VA_ARGS__}); \
  }

template <typename Enum>
std::string_view name_of(Enum value) {
  return EnumNames<Enum>::value.at(static_cast<size_t>(value));
}

/// Throws Error(Fault::usage) that lists the spellings when `name` is none.
template <typename Enum>
Enum parse_enum(std::string_view name, std::string_view what) {
  const auto& names = EnumNames<Enum>::value;
  for (size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<Enum>(i);
  std::string all;
  for (const auto& n : names) all += (all.empty() ? "" : ", ") + std::string(n);
  fail(Fault::usage, what, ": '", name, "' is not one of ", all);
}

enum class Interpolation { nearest, bilinear, bicubic };
enum class AugmentStrength { none, light, standard, strong };
enum class AugmentPolicy { none, rand, trivial };
enum class SizeClass { small, large };
enum class SimilarityClass { similar, different };
enum class CachePrecision { automatic, f32, f16 };
enum class InferenceKind { automatic, plain, folded, fused, onednn, bf16 };
ENGRAFT_ENUM_NAMES(Interpolation, "nearest", "bilinear", "bicubic");
ENGRAFT_ENUM_NAMES(AugmentStrength, "none", "light", "standard", "strong");
ENGRAFT_ENUM_NAMES(AugmentPolicy, "none", "rand", "trivial");
ENGRAFT_ENUM_NAMES(SizeClass, "small", "large");
ENGRAFT_ENUM_NAMES(SimilarityClass, "similar", "different");
ENGRAFT_ENUM_NAMES(CachePrecision, "auto", "f32", "f16");
ENGRAFT_ENUM_NAMES(InferenceKind, "auto", "plain", "folded", "fused", "onednn",
                   "bf16");

/// Throws Error(Fault::usage) that says what is missing when `value` is empty.
void require(const std::string& value, const char* name, const char* what);

/// What DATA is, for messages.
inline constexpr const char* kDataMeaning =
    "a folder of images with one folder a class, or a CSV file "
    "path,label[,split]";

/// How the model wants its pictures, when the file or its sidecar does not say
/// or says it wrongly. Each set field wins over both.
struct InputOptions {
  std::optional<int64_t> input_size, resize;
  std::optional<Interpolation> interpolation;
  std::vector<double> mean, std;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("input-size", self.input_size,
          "side of the model's square input in pixels (auto: from the model)",
          Range{8, 4096});
    visit("resize", self.resize,
          "shorter side before the centre crop in pixels (auto: from the "
          "model)",
          Range{8, 8192});
    visit("interpolation", self.interpolation,
          "antialiased resize filter (auto: from the model)", Any{});
    visit("mean", self.mean,
          "mean of R, G and B in [0, 1] (auto: from the model)", Range{0, 1});
    visit("std", self.std,
          "standard deviation of R, G and B (auto: from the model)",
          Range{1e-6, 1e3});
  }
  void validate() const;
};

/// Reading and splitting the pictures.
struct DataOptions {
  double val_fraction = 0.2;
  int64_t split_seed = 0;
  bool skip_unreadable = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("val-fraction", self.val_fraction,
          "share of each class held out when DATA has no split of its own",
          Range{0.01, 0.9});
    visit("split-seed", self.split_seed,
          "another number holds out other pictures", Range{0, 1e15});
    visit("skip-unreadable", self.skip_unreadable,
          "go on without pictures that do not decode, naming them", Any{});
  }
};

/// Threads, device and randomness of a run.
struct RunOptions {
  int64_t seed = 0;
  int64_t threads = 0;
  std::string device = "auto";
  InferenceKind inference = InferenceKind::automatic;
  bool verbose = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("seed", self.seed, "fixes every random choice", Range{0, 1e15});
    visit("threads", self.threads,
          "threads that decode and augment, 0 for one a core; changes speed "
          "only",
          Range{0, 1024});
    visit("device", self.device, "auto, cpu, cuda or cuda:N", Any{});
    visit("inference", self.inference,
          "how what is not trained is computed; auto times the ways on the "
          "first pictures, plain is the model's own arithmetic",
          Any{});
    visit("verbose", self.verbose,
          "also say how the work was done and what it cost", Any{});
  }
};

/// Random views of training pictures. Unset fields follow the strength, which
/// itself follows the plan when unset; with a policy, which changes colours and
/// rotates itself, unset ones of these are 0.
struct AugmentOptions {
  std::optional<AugmentStrength> augment;
  std::optional<double> crop_area, crop_aspect, brightness, contrast,
      saturation, hue, pca, rotation;
  bool flip = true, vertical_flip = false, right_angles = false;
  AugmentPolicy policy = AugmentPolicy::none;
  std::optional<int64_t> policy_operations, policy_magnitude;
  double erase = 0;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("augment", self.augment,
          "strength of the random views (auto: from the plan)", Any{});
    visit("crop-area", self.crop_area,
          "smallest share of the picture that a random crop keeps",
          Range{0.01, 1});
    visit("crop-aspect", self.crop_aspect,
          "largest stretch of a random crop, 1 for none", Range{1, 4});
    visit("brightness", self.brightness, "largest relative change",
          Range{0, 1});
    visit("contrast", self.contrast, "largest relative change", Range{0, 1});
    visit("saturation", self.saturation, "largest relative change",
          Range{0, 1});
    visit("hue", self.hue, "largest turn, as a share of the colour circle",
          Range{0, 0.5});
    visit("pca", self.pca,
          "standard deviation of the offset along the colours' principal axes",
          Range{0, 1});
    visit("rotation", self.rotation, "largest rotation in degrees",
          Range{0, 180});
    visit("flip", self.flip,
          "mirror half of the training views; off where a mirror image is "
          "another class",
          Any{});
    visit("vertical-flip", self.vertical_flip,
          "mirror half of the training views top to bottom; for pictures "
          "without an up",
          Any{});
    visit("right-angles", self.right_angles,
          "turn training views by random multiples of 90 degrees; likewise",
          Any{});
    visit("policy", self.policy,
          "random operations in place of the strength's colours and rotation: "
          "rand as RandAugment, several of one magnitude; trivial as "
          "TrivialAugment Wide, one of any",
          Any{});
    visit("policy-operations", self.policy_operations,
          "operations on a view with rand (auto: 2)", Range{1, 14});
    visit("policy-magnitude", self.policy_magnitude,
          "their magnitude with rand, of 30 (auto: 9)", Range{0, 30});
    visit("erase", self.erase,
          "probability of filling a random rectangle of a view with noise",
          Range{0, 1});
  }
  /// Throws Error(Fault::usage) naming two flags that exclude each other.
  void validate() const;
};

/// What overrides the plan.
struct PlanOptions {
  std::optional<SizeClass> size;
  std::optional<SimilarityClass> similarity;
  std::string time = "0";
  std::string freeze_until = "auto";
  std::optional<double> lr, backbone_lr, block_decay;
  std::optional<int64_t> epochs, head_epochs, batch_size, views;
  bool deeper = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("size", self.size, "take the set as this (auto: counted)", Any{});
    visit("similarity", self.similarity,
          "take the pictures as this, compared with the model's own (auto: "
          "measured)",
          Any{});
    visit("time", self.time,
          "how long the run may take: 90, 90s, 10m or 2h; 0 for no limit. The "
          "plan is cut to what fits on this machine; search begins no trial "
          "after it, and training the winner comes on top",
          Any{});
    visit("freeze-until", self.freeze_until,
          "first block that is trained: its number or name as `inspect` lists "
          "it, all (train the head alone), none (train everything) or auto",
          Any{});
    visit("lr", self.lr, "peak learning rate of the head (auto: from the plan)",
          Range{0, 10});
    visit("backbone-lr", self.backbone_lr,
          "peak learning rate of the last pretrained block (auto: from the "
          "plan)",
          Range{0, 10});
    visit("block-decay", self.block_decay,
          "rate of a block over the rate of the block behind it (auto: from "
          "the plan)",
          Range{0.01, 1});
    visit("epochs", self.epochs,
          "passes over the training pictures, the head's own included (auto: "
          "from the plan)",
          Range{1, 100000});
    visit("head-epochs", self.head_epochs,
          "of these, passes that train the head alone before blocks thaw "
          "(auto: from the plan)",
          Range{0, 100000});
    visit("batch-size", self.batch_size, "(auto: from the plan)",
          Range{1, 65536});
    visit("views", self.views,
          "random views of a picture that pass the frozen blocks once and are "
          "used again over the epochs; 0 for new ones through these blocks in "
          "each epoch (auto: from epochs, augmentation and cache)",
          Range{0, 100000});
    visit("deeper", self.deeper,
          "when the blocks that the plan trains stay, go on with half of those "
          "that are still frozen, and keep that if it is better by a standard "
          "error",
          Any{});
  }
};

/// Seconds of "90", "90s", "10m" or "2h". Throws Error(Fault::usage) that
/// names --time for what is none of these.
double parse_duration(const std::string& text);

/// Where what the frozen blocks give is kept.
struct CacheOptions {
  std::string cache = "auto";
  double cache_limit = 20, cache_memory = 64;
  CachePrecision cache_precision = CachePrecision::automatic;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("cache", self.cache,
          "folder that keeps what frozen blocks give for the next run; none "
          "for no longer than this one, auto for the user's cache folder",
          Any{});
    visit("cache-limit", self.cache_limit,
          "GB that the folder may grow to; what was not used for longest goes "
          "first",
          Range{0, 1e6});
    visit("cache-memory", self.cache_memory,
          "MB of it held in memory, the rest is mapped from disk",
          Range{0, 1e6});
    visit("cache-precision", self.cache_precision,
          "numbers in the cache; auto takes f16 where it changes the head's "
          "output by less than 1 in 1000",
          Any{});
  }
};

/// `engraft plan`.
struct PlanCommandOptions {
  std::string model, data;
  PlanOptions plan;
  AugmentOptions augment;
  CacheOptions cache;
  DataOptions data_options;
  InputOptions input;
  RunOptions run;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("model", self.model,
          "TorchScript file to start from (auto: EfficientNet-Lite0)", Any{});
    PlanOptions::fields(self.plan, visit);
    AugmentOptions::fields(self.augment, visit);
    CacheOptions::fields(self.cache, visit);
    DataOptions::fields(self.data_options, visit);
    InputOptions::fields(self.input, visit);
    RunOptions::fields(self.run, visit);
  }
  void validate() const;
};

/// `engraft inspect`. Of DATA, pictures that do not decode are listed.
struct InspectOptions {
  std::string path;
  DataOptions data_options{.skip_unreadable = true};
  InputOptions input;
  RunOptions run;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    DataOptions::fields(self.data_options, visit);
    InputOptions::fields(self.input, visit);
    RunOptions::fields(self.run, visit);
  }
  void validate() const;
};

/// The JSON spelling of one option's value; null when it is unset.
template <typename T>
Json spelled(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(name_of(value));
  } else if constexpr (requires { value.has_value(); }) {
    return value ? spelled(*value) : Json();
  } else {
    return value;
  }
}

/// All fields of an option struct under their flags' names.
template <typename Options>
Json to_json(const Options& options) {
  Json out = Json::object();
  Options::fields(options, [&](const char* name, const auto& value, const char*,
                               const auto&) { out[name] = spelled(value); });
  return out;
}

/// Throws Error(Fault::usage) that names the option and its range.
template <typename T, typename Allowed>
void check_allowed(const std::string& name, const T& value,
                   const Allowed& allowed) {
  if constexpr (requires { value.has_value(); }) {
    if (value) check_allowed(name, *value, allowed);
  } else if constexpr (std::is_same_v<T, std::vector<double>>) {
    for (const double v : value) check_allowed(name, v, allowed);
  } else if constexpr (std::is_same_v<T, NumberList>) {
    check_allowed(name, value.values, allowed);
  } else if constexpr (std::is_same_v<Allowed, Range>) {
    const double v = static_cast<double>(value);
    if (!(v >= allowed.min && v <= allowed.max))
      fail(Fault::usage, "--", name, ": ", value, " is outside of [",
           allowed.min, ", ", allowed.max, "]");
  }
}

/// Every field against its range. Throws as check_allowed.
template <typename Options>
void check_ranges(const Options& options) {
  Options::fields(options, [](const char* name, const auto& value, const char*,
                              const auto& allowed) {
    check_allowed(name, value, allowed);
  });
}

/// Reads a JSON object of options; keys are the flags' names. Throws
/// Error(Fault::usage) on an unknown key, a wrong type or an unreadable file.
template <typename Options>
void read_json(const std::string& path, Options& options);

}  // namespace engraft

#include "engraft/options_json.h"
