#include "train/test_result.h"

#include "train/phase_progress.h"

namespace engraft {
namespace {

/// Thrown out of a test that the user stops.
struct Stopped {};

/// Of this part of the data, without figures.
Report report_on(const std::string& split, const TrainResult& r,
                 const TrainOptions& options) {
  Report report;
  report.model = options.out;
  report.data = options.base.data;
  report.split = split;
  report.classes = r.folder.classes;
  return report;
}

Report test_model(const TrainResult& r, const BlockChain& chain,
                  const TrainOptions& options, const ViewOptions& view,
                  const std::vector<Sample>& samples, const std::string& split,
                  const TrainCallbacks& callbacks) {
  EvaluatorOptions evaluator;
  evaluator.view = view;
  evaluator.threads = options.base.run.threads;
  evaluator.inference = options.base.run.inference;
  const PhaseProgress tell(callbacks, "test");
  const auto progress = [&](int64_t done, int64_t all) {
    if (callbacks.stop && callbacks.stop()) throw Stopped();
    tell(done, all);
  };
  Report report = report_on(split, r, options);
  take_over(
      evaluate(chain, r.classifier.input, samples, evaluator, {}, progress),
      report);
  return report;
}

/// The figures of the best epoch's validation, which looked at the very same
/// views, instead of computing them again.
Report validated(const TrainResult& r, const TrainOptions& options,
                 const ViewOptions& view, const FitResult& fitted) {
  Report report = report_on("val", r, options);
  report.main.average = view.average;
  report.main.metrics = compute_metrics(
      fitted.val_logits.to(torch::kDouble).log_softmax(1), fitted.val_labels);
  report.main.seconds = fitted.val_seconds;
  report.one_crop = report.main;
  report.views = {
      {"centre", report.main.metrics.top1, report.main.metrics.loss}};
  report.inference = fitted.activations.prefix;
  return report;
}

}  // namespace

bool test_result(TrainResult& result, const BlockChain& chain,
                 const FitResult& fitted, const TrainOptions& options,
                 const ViewOptions& view, const TrainCallbacks& callbacks) {
  const ImageFolder& folder = result.folder;
  try {
    if (view.centre_only() && fitted.val_logits.defined())
      result.val = validated(result, options, view, fitted);
    else if (!folder.val.empty())
      result.val = test_model(result, chain, options, view, folder.val, "val",
                              callbacks);
    if (!folder.test.empty())
      result.test = test_model(result, chain, options, view, folder.test,
                               "test", callbacks);
  } catch (const Stopped&) {
    result.interrupted = true;
  }
  return result.val || result.test;
}

}  // namespace engraft
