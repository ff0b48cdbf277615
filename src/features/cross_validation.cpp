#include "engraft/features/cross_validation.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <future>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <thread>

#include "engraft/threads.h"
#include "features/head_objective.h"

namespace engraft {
namespace {

constexpr int64_t kMostRowsToValidate = 4096;
constexpr int64_t kFolds = 5;
// Penalties in the unit of one picture's loss, strong to weak.
constexpr double kStrongest = 1e4, kWeakest = 1e-4;
const double kStep = std::sqrt(10.0);

LbfgsOptions rough_optimum() {
  LbfgsOptions out;
  out.iterations = 60;
  out.gradient = 1e-4;
  out.gain = 1e-5;
  return out;
}

// Weights of a head up to which the folds are solved side by side. Larger ones
// keep all threads busy alone, and each fold's L-BFGS keeps twenty vectors.
constexpr int64_t kSmallHead = int64_t{1} << 18;

/// Parts of a solution, each by one thread as long as they are small. `stop`
/// is asked by the thread that made it, and heard by all.
class SideBySide {
 public:
  SideBySide(const HeadProblem& problem, const std::function<bool()>& stop)
      : stop_(stop) {
    if (problem.classes * problem.features.features <= kSmallHead)
      team_.emplace();
  }

  void run(int64_t count, const std::function<void(int64_t)>& work) {
    if (!team_) {
      for (int64_t i = 0; i < count; ++i) work(i);
      return;
    }
    std::vector<std::future<void>> begun;
    for (int64_t i = 0; i < count; ++i)
      begun.push_back(team_->begin([&work, i] {
        torch::NoGradGuard no_grad;  // is a thread's own
        work(i);
      }));
    for (const auto& one : begun)
      while (one.wait_for(kAskEvery) != std::future_status::ready) ask();
    wait_for_all(begun);
  }

  /// What the parts ask.
  const std::function<bool()>& stop() const { return heard_; }

 private:
  static constexpr std::chrono::milliseconds kAskEvery{20};

  void ask() {
    if (stop_ && stop_()) stopped_ = true;
  }

  const std::function<bool()>& stop_;
  const std::thread::id caller_ = std::this_thread::get_id();
  std::atomic<bool> stopped_ = false;
  const std::function<bool()> heard_ = [this] {
    if (std::this_thread::get_id() == caller_) ask();
    return stopped_.load();
  };
  std::optional<ComputeTeam> team_;  // last: its threads use the others
};

/// Fold of each picture by its number, and its place within its class.
struct Deal {
  std::map<int64_t, int64_t> fold, place;

  torch::Tensor folds_of(const torch::Tensor& pictures) const {
    return looked_up(pictures, fold);
  }
  torch::Tensor places_of(const torch::Tensor& pictures) const {
    return looked_up(pictures, place);
  }

  /// int64 [pictures]
  static torch::Tensor looked_up(const torch::Tensor& pictures,
                                 const std::map<int64_t, int64_t>& values) {
    auto out = torch::empty({pictures.size(0)}, torch::kLong);
    const auto numbers = pictures.contiguous();
    for (int64_t i = 0; i < numbers.size(0); ++i)
      out.mutable_data_ptr<int64_t>()[i] =
          values.at(numbers.const_data_ptr<int64_t>()[i]);
    return out;
  }

  /// float32 [rows]: 1 for the rows of the share. Steps of the golden ratio
  /// spread it evenly over the places, so over the folds too.
  torch::Tensor in_share(const torch::Tensor& pictures, double share) const {
    constexpr double kGolden = 0.6180339887498949;
    auto out = torch::ones({pictures.size(0)});
    const auto numbers = pictures.contiguous();
    for (int64_t i = 0; i < numbers.size(0); ++i) {
      const double step =
          kGolden *
          static_cast<double>(place.at(numbers.const_data_ptr<int64_t>()[i]));
      if (step - std::floor(step) >= share)
        out.mutable_data_ptr<float>()[i] = 0;
    }
    return out;
  }
};

/// The pictures of a class are dealt out in turn, in the order in which they
/// come.
Deal deal(const HeadProblem& problem) {
  Deal out;
  const auto labels = problem.labels.contiguous();
  const auto pictures = problem.pictures.contiguous();
  std::map<int64_t, int64_t> dealt;
  for (int64_t i = 0; i < problem.features.rows; ++i) {
    const int64_t picture = pictures.const_data_ptr<int64_t>()[i];
    if (out.fold.contains(picture)) continue;
    const int64_t label = labels.const_data_ptr<int64_t>()[i];
    const int64_t place = dealt[label]++;
    // Classes begin at different folds, so that small ones do not all miss
    // the same one.
    out.fold[picture] = (label + place) % kFolds;
    out.place[picture] = place;
  }
  return out;
}

/// The problem in memory, where folds can read it side by side; of many rows
/// those of every k-th picture of each class, so that classes keep their
/// shares.
HeadProblem reduced(const HeadProblem& problem) {
  const int64_t rows = problem.features.rows;
  const int64_t every = (rows + kMostRowsToValidate - 1) / kMostRowsToValidate;
  const auto places = deal(problem).places_of(problem.pictures);
  const auto kept = places.remainder(every).eq(0).nonzero().flatten();
  const auto all = torch::empty({kept.numel(), problem.features.features});
  int64_t filled = 0;
  for (int64_t i = 0; i < rows; i += kRowsAtOnce) {
    const int64_t end = std::min(i + kRowsAtOnce, rows);
    const auto here = kept.masked_select(kept.ge(i) & kept.lt(end)) - i;
    if (here.numel() == 0) continue;
    all.narrow(0, filled, here.numel())
        .copy_(problem.features.read(i, end).index_select(0, here));
    filled += here.numel();
  }
  HeadProblem out = problem;
  out.features = {all.size(0), all.size(1), [all](int64_t begin, int64_t end) {
                    return all.slice(0, begin, end);
                  }};
  out.labels = problem.labels.index_select(0, kept);
  out.pictures = problem.pictures.index_select(0, kept);
  return out;
}

/// Log probabilities of rows by a head; rows of other folds stay as they are.
void fill_held_out(const HeadParameters& parameters, const torch::Tensor& x,
                   const FeatureRows& rows, const torch::Tensor& held_out,
                   torch::Tensor& out) {
  const auto w = parameters.raw_weight(x), b = parameters.raw_bias(x);
  for (int64_t i = 0; i < rows.rows; i += kRowsAtOnce) {
    const int64_t end = std::min(i + kRowsAtOnce, rows.rows);
    const auto here = held_out.slice(0, i, end).nonzero().flatten();
    if (here.numel() == 0) continue;
    const auto logits =
        torch::addmm(b, rows.read(i, end).index_select(0, here), w.t());
    out.index_copy_(0, here + i, logits.log_softmax(1));
  }
}

}  // namespace

HeldOut predict_held_out(const HeadProblem& problem, double l2, double share,
                         const std::vector<OtherRows>& others,
                         const std::function<bool()>& stop) {
  torch::NoGradGuard no_grad;
  const Scaling scaling = measure_scaling(problem.features, problem.bias);
  const HeadObjective objective(problem, scaling);
  const Deal dealt = deal(problem);
  const auto folds = dealt.folds_of(problem.pictures);
  const auto in_share = dealt.in_share(problem.pictures, share);
  const int64_t rows = problem.features.rows;
  HeldOut out;
  out.log_probabilities = torch::zeros({rows, problem.classes});
  std::vector<torch::Tensor> folds_of_others;
  for (const OtherRows& other : others) {
    folds_of_others.push_back(dealt.folds_of(other.pictures));
    out.others.push_back(torch::zeros({other.features.rows, problem.classes}));
  }
  std::vector<int64_t> counts(kFolds);
  SideBySide folds_apart(problem, stop);
  // Each fold has rows of its own in what is filled.
  folds_apart.run(kFolds, [&](int64_t fold) {
    const auto held_out = folds.eq(fold);
    const auto learned = held_out.logical_not().to(torch::kFloat) * in_share;
    const auto count = learned.sum().item<int64_t>();
    if (!held_out.any().item<bool>() || count == 0) return;
    counts[fold] = count;
    torch::Tensor x = objective.parameters().zeros();
    minimise(objective.penalised(learned, l2), x, rough_optimum(),
             folds_apart.stop());
    fill_held_out(objective.parameters(), x, problem.features, held_out,
                  out.log_probabilities);
    for (size_t i = 0; i < others.size(); ++i)
      fill_held_out(objective.parameters(), x, others[i].features,
                    folds_of_others[i].eq(fold), out.others[i]);
  });
  const auto heads = kFolds - std::ranges::count(counts, 0);
  out.learned = std::accumulate(counts.begin(), counts.end(), int64_t{0}) /
                std::max<int64_t>(heads, 1);
  const auto labels = problem.labels.unsqueeze(1);
  out.loss = -out.log_probabilities.gather(1, labels).mean().item<double>();
  out.accuracy = out.log_probabilities.argmax(1)
                     .eq(problem.labels)
                     .to(torch::kDouble)
                     .mean()
                     .item<double>();
  return out;
}

std::vector<PenaltyTrial> try_penalties(const HeadProblem& whole,
                                        const std::function<bool()>& stop) {
  torch::NoGradGuard no_grad;
  const HeadProblem problem = reduced(whole);
  const Scaling scaling = measure_scaling(problem.features, problem.bias);
  const HeadObjective objective(problem, scaling);
  const torch::Tensor folds = deal(problem).folds_of(problem.pictures);
  std::vector<torch::Tensor> held_out, learned, points;
  for (int64_t fold = 0; fold < kFolds; ++fold) {
    const auto out = folds.eq(fold).to(torch::kFloat);
    if (out.sum().item<double>() == 0) continue;
    held_out.push_back(out);
    learned.push_back(1 - out);
    points.push_back(objective.parameters().zeros());
  }
  const LbfgsOptions rough = rough_optimum();
  SideBySide folds_apart(problem, stop);
  std::vector<PenaltyTrial> trials;
  int rises = 0;
  double least = std::numeric_limits<double>::infinity();
  for (double l2 = kStrongest; l2 >= kWeakest && rises < 2; l2 /= kStep) {
    PenaltyTrial trial{l2, 0, 0};
    std::vector<HeadSums> folds_seen(points.size());
    folds_apart.run(std::ssize(points), [&](int64_t fold) {
      minimise(objective.penalised(learned[fold], l2), points[fold], rough,
               folds_apart.stop());
      folds_seen[fold] =
          objective.evaluate(points[fold], held_out[fold], nullptr);
    });
    HeadSums sums;
    for (const HeadSums& seen : folds_seen) {
      sums.loss += seen.loss;
      sums.weight += seen.weight;
      sums.right += seen.right;
      sums.rows += seen.rows;
    }
    if (stop && stop()) break;
    trial.loss = sums.loss / sums.weight;
    trial.accuracy =
        static_cast<double>(sums.right) / static_cast<double>(sums.rows);
    rises = trial.loss < least ? 0 : rises + 1;
    least = std::min(least, trial.loss);
    trials.push_back(trial);
  }
  return trials;
}

double best_penalty(const std::vector<PenaltyTrial>& trials) {
  double best = 1, least = std::numeric_limits<double>::infinity();
  for (const PenaltyTrial& trial : trials)
    if (trial.loss < least) {
      least = trial.loss;
      best = trial.l2;
    }
  return best;
}

}  // namespace engraft
