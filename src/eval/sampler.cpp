#include "eval/sampler.h"

#include <algorithm>
#include <sstream>

#include "engraft/eval/evaluator.h"

namespace engraft {
namespace {

Json part_of(const Json& record, const char* key) {
  if (!record.is_object() || !record.contains(key)) return Json::object();
  return record.at(key);
}

/// `options` with what they leave open as the model's record has it.
SamplingOptions resolve(SamplingOptions options, const Classifier& model) {
  const Json recorded = part_of(model.record, "options");
  SamplingOptions::fields(options, [&](const char* name, auto& value,
                                       const char*, const auto& allowed) {
    if constexpr (requires { value.has_value(); }) {
      if (value || !recorded.contains(name)) return;
      const std::string where = model.path + ": engraft.json: " + name;
      try {
        read_value(where, recorded.at(name), value);
        check_allowed(name, value, allowed);
      } catch (const std::exception& error) {
        fail(Fault::model, where, ": is damaged: ", error.what());
      }
    }
  });
  return options;
}

/// asked  what the user says, noise with what the record says
RegulariserOptions regularisers(const SamplingOptions& noise,
                                const SamplingOptions& asked) {
  RegulariserOptions out;
  out.dropout = noise.dropout;
  out.head_dropout = noise.head_dropout.value_or(0);
  out.drop_connect = noise.drop_connect.value_or(0);
  // Where it was recorded to fall does not count when it is switched off.
  if (out.drop_connect > 0 || asked.drop_connect_on)
    out.drop_connect_on = noise.drop_connect_on.value_or("head");
  out.fractional_pooling = noise.fractional_pooling.value_or(false);
  return out;
}

/// The first block that training changed; 0 when nobody says.
int64_t first_trained(const TestedModel& model) {
  const Json plan = part_of(model.classifier.record, "plan");
  if (!plan.is_object() || !plan.contains("freeze_until") ||
      !plan.at("freeze_until").is_number_integer())
    return 0;
  return std::clamp<int64_t>(plan.at("freeze_until").get<int64_t>(), 0,
                             model.chain.num_blocks());
}

}  // namespace

Sampler::Sampler(TestedModel& model, const SamplingOptions& options,
                 int64_t seed)
    : chain_(model.chain),
      noise_(resolve(options, model.classifier)),
      begin_(options.asks_for_noise() ? 0 : first_trained(model)) {
  model.chain.regularise(regularisers(noise_, options));
  first_ = chain_.first_random(begin_);
  torch::manual_seed(static_cast<uint64_t>(seed));
}

torch::Tensor Sampler::sample(const torch::Tensor& x, int64_t pictures,
                              CropAverage average) const {
  const int64_t samples = noise_.mc_samples;
  const auto logits =
      chain_.sample_logits(x, samples, first_).to(torch::kCPU, torch::kFloat64);
  // Each sample's views are averaged as if they were another picture's.
  const int64_t views = logits.size(1) / pictures;
  const auto apart = logits.reshape({samples * pictures, views, -1});
  return average_crops(apart, average).reshape({samples, pictures, -1});
}

void check_one_model(const std::vector<TestedModel>& models,
                     const std::string& path) {
  if (models.size() > 1)
    fail(Fault::usage, "--mc-samples: ", path, " is an ensemble of ",
         models.size(), " models, and masks are sampled of one: name the file ",
         "of a member");
}

std::string Sampler::text() const {
  std::ostringstream out;
  const auto add = [&](const char* what, double p) {
    if (p > 0) out << (out.tellp() > 0 ? ", " : "") << what << ' ' << p;
  };
  const double head = noise_.head_dropout.value_or(0);
  int64_t own = head > 0 ? -1 : 0;  // it takes the head's own over
  for (int64_t i = begin_; i <= chain_.num_blocks(); ++i)
    own += chain_.block(i).dropouts;
  if (noise_.dropout)
    add("dropout", *noise_.dropout);
  else if (own > 0)
    out << "the model's own dropout";
  add("head dropout", head);
  add("DropConnect", noise_.drop_connect.value_or(0));
  if (noise_.fractional_pooling.value_or(false))
    out << (out.tellp() > 0 ? ", " : "") << "fractional pooling";
  out << ", from block " << first_ << " (" << chain_.block(first_).name
      << ") on";
  return out.str();
}

}  // namespace engraft
