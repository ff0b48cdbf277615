#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engraft/options.h"

namespace engraft {

enum class BatchNormStatistics { automatic, batch, running };
ENGRAFT_ENUM_NAMES(BatchNormStatistics, "auto", "batch", "running");

/// Noise and batch norms of blocks that train. All of it lives in the graphs
/// that BlockMode::training runs: frozen blocks and the saved model, which
/// keeps its own dropouts and its own max pooling, do not change. The noise is
/// scaled so that its expectation is what inference computes ("inverted"),
/// pooling excepted, and drawn from LibTorch's default generator.
struct RegulariserOptions {
  /// Srivastava et al. 2014.
  std::optional<double> dropout;
  double head_dropout = 0;
  /// Wan et al. 2013, with one mask a forward pass for all of its pictures.
  double drop_connect = 0;
  /// "head", "all", or names of layers or of what they are in, by commas.
  std::string drop_connect_on = "head";
  /// Huang et al. 2016: branch l of L is dropped with probability l / L times
  /// this (eq. 4), for each picture by itself.
  double stochastic_depth = 0;
  /// Graham 2014.
  bool fractional_pooling = false;
  /// Ioffe & Szegedy 2015: the batch's own statistics are noise too. Automatic
  /// is batch where no plan has decided.
  BatchNormStatistics bn_statistics = BatchNormStatistics::automatic;
  std::optional<double> bn_momentum;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("dropout", self.dropout,
          "probability of the model's dropouts, those inside of attention "
          "included (auto: the model's own)",
          Range{0, 0.99});
    visit("head-dropout", self.head_dropout,
          "probability of dropout on the final layer's features; a dropout "
          "that is there already takes it over",
          Range{0, 0.99});
    visit("drop-connect", self.drop_connect,
          "probability that a weight is taken as zero for one training step",
          Range{0, 0.99});
    visit("drop-connect-on", self.drop_connect_on,
          "weights that it falls on: head (the final layer's), all (those of "
          "all live linear and convolution layers), or of layers by name, or "
          "by that of what they are in: features.17,classifier",
          Any{});
    visit("stochastic-depth", self.stochastic_depth,
          "probability that a picture skips the last residual branch; falls "
          "linearly to the model's first one",
          Range{0, 0.99});
    visit("fractional-pooling", self.fractional_pooling,
          "train with max pooling over random regions; the saved model pools "
          "as it did",
          Any{});
    visit("bn-statistics", self.bn_statistics,
          "what batch norms of live blocks normalise by while they train: "
          "batch, or running for the frozen ones of pretraining (auto: by the "
          "plan)",
          Any{});
    visit("bn-momentum", self.bn_momentum,
          "weight of a new batch in the running statistics (auto: the model's "
          "own)",
          Range{0, 1});
  }

  /// Any field asks for another graph than the model's own.
  bool any() const;
  /// Ranges, and rules that join fields. Throws Error(Fault::usage) naming the
  /// flags.
  void validate() const;
};

/// What was found in the blocks that train, and changed.
struct RegulariserReport {
  int64_t dropouts = 0;       ///< that got another probability
  int64_t head_dropouts = 0;  ///< 1 when there is one before the final layer
  int64_t drop_connects = 0;  ///< layers with random weights
  int64_t residual_branches = 0;
  int64_t pools = 0;
  int64_t batch_norms = 0;
  /// One line for each: "stochastic depth 0.05: features.3".
  std::vector<std::string> changes;
};

Json to_json(const RegulariserReport& report);

/// Throws Error(Fault::usage) naming what `options` asks for and `report`, of
/// blocks from `begin` on, does not have.
void check_found(const RegulariserOptions& options,
                 const RegulariserReport& report, int64_t begin);

}  // namespace engraft
