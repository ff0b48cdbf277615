#include "engraft/train/search_schedule.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <tuple>

namespace engraft {
namespace {

using Results = std::vector<TrialResult>;

/// The first candidate without a result in rung 0.
std::optional<Trial> next_new(const std::vector<TrialOptions>& candidates,
                              const Results& finished, double share) {
  std::set<int64_t> seen;
  for (const TrialResult& result : finished) seen.insert(result.number);
  for (int64_t number = 1; number <= std::ssize(candidates); ++number)
    if (!seen.count(number))
      return Trial{number, 0, share,
                   candidates[static_cast<size_t>(number - 1)]};
  return std::nullopt;
}

Results in_rung(const Results& finished, int64_t rung) {
  Results out;
  for (const TrialResult& result : finished)
    if (result.rung == rung) out.push_back(result);
  return out;
}

double share_of(int64_t rung) {
  return std::pow(static_cast<double>(kEta),
                  static_cast<double>(rung - (kRungs - 1)));
}

std::optional<Trial> next_halving(const std::vector<TrialOptions>& candidates,
                                  const Results& finished) {
  std::optional<Trial> fresh = next_new(candidates, finished, share_of(0));
  std::optional<Trial> next;
  bool closed = !fresh;  // nothing more will come to this rung
  Results level = in_rung(finished, 0);
  for (int64_t rung = 0; rung + 1 < kRungs; ++rung) {
    std::ranges::sort(level, is_better_trial);
    int64_t rise = std::ssize(level) / kEta;
    if (closed) rise = std::max<int64_t>(rise, 1);
    Results above = in_rung(finished, rung + 1);
    for (const TrialResult& result : level) {
      if (rise-- <= 0 || !result.failed.empty()) break;
      if (std::ranges::count(above, result.number, &TrialResult::number))
        continue;
      if (result.whole) {
        above.push_back(result);
        continue;
      }
      if (!next || next->rung <= rung)
        next =
            Trial{result.number, rung + 1, share_of(rung + 1), result.options};
      closed = false;
      break;
    }
    level = std::move(above);
  }
  return next ? next : fresh;
}

}  // namespace

bool is_better_trial(const TrialResult& a, const TrialResult& b) {
  const auto key = [](const TrialResult& r) {
    return std::tuple(!r.failed.empty(), -r.val_accuracy, r.val_loss, -r.rung,
                      r.number);
  };
  return key(a) < key(b);
}

std::optional<Trial> next_trial(SearchMethod method,
                                const std::vector<TrialOptions>& candidates,
                                const Results& finished) {
  if (method == SearchMethod::halving)
    return next_halving(candidates, finished);
  return next_new(candidates, finished, 1);
}

Json to_json(const TrialResult& r) {
  return {{"trial", r.number},          {"rung", r.rung},
          {"options", r.options},       {"epochs", r.epochs},
          {"best_epoch", r.best_epoch}, {"head_epochs", r.head_epochs},
          {"solved", r.solved},         {"whole", r.whole},
          {"averaged", r.averaged},     {"reestimated", r.reestimated},
          {"as_trained", r.as_trained}, {"val_accuracy", r.val_accuracy},
          {"val_loss", r.val_loss},     {"seconds", r.seconds},
          {"failed", r.failed}};
}

TrialResult trial_result(const Json& json) {
  TrialResult r;
  json.at("trial").get_to(r.number);
  json.at("rung").get_to(r.rung);
  r.options = json.at("options");
  json.at("epochs").get_to(r.epochs);
  json.at("best_epoch").get_to(r.best_epoch);
  json.at("head_epochs").get_to(r.head_epochs);
  json.at("solved").get_to(r.solved);
  json.at("whole").get_to(r.whole);
  json.at("averaged").get_to(r.averaged);
  json.at("reestimated").get_to(r.reestimated);
  r.as_trained = json.at("as_trained");
  json.at("val_accuracy").get_to(r.val_accuracy);
  json.at("val_loss").get_to(r.val_loss);
  json.at("seconds").get_to(r.seconds);
  json.at("failed").get_to(r.failed);
  return r;
}

}  // namespace engraft
