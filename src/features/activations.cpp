#include "engraft/features/activations.h"

#include <c10/util/accumulate.h>

#include <algorithm>
#include <deque>

#include "data/content_hash.h"
#include "engraft/cache/row_cache.h"
#include "engraft/data/loader.h"
#include "engraft/threads.h"
#include "model/difference.h"
#include "model/taps.h"
#include "stopwatch.h"

namespace engraft {
namespace {

// Of what the head makes of the pictures; an f16 has 11 bits, 5e-4.
constexpr double kExactEnough = 1e-3;

/// Rows in the order in which they are stored, channels last.
torch::Tensor as_rows(const torch::Tensor& features) {
  const auto ordered =
      features.dim() == 4 ? features.permute({0, 2, 3, 1}) : features;
  return ordered.contiguous().flatten(1);
}

/// Of one row.
std::vector<int64_t> shape_of(const BlockChain& chain, int64_t cut,
                              const ActivationOptions& options) {
  if (!options.taps.empty()) {
    int64_t width = 0;
    for (const int64_t tap : options.taps) width += tap_width(chain, tap);
    return {width};
  }
  if (cut == 0) return {3, options.input.crop, options.input.crop};
  return chain.block(cut - 1).output_size;
}

std::string spelled(const std::vector<int64_t>& taps) {
  std::string out;
  for (const int64_t tap : taps) out += " tap " + std::to_string(tap);
  return out;
}

}  // namespace

std::string cache_folder(const CacheOptions& options) {
  if (options.cache == "none") return "";
  return options.cache == "auto" ? default_cache_folder() : options.cache;
}

RowCacheOptions row_cache_options(const CacheOptions& options) {
  RowCacheOptions out;
  out.folder = cache_folder(options);
  out.disk_limit = static_cast<int64_t>(options.cache_limit * 1e9);
  out.memory_budget = static_cast<int64_t>(options.cache_memory * 1e6);
  return out;
}

struct Activations::State {
  State(const BlockChain& chain, int64_t cut, const ActivationOptions& options)
      : chain(chain),
        cut(cut),
        options(options),
        print(chain.fingerprint(cut)),
        shape(shape_of(chain, cut, options)),
        augmentation(to_json(options.augment).dump() + " " +
                     std::to_string(options.seed)) {}

  const BlockChain& chain;
  const int64_t cut;
  const ActivationOptions options;
  const std::string print;
  const std::vector<int64_t> shape;
  const std::string augmentation;
  Activations* lower = nullptr;
  std::unique_ptr<RowCache> rows;
  std::unique_ptr<FrozenPrefix> prefix;
  ActivationStats stats;

  int64_t row_bytes(CachePrecision precision) const {
    return c10::multiply_integers(shape) *
           (precision == CachePrecision::f16 ? 2 : 4);
  }

  bool half() const { return stats.precision == CachePrecision::f16; }

  RowKey key(const Sample& sample, int64_t view) const {
    const std::string& picture =
        sample.content.empty() ? sample.path : sample.content;
    const ContentHash hash = content_hash(
        view < 0 ? picture + " evaluation"
                 : picture + " " + augmentation + " " + std::to_string(view));
    return {hash.high, hash.low};
  }

  std::unique_ptr<RowCache> open(CachePrecision precision) const {
    RowCacheOptions cache = row_cache_options(options.cache);
    if (lower) cache.folder.clear();
    const std::string name(name_of(precision));
    const Json about = {
        {"model", options.model},
        {"data", options.data},
        {"cut", cut == chain.num_blocks() ? "all blocks"
                                          : "block " + std::to_string(cut)},
        {"precision", name}};
    // By itself each way is as good as another; one that is asked for is not.
    const std::string way =
        options.inference == InferenceKind::automatic
            ? std::string()
            : std::string(" ").append(name_of(options.inference));
    const std::string shelf =
        content_hash(print + " " + to_json(options.input).dump() + " " + name +
                     spelled(options.taps) + way)
            .hex();
    return std::make_unique<RowCache>(cache, shelf, row_bytes(precision),
                                      about);
  }

  void take(CachePrecision precision, std::unique_ptr<RowCache> opened) {
    stats.precision = precision;
    stats.row_bytes = row_bytes(precision);
    rows = std::move(opened);
  }

  /// Settles the precision where that takes no measuring: given, or in the
  /// cache already.
  void open_known(const Sample& sample, int64_t view) {
    CachePrecision wanted = options.cache.cache_precision;
    if (!options.taps.empty() ||
        (wanted == CachePrecision::automatic && options.exact))
      wanted = CachePrecision::f32;
    if (wanted != CachePrecision::automatic) return take(wanted, open(wanted));
    for (const auto precision : {CachePrecision::f16, CachePrecision::f32}) {
      auto opened = open(precision);
      if (opened->contains(key(sample, view)))
        return take(precision, std::move(opened));
    }
  }

  /// Settles the precision by the first activations.
  void open_measured(const torch::Tensor& features) {
    torch::NoGradGuard no_grad;
    const auto rounded = features.to(torch::kHalf).to(torch::kFloat);
    bool good = rounded.isfinite().all().item<bool>();
    if (good) {
      const int64_t end = chain.num_blocks() + 1;
      const auto before =
          chain.run(features.to(chain.device(), features.scalar_type(),
                                /*non_blocking=*/false, /*copy=*/true),
                    cut, end);
      const auto after = chain.run(rounded.to(chain.device()), cut, end);
      stats.f16_difference = relative_difference(after, before);
      good = stats.f16_difference <= kExactEnough;
    }
    const auto precision = good ? CachePrecision::f16 : CachePrecision::f32;
    take(precision, open(precision));
  }

  std::vector<Sample> missing(const std::vector<Sample>& samples, int64_t first,
                              int64_t last) const {
    std::vector<Sample> out;
    for (const Sample& sample : samples)
      for (int64_t view = first; view <= last; ++view)
        if (!rows || !rows->contains(key(sample, view))) {
          out.push_back(sample);
          break;
        }
    return out;
  }

  void store(const Sample& sample, int64_t first, const torch::Tensor& views) {
    if (!rows) open_measured(views);
    // The first pictures told that halves do; a later one is cut to their
    // largest number rather than become infinite.
    constexpr double kLargestHalf = 65504;
    const auto all = as_rows(views);
    const auto stored =
        (half() ? all.clamp(-kLargestHalf, kLargestHalf).to(torch::kHalf)
                : all.to(torch::kFloat))
            .contiguous();
    for (int64_t v = 0; v < stored.size(0); ++v) {
      const RowKey name = key(sample, first + v);
      if (rows->contains(name)) continue;  // a copy of a picture, or found
      rows->add(name, stored[v].data_ptr());
      ++stats.computed;
    }
  }

  /// Views [first, first + views) of pictures by the frozen blocks.
  bool compute_from_pictures(const std::vector<Sample>& samples, int64_t first,
                             int64_t views, const Progress& progress,
                             const std::function<bool()>& stop) {
    if (!prefix)
      prefix = std::make_unique<FrozenPrefix>(
          chain, cut, options.inference,
          std::max<int64_t>(options.pictures, std::ssize(samples) * views),
          options.taps);
    LoaderOptions loading;
    loading.input = options.input;
    if (first >= 0) loading.augment = options.augment;
    loading.views = views;
    loading.shuffle = false;
    loading.threads = options.threads;
    loading.seed = options.seed;
    // Little, as what waits in the loader is float32 pictures.
    loading.batch_size = prefix->pictures_at_once(views);
    loading.prefetch = 2;
    Loader loader(samples, loading);
    // Epochs count from 1, views from 0.
    loader.start_epoch(first + 1);
    int64_t done = 0;
    const int64_t all = std::ssize(samples) * views;
    // The next batch is begun before this one is done, so that no thread waits
    // for the end of a batch.
    std::deque<std::pair<std::vector<int64_t>, FrozenPrefix::Pending>> begun;
    bool more = true;
    while (more || !begun.empty()) {
      if (stop && stop()) return false;
      if (more && begun.size() < 2) {
        auto batch = loader.next();
        more = batch.has_value();
        if (more)
          begun.emplace_back(
              std::move(batch->indices),
              prefix->begin(views > 1 ? batch->images.flatten(0, 1)
                                      : batch->images));
        continue;
      }
      const auto& indices = begun.front().first;
      const auto features = begun.front().second.get().cpu();
      for (size_t i = 0; i < indices.size(); ++i)
        store(samples[static_cast<size_t>(indices[i])], first,
              features.narrow(0, static_cast<int64_t>(i) * views, views));
      begun.pop_front();
      done += features.size(0);
      if (progress) progress(done, all);
    }
    stats.seconds_waiting += loader.seconds_waited();
    stats.prefix = prefix->choice();
    return true;
  }

  bool compute_from_lower(const std::vector<Sample>& samples, int64_t first,
                          int64_t views, const Progress& progress,
                          const std::function<bool()>& stop) {
    constexpr int64_t kAtOnce = 16;
    const auto all = std::ssize(samples) * views;
    int64_t done = 0;
    for (int64_t view = first; view < first + views; ++view)
      for (int64_t i = 0; i < std::ssize(samples); i += kAtOnce) {
        if (stop && stop()) return false;
        std::vector<int64_t> indices;
        for (int64_t j = i;
             j < std::min<int64_t>(i + kAtOnce, std::ssize(samples)); ++j)
          indices.push_back(j);
        const auto x = lower->read(samples, indices, view);
        const auto features =
            chain.run_frozen(x.to(chain.device()), lower->cut(), cut).cpu();
        for (size_t j = 0; j < indices.size(); ++j)
          store(samples[static_cast<size_t>(indices[j])], view,
                features.narrow(0, static_cast<int64_t>(j), 1));
        done += features.size(0);
        if (progress) progress(done, all);
      }
    return true;
  }

  bool compute(const std::vector<Sample>& samples, int64_t first, int64_t views,
               const Progress& progress, const std::function<bool()>& stop) {
    const Stopwatch watch;
    const bool whole =
        lower ? compute_from_lower(samples, first, views, progress, stop)
              : compute_from_pictures(samples, first, views, progress, stop);
    // What one picture takes is not worth it.
    if (std::ssize(samples) > 1) give_back_memory();
    if (rows) {
      rows->flush();
      stats.trouble = rows->trouble();
    }
    stats.seconds += watch.seconds();
    return whole;
  }
};

Activations::Activations(const BlockChain& chain, int64_t cut,
                         const ActivationOptions& options)
    : state_(std::make_unique<State>(chain, cut, options)) {
  state_->stats.folder = cache_folder(options.cache);
}

Activations::~Activations() = default;

void Activations::start_from(Activations& lower) {
  TORCH_CHECK(lower.cut() < cut(), "starts from block ", lower.cut(),
              " to reach ", cut());
  state_->lower = &lower;
  state_->stats.folder.clear();
}

void Activations::add(const std::vector<Sample>& samples,
                      const torch::Tensor& rows, int64_t view) {
  State& s = *state_;
  if (samples.empty()) return;
  if (!s.rows) s.open_known(samples.front(), view);
  for (int64_t i = 0; i < std::ssize(samples); ++i)
    s.store(samples[static_cast<size_t>(i)], view, rows.narrow(0, i, 1));
  s.rows->flush();
}

bool Activations::prepare(const std::vector<Sample>& samples, int64_t views,
                          const Progress& progress,
                          const std::function<bool()>& stop) {
  State& s = *state_;
  if (samples.empty()) return true;
  const int64_t first = views > 0 ? 0 : -1, count = std::max<int64_t>(views, 1);
  if (!s.rows) s.open_known(samples.front(), first);
  const auto missing = s.missing(samples, first, first + count - 1);
  s.stats.found += (std::ssize(samples) - std::ssize(missing)) * count;
  if (missing.empty()) return true;
  return s.compute(missing, first, count, progress, stop);
}

torch::Tensor Activations::read(const std::vector<Sample>& samples,
                                const std::vector<int64_t>& indices,
                                int64_t view) {
  State& s = *state_;
  TORCH_CHECK(s.rows, "activations are read before they are prepared");
  const int64_t count = std::ssize(indices);
  torch::Tensor out = torch::empty({count, c10::multiply_integers(s.shape)},
                                   s.half() ? torch::kHalf : torch::kFloat);
  auto* bytes = static_cast<uint8_t*>(out.data_ptr());
  for (int64_t i = 0; i < count; ++i) {
    const Sample& sample = samples[static_cast<size_t>(indices[i])];
    uint8_t* to = bytes + i * s.stats.row_bytes;
    if (s.rows->read(s.key(sample, view), to)) continue;
    // Damaged in the file: made again.
    s.compute({sample}, view, 1, {}, {});
    TORCH_CHECK(s.rows->read(s.key(sample, view), to),
                "an activation cannot be read back");
  }
  out = out.to(torch::kFloat);
  if (s.shape.size() != 3) {
    std::vector<int64_t> sizes{count};
    sizes.insert(sizes.end(), s.shape.begin(), s.shape.end());
    return out.view(sizes);
  }
  return out.view({count, s.shape[1], s.shape[2], s.shape[0]})
      .permute({0, 3, 1, 2});
}

int64_t Activations::cut() const { return state_->cut; }

ActivationStats Activations::stats() const {
  ActivationStats out = state_->stats;
  if (state_->rows) out.damaged = state_->rows->damaged();
  return out;
}

Json to_json(const ActivationStats& stats) {
  return {{"found", stats.found},
          {"computed", stats.computed},
          {"damaged", stats.damaged},
          {"row_bytes", stats.row_bytes},
          {"precision", std::string(name_of(stats.precision))},
          {"f16_difference",
           stats.f16_difference < 0 ? Json() : Json(stats.f16_difference)},
          {"seconds", stats.seconds},
          {"seconds_waiting", stats.seconds_waiting},
          {"folder", stats.folder},
          {"trouble", stats.trouble},
          {"inference", to_json(stats.prefix)}};
}

}  // namespace engraft
