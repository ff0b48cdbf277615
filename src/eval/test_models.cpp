#include "eval/test_models.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>

#include "eval/mean_probabilities.h"

namespace engraft {
namespace {

/// What the models are tested on, and how.
struct Test {
  const std::vector<Sample>& samples;
  const EvaluatorOptions& options;
  const std::vector<int64_t>& classes_of_interest;
};

Report test_one(const TestedModel& model, Report report, const Test& test,
                const EvalProgress& progress, const EvalScores& scores = {}) {
  take_over(evaluate(model.chain, model.classifier.input, test.samples,
                     test.options, test.classes_of_interest, progress, scores),
            report);
  if (std::isnan(report.main.metrics.loss))
    fail(Fault::model, model.classifier.path, ": its output is not a number ",
         "for some picture: its weights are broken, or its input is not as ",
         "recorded");
  return report;
}

torch::Tensor labels_of(const std::vector<Sample>& samples) {
  auto labels = torch::empty({std::ssize(samples)}, torch::kInt64);
  auto* to = labels.data_ptr<int64_t>();
  for (const Sample& sample : samples) *to++ = sample.label;
  return labels;
}

/// What one model, or their mean, makes of the pictures.
struct Judged {
  Metrics metrics;
  torch::Tensor right;  ///< bool [N]
};

Judged judge(const MeanProbabilities& mean, const torch::Tensor& labels,
             const std::vector<int64_t>& classes_of_interest) {
  constexpr int64_t kRows = 1024;  // in double precision at a time
  MetricsAccumulator metrics(classes_of_interest);
  std::vector<torch::Tensor> right;
  for (int64_t begin = 0; begin < labels.size(0); begin += kRows) {
    const int64_t count = std::min(kRows, labels.size(0) - begin);
    const auto scores = mean.rows(begin, count);
    const auto truths = labels.narrow(0, begin, count);
    metrics.add(scores, truths);
    right.push_back(hits(scores, truths));
  }
  return {metrics.result(), torch::cat(right)};
}

/// The best by itself: of equal accuracies that of the lower loss.
int64_t best_of(const std::vector<Report>& members) {
  const auto best = std::min_element(
      members.begin(), members.end(), [](const Report& a, const Report& b) {
        const Metrics &left = a.main.metrics, &right = b.main.metrics;
        return left.top1 != right.top1 ? left.top1 > right.top1
                                       : left.loss < right.loss;
      });
  return best - members.begin();
}

/// The mean's figures in the place of a member's; its cost is that of all.
Evaluation averaged(Evaluation Report::*which,
                    const std::vector<Report>& members, Metrics metrics) {
  Evaluation out = members[0].*which;
  out.metrics = std::move(metrics);
  out.seconds = 0;
  for (const Report& member : members) out.seconds += (member.*which).seconds;
  return out;
}

Report test_mean(const std::vector<TestedModel>& models, Report report,
                 const Test& test, const EvalProgress& progress) {
  const auto labels = labels_of(test.samples);
  const int64_t pictures = labels.size(0), count = std::ssize(models);
  MeanProbabilities main(pictures), one_crop(pictures);
  const Report about = report;
  std::vector<torch::Tensor> right;  // of each member
  for (int64_t i = 0; i < count; ++i) {
    Report member = about;
    member.model = models[i].classifier.path;
    std::vector<torch::Tensor> parts;
    int64_t row = 0;
    const auto keep = [&](const torch::Tensor& scores,
                          const torch::Tensor& centre) {
      main.add(scores);
      if (!centre.is_same(scores)) one_crop.add(centre);
      parts.push_back(hits(scores, labels.narrow(0, row, scores.size(0))));
      row += scores.size(0);
    };
    const auto whole_progress = [&](int64_t done, int64_t total) {
      if (progress) progress(i * total + done, count * total);
    };
    report.members.push_back(
        test_one(models[i], std::move(member), test, whole_progress, keep));
    right.push_back(torch::cat(parts));
  }
  Judged judged = judge(main, labels, test.classes_of_interest);
  const int64_t best = best_of(report.members);
  report.gain = compare_paired(judged.right, right[best]);
  report.gain->best = best;
  report.one_crop =
      averaged(&Report::one_crop, report.members,
               one_crop.empty()
                   ? judged.metrics
                   : judge(one_crop, labels, test.classes_of_interest).metrics);
  report.main =
      averaged(&Report::main, report.members, std::move(judged.metrics));
  return report;
}

}  // namespace

Report test_models(const std::vector<TestedModel>& models, Report report,
                   const std::vector<Sample>& samples,
                   const EvaluatorOptions& options,
                   const std::vector<int64_t>& classes_of_interest,
                   const EvalProgress& progress) {
  const Test test{samples, options, classes_of_interest};
  return models.size() == 1
             ? test_one(models[0], std::move(report), test, progress)
             : test_mean(models, std::move(report), test, progress);
}

}  // namespace engraft
