#include "engraft/policy/similarity.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "data/content_hash.h"
#include "engraft/cache/row_cache.h"
#include "engraft/data/loader.h"
#include "engraft/threads.h"
#include "policy/picture_facts.h"
#include "policy/sample_evenly.h"

namespace engraft {
namespace {

// Measured with MobileNetV2 and EfficientNet-Lite0: sets of natural
// photographs gave 0.23 to 0.42, cartoons 0.47, every other kind 0.83 to 1.49.
constexpr double kBatchNormBorder = 0.65;
// Mean largest probability of the original head, MobileNetV2: photographs 0.75,
// cut-outs of natural things 0.45, other kinds 0.30 to 0.36. It ranks the sets
// as the statistic above does (scripts/check_evidence). Of what is above
// guessing: of two old classes one always has half.
constexpr double kConfidenceBorder = 0.4;
// On both sides of a border, where kinds of pictures lie side by side.
constexpr double kBatchNormBand = 0.12, kConfidenceBand = 0.1;
constexpr int64_t kEighths = 8;
// The early layers say what kind of picture it is; the late ones what is on
// it, which the fine-tuning is there to learn.
constexpr double kDepth = 1.0 / 3;
// Variances below this are of channels that never fire.
constexpr double kEpsilon = 1e-5;
constexpr int64_t kBatch = 32, kGroup = 2;

/// Sums over pictures of what a batch norm sees of each.
struct Moments {
  torch::Tensor sum, squares, running_var;  ///< float64 [C]
  double count = 0;

  Moments(const BatchNormMoments& seen, int64_t pictures)
      : sum(seen.mean.to(torch::kDouble)),
        squares(seen.square.to(torch::kDouble)),
        running_var(seen.running_var.to(torch::kDouble)),
        count(static_cast<double>(pictures)) {
    sum *= count;
    squares *= count;
  }
  void add(const Moments& other, double sign = 1) {
    sum = sum + sign * other.sum;
    squares = squares + sign * other.squares;
    count += sign * other.count;
  }

  /// |log(variance / running variance)| of each channel.
  torch::Tensor distances() const {
    const auto mean = sum / count;
    const auto variance = (squares / count - mean.square()).clamp_min(0);
    return ((variance + kEpsilon) / (running_var + kEpsilon)).log().abs();
  }
};

/// A measurement as the cache keeps it; the borders are the program's.
struct Measured {
  double value = 0, standard_error = 0, confidence = 0;
  double shorter_side = 0, grey = 0;
  int64_t images = 0, by_batch_norm = 0;
};

/// What a few pictures say.
struct Part {
  std::vector<std::pair<std::string, Moments>> moments;
  double confidence = 0;
};

Part look(const BlockChain& chain, const BatchNormProbe& probe,
          const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  Part out;
  for (const BatchNormMoments& seen : probe.run(images))
    out.moments.emplace_back(seen.name, Moments(seen, images.size(0)));
  if (out.moments.empty())
    out.confidence =
        std::get<0>(
            chain.run(images, 0, chain.num_blocks() + 1).softmax(1).max(1))
            .sum()
            .item<double>();
  return out;
}

/// Sums of some of the pictures.
struct Sums {
  std::map<std::string, Moments> moments;
  double confidence = 0, pictures = 0;

  void add(const Part& part, int64_t count) {
    confidence += part.confidence;
    pictures += static_cast<double>(count);
    for (const auto& [name, m] : part.moments) {
      const auto [at, is_new] = moments.emplace(name, m);
      if (!is_new) at->second.add(m);
    }
  }
  void add(const Sums& other, double sign) {
    confidence += sign * other.confidence;
    pictures += sign * other.pictures;
    for (const auto& [name, m] : other.moments) {
      const auto [at, is_new] = moments.emplace(name, m);
      if (!is_new) at->second.add(m, sign);
    }
  }
  double value() const {
    if (moments.empty()) return confidence / std::max(pictures, 1.0);
    std::vector<torch::Tensor> all;
    for (const auto& [name, m] : moments) all.push_back(m.distances().cpu());
    return torch::cat(all).mean().item<double>();
  }
};

/// The value of all, and its error from what leaving out an eighth changes.
Measured sum_up(const std::vector<Sums>& eighths, int64_t images) {
  Sums all;
  for (const Sums& eighth : eighths) all.add(eighth, 1);
  Measured out;
  out.images = images;
  out.value = all.value();
  out.by_batch_norm = all.moments.empty() ? 0 : 1;
  if (all.moments.empty()) out.confidence = out.value;
  std::vector<double> without;
  for (const Sums& eighth : eighths) {
    if (eighth.pictures == 0 || eighth.pictures == all.pictures) continue;
    Sums rest = all;
    rest.add(eighth, -1);
    without.push_back(rest.value());
  }
  const auto n = static_cast<double>(without.size());
  double mean = 0, squares = 0;
  for (const double value : without) mean += value / n;
  for (const double value : without) squares += (value - mean) * (value - mean);
  if (n > 1) out.standard_error = std::sqrt((n - 1) / n * squares);
  return out;
}

Measured measure(const BlockChain& chain, const InputSpec& input,
                 const std::vector<Sample>& samples, int64_t threads) {
  LoaderOptions options;
  options.input = input;
  options.batch_size = kBatch;
  options.threads = threads;
  Loader loader(samples, options);
  loader.start_epoch(0);
  const BatchNormProbe probe(chain, kDepth);
  std::vector<Sums> eighths(kEighths);
  int64_t group = 0, grey = 0;
  while (const auto batch = loader.next()) {
    grey += count_grey(batch->images, input);
    const auto groups = batch->images.split(kGroup);
    std::vector<Part> parts(groups.size());
    const auto work = [&](int64_t i) {
      parts[i] = look(chain, probe, groups[i]);
    };
    if (chain.device().is_cuda())
      for (int64_t i = 0; i < std::ssize(groups); ++i) work(i);
    else
      compute_apart(std::ssize(groups), work);
    for (size_t i = 0; i < parts.size(); ++i)
      eighths[static_cast<size_t>(group++ % kEighths)].add(parts[i],
                                                           groups[i].size(0));
  }
  give_back_memory();
  Measured out = sum_up(eighths, std::ssize(samples));
  out.shorter_side = median_shorter_side(samples);
  out.grey = static_cast<double>(grey) /
             static_cast<double>(std::max<int64_t>(out.images, 1));
  return out;
}

double confidence_border(int64_t classes) {
  const double guess = 1 / static_cast<double>(std::max<int64_t>(classes, 2));
  return guess + (1 - guess) * kConfidenceBorder;
}

/// classes  of the original head
Similarity judge(const Measured& measured, const InputSpec& input,
                 int64_t classes) {
  Similarity out;
  const bool norm = measured.by_batch_norm != 0;
  out.method = norm ? "batch_norm" : "confidence";
  out.value = measured.value;
  out.standard_error = measured.standard_error;
  out.confidence = measured.confidence;
  out.images = measured.images;
  out.shorter_side = measured.shorter_side;
  out.resized_side = static_cast<double>(input.resize);
  out.grey = measured.grey;
  out.border = norm ? kBatchNormBorder : confidence_border(classes);
  const bool similar = norm ? out.value <= out.border : out.value >= out.border;
  out.band = norm ? kBatchNormBand : kConfidenceBand;
  out.uncertain = std::abs(out.value - out.border) <
                  std::max(out.band, 2 * out.standard_error);
  out.verdict = similar ? SimilarityClass::similar : SimilarityClass::different;
  return out;
}

}  // namespace

Similarity measure_similarity(const BlockChain& chain, const InputSpec& input,
                              const ImageFolder& folder, int64_t threads,
                              const std::string& cache, int64_t max_images) {
  const auto samples =
      sample_evenly(folder.train, folder.num_classes(), max_images);
  RowCacheOptions options;
  options.folder = cache;
  options.disk_limit = kNoLimit;  // of some bytes a set
  const std::string model = chain.fingerprint(chain.num_blocks() + 1);
  RowCache known(
      options,
      content_hash("similarity 3 " + model + " " + to_json(input).dump()).hex(),
      sizeof(Measured), {{"view", "similarity"}});
  std::string pictures;
  for (const Sample& sample : samples) pictures += sample.content + "\n";
  const ContentHash hash = content_hash(pictures);
  Measured measured;
  if (!known.read({hash.high, hash.low}, &measured)) {
    measured = measure(chain, input, samples, threads);
    known.add({hash.high, hash.low}, &measured);
    known.flush();
  }
  return judge(measured, input, chain.head().classes);
}

Json to_json(const Similarity& s) {
  return {{"verdict", std::string(name_of(s.verdict))},
          {"method", s.method},
          {"value", s.value},
          {"border", s.border},
          {"standard_error", s.standard_error},
          {"band", s.band},
          {"uncertain", s.uncertain},
          {"images", s.images},
          {"shorter_side", s.shorter_side},
          {"resized_side", s.resized_side},
          {"grey", s.grey}};
}

}  // namespace engraft
