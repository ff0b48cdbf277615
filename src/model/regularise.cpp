#include "engraft/model/regularise.h"

namespace engraft {

bool RegulariserOptions::any() const {
  return dropout || head_dropout > 0 || drop_connect > 0 ||
         stochastic_depth > 0 || fractional_pooling ||
         bn_statistics != BatchNormStatistics::batch || bn_momentum;
}

void RegulariserOptions::validate() const {
  check_ranges(*this);
  if (drop_connect_on == DropConnectOn::all && drop_connect == 0)
    fail(Fault::usage,
         "--drop-connect-on all: give --drop-connect the "
         "probability");
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
                 const RegulariserReport& report) {
  if (options.dropout && report.dropouts == 0)
    fail(Fault::usage,
         "--dropout: the model has no dropout; --head-dropout puts one before "
         "its final layer");
  if (options.stochastic_depth > 0 && report.residual_branches == 0)
    fail(Fault::usage,
         "--stochastic-depth: the model has no residual branch that could be "
         "skipped");
  if (options.fractional_pooling && report.pools == 0)
    fail(Fault::usage,
         "--fractional-pooling: the model has no max pooling with a stride of "
         "2 or more");
  const bool batch_norms = options.bn_momentum ||
                           options.bn_statistics != BatchNormStatistics::batch;
  if (batch_norms && report.batch_norms == 0)
    fail(Fault::usage,
         options.bn_momentum ? "--bn-momentum" : "--bn-statistics",
         ": the model has no batch norm");
}

}  // namespace engraft
