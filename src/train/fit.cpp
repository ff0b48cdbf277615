#include "engraft/train/fit.h"

#include <cmath>
#include <utility>

#include "policy/words.h"
#include "statistics.h"
#include "train/choose_precision.h"
#include "train/stages.h"

namespace engraft {
namespace {

/// Standard errors by which blocks are worse than the head alone not by chance:
/// their steps were too large.
constexpr double kHarmed = -2;

constexpr const char* kHeadAlone = "the head alone";

class Fit {
 public:
  Fit(LiveChain& live, const BlockChain& chain, const FitSettings& settings,
      const TrainCallbacks& callbacks)
      : live_(live),
        chain_(chain),
        settings_(settings),
        plan_(settings.plan),
        stages_(live, chain, settings, callbacks, result_),
        retries_left_(settings.plan.retries) {}

  FitResult run() {
    const int64_t blocks = chain_.num_blocks();
    check_precision(live_, chain_, settings_);
    LiveChain::Snapshot fresh;
    if (plan_.proof) {
      fresh = live_.snapshot();
      if (stages_.features().prepare(blocks, 1)) {
        stages_.solve();
        stages_.best().set_aside(kHeadAlone);
      }
      begin_from(fresh);
    }
    if (going_on() && !head_is_enough() &&
        stages_.features().prepare(plan_.freeze_until, plan_.views)) {
      if (plan_.solved_head && !plan_.proof) stages_.solve();
      train_stages(std::ssize(result_.epochs));
      stages_.finish_others();
    }
    bool kept = settle(blocks_from(plan_.freeze_until), plan_.proof_errors);
    RateShare rate, tried;  // of what stays, and of the last try
    auto statistics = plan_.bn_statistics;
    while (retries_left_ > 0 && is_harmed(kept)) {
      --retries_left_;
      tried.backbone *= plan_.retry_rate;
      // It was the head that diverged.
      if (!stages_.blocks_began()) tried.head *= plan_.retry_rate;
      if (!take_smaller_steps(fresh, tried)) continue;
      kept = true;
      rate = tried;
    }
    const bool took_smaller_steps = retries_left_ < plan_.retries;
    retries_left_ = 0;
    if (plan_.second_try_rate && plan_.proof && stages_.blocks_began() &&
        !took_smaller_steps && !result_.interrupted &&
        result_.diverged.empty() && take_other_statistics(fresh, kept)) {
      kept = true;
      rate.backbone = *plan_.second_try_rate;
      statistics = BatchNormStatistics::running;
    }
    result_.steps = {plan_.head_lr * rate.head,
                     plan_.backbone_lr * rate.backbone, statistics};
    for (const DeeperStage& deeper : plan_.deeper) {
      if (!kept || !going_on()) break;
      kept = go_deeper(deeper, rate);
    }
    live_.recall();
    if (!result_.diverged.empty())
      result_.diverged += "; a lower --lr or --backbone-lr keeps it stable";
    result_.activations = stages_.features().stats();
    for (std::string& note : result_.others.notes)
      result_.notes.push_back(std::move(note));
    return std::move(result_);
  }

 private:
  bool going_on() const { return stages_.going_on(); }

  /// The head alone gets so many validation pictures right that even blocks
  /// which got all of them would not be better by what is asked. They could be
  /// by their loss alone, which is not worth the time: ants and bees lost by
  /// blocks that were.
  bool head_is_enough() {
    if (!plan_.proof || plan_.proof_errors <= 0 || result_.epochs.empty())
      return false;
    const int64_t pictures = stages_.features().val().num_samples();
    const int64_t wrong = std::llround((1 - result_.epochs[0].val_accuracy) *
                                       static_cast<double>(pictures));
    if (pictures == 0 || mcnemar_z(wrong, 0) > plan_.proof_errors) return false;
    const std::string shown =
        wrong == 0
            ? text("all ", pictures,
                   " validation pictures right, and blocks could get no more "
                   "of them")
            : text(pictures - wrong, " of ", pictures,
                   " validation pictures right, and blocks that got all of "
                   "them would not be better by more than the ",
                   plan_.proof_errors, " standard errors asked for");
    result_.notes.push_back("no blocks are trained: the head alone gets " +
                            shown);
    return true;
  }

  static std::string blocks_from(int64_t cut) {
    return cut > 0 ? "blocks from " + std::to_string(cut) + " on"
                   : "all blocks";
  }

  /// The stages of the plan: the head alone, then the blocks.
  /// \param done  epochs of theirs that there are (the head's solution)
  void train_stages(int64_t done, RateShare rate = {}) {
    const int64_t blocks = chain_.num_blocks();
    const int64_t after = plan_.epochs - plan_.head_epochs;
    if (going_on() && plan_.head_epochs > done)
      stages_.run({"head", blocks, plan_.head_epochs - done, after, rate,
                   retries_left_ > 0});
    if (going_on() && after > 0)
      stages_.run({plan_.freeze_until < blocks ? "blocks" : "head",
                   plan_.freeze_until, after, 0, rate, retries_left_ > 0});
  }

  /// Training is to begin with these weights. An optimum on features that do
  /// not move has large ones, which the batch statistics and dropout of
  /// training throw off (sign digits: loss 0.07 before, 11 in the first epoch
  /// of the blocks).
  void begin_from(const LiveChain::Snapshot& fresh) {
    LiveChain::restore(fresh);
    live_.remember();
  }

  /// Whether what was trained, stays (BestWeights::settle).
  bool settle(const std::string& name, double errors) {
    // A head of some steps is no blocks that could stay instead of the solved.
    if (plan_.proof && !stages_.blocks_began()) stages_.best().begin_anew();
    const bool kept = stages_.best().settle(name, errors);
    if (!kept) {
      result_.others.soup.clear();
      result_.others.batch_norms.reset();
    }
    return kept;
  }

  /// Smaller steps could do better than what the last ones did.
  bool is_harmed(bool kept) const {
    // Without a head to go back to, the features themselves are no numbers.
    if (result_.interrupted || result_.epochs.empty()) return false;
    if (!result_.diverged.empty()) return true;
    // Once steps were too large, those that are still less accurate probably
    // are.
    const double harmed = retries_left_ < plan_.retries ? 0 : kHarmed;
    return !kept && !result_.proofs.empty() &&
           result_.proofs.back().test.accuracy_z < harmed;
  }

  /// The blocks once more, from the beginning; what is there is put aside.
  void train_again(const LiveChain::Snapshot& fresh, RateShare rate) {
    stages_.begin_try();
    result_.others = {};
    stages_.best().set_aside(what_stayed());
    begin_from(fresh);
    // The head's solution is there.
    train_stages(1, rate);
    stages_.finish_others();
  }

  /// By the proofs, for people.
  std::string what_stayed() const {
    std::string out = kHeadAlone;
    for (const StageProof& proof : result_.proofs)
      if (proof.kept) out = proof.to;
    return out;
  }

  /// What they are compared with may be blocks too: those of an epoch before
  /// training diverged.
  bool take_smaller_steps(const LiveChain::Snapshot& fresh, RateShare rate) {
    const std::string share =
        text("1/", std::llround(1 / rate.backbone),
             rate.head < 1 ? " of the rates" : " of the backbone's rate");
    result_.notes.push_back(text(
        "the steps were too large (",
        result_.diverged.empty()
            ? text("less accurate than the head alone by ", std::fixed,
                   std::setprecision(1), -result_.proofs.back().test.accuracy_z,
                   " standard errors")
            : result_.diverged,
        "): the blocks were trained anew at ", share));
    result_.diverged.clear();
    train_again(fresh, rate);
    return settle(blocks_from(plan_.freeze_until) + " at " + share,
                  plan_.proof_errors);
  }

  /// What a try that does not stay leaves as it was, beside the weights.
  struct BesideWeights {
    OtherResults others;
    bool early_stopped;
  };
  BesideWeights beside_weights() const {
    return {result_.others, result_.early_stopped};
  }
  void put_back(BesideWeights before) {
    result_.others = std::move(before.others);
    result_.early_stopped = before.early_stopped;
  }

  /// \param kept  what they are compared with are blocks
  bool take_other_statistics(const LiveChain::Snapshot& fresh, bool kept) {
    BesideWeights before = beside_weights();
    live_.normalise_by(BatchNormStatistics::running);
    train_again(fresh, {1, *plan_.second_try_rate});
    const std::string name =
        blocks_from(plan_.freeze_until) + " by pretraining's statistics";
    const std::string diverged = std::exchange(result_.diverged, "");
    // Rates had not fallen yet where it did not come to its end: as many right
    // may be chance then.
    const double errors = result_.interrupted || !diverged.empty() ? 1 : 0;
    const bool better = settle(name, kept ? errors : plan_.proof_errors);
    if (!diverged.empty())
      result_.notes.push_back(
          name + (better ? " went no further: " : " do not stay: ") + diverged);
    if (better) return true;
    live_.normalise_by(plan_.bn_statistics);
    put_back(std::move(before));
    return false;
  }

  /// Thaws more blocks, from the weights that are there.
  /// \param rate  by which those before were trained
  bool go_deeper(const DeeperStage& deeper, RateShare rate) {
    stages_.best().set_aside(what_stayed());
    BesideWeights before = beside_weights();
    if (stages_.features().prepare(deeper.cut, deeper.views)) {
      stages_.run(
          {"blocks", deeper.cut, deeper.epochs, 0,
           RateShare{deeper.rate * rate.head, deeper.rate * rate.backbone}});
      stages_.finish_others();
    }
    const bool kept =
        stages_.best().settle(blocks_from(deeper.cut), deeper.proof_errors);
    if (!kept) put_back(std::move(before));
    return kept;
  }

  LiveChain& live_;
  const BlockChain& chain_;
  const FitSettings& settings_;
  const TransferPlan& plan_;
  FitResult result_;
  Stages stages_;
  int64_t retries_left_;  ///< of the plan's
};

}  // namespace

FitResult fit(LiveChain& live, const BlockChain& chain,
              const FitSettings& settings, const TrainCallbacks& callbacks) {
  return Fit(live, chain, settings, callbacks).run();
}

torch::Tensor class_weights(ClassWeights kind,
                            const std::vector<int64_t>& counts) {
  if (kind == ClassWeights::none) return {};
  const auto n = torch::tensor(counts, torch::kDouble);
  const auto weights = n.sum() / (static_cast<double>(counts.size()) * n);
  return torch::where(n > 0, weights, torch::zeros_like(n)).to(torch::kFloat);
}

}  // namespace engraft
