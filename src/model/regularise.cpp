#include "engraft/model/regularise.h"

namespace engraft {

bool RegulariserOptions::any() const {
  return dropout || head_dropout > 0 || drop_connect > 0 ||
         stochastic_depth > 0 || fractional_pooling ||
         bn_statistics == BatchNormStatistics::running || bn_momentum;
}

void RegulariserOptions::validate() const {
  check_ranges(*this);
  if (drop_connect_on != "head" && drop_connect == 0)
    fail(Fault::usage, "--drop-connect-on ", drop_connect_on,
         ": give --drop-connect the probability");
  if (bn_momentum && bn_statistics == BatchNormStatistics::running)
    fail(Fault::usage,
         "--bn-momentum: with --bn-statistics running no running statistic "
         "moves; give one of the two");
}

Json to_json(const RegulariserReport& report) {
  return {{"dropouts", report.dropouts},
          {"head_dropouts", report.head_dropouts},
          {"drop_connects", report.drop_connects},
          {"residual_branches", report.residual_branches},
          {"pools", report.pools},
          {"batch_norms", report.batch_norms},
          {"changes", report.changes}};
}

void check_found(const RegulariserOptions& options,
                 const RegulariserReport& report, int64_t begin) {
  const auto missing = [&](const char* flag, const char* what,
                           const char* instead = "") {
    fail(Fault::usage, flag, ": the model has no ", what,
         begin > 0 ? " from block " + std::to_string(begin) +
                         " on, where it is trained; --freeze-until none trains "
                         "all of it"
                   : "",
         instead);
  };
  if (options.dropout && report.dropouts == 0)
    missing("--dropout", "dropout",
            "; --head-dropout puts one before its final layer");
  if (options.stochastic_depth > 0 && report.residual_branches == 0)
    missing("--stochastic-depth", "residual branch that could be skipped");
  if (options.fractional_pooling && report.pools == 0)
    missing("--fractional-pooling", "max pooling with a stride of 2 or more");
  const bool batch_norms =
      options.bn_momentum ||
      options.bn_statistics == BatchNormStatistics::running;
  if (batch_norms && report.batch_norms == 0)
    missing(options.bn_momentum ? "--bn-momentum" : "--bn-statistics",
            "batch norm");
}

}  // namespace engraft
