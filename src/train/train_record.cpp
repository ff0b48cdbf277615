#include "train/train_record.h"

#include <torch/version.h>

namespace engraft {
namespace {

Json epoch_json(const EpochResult& e) {
  Json out{{"epoch", e.epoch},           {"stage", e.stage},
           {"train_loss", e.train_loss}, {"train_accuracy", e.train_accuracy},
           {"val_loss", e.val_loss},     {"val_accuracy", e.val_accuracy},
           {"head_lr", e.head_lr},       {"backbone_lr", e.backbone_lr}};
  if (e.average_val_accuracy) {
    out["average_val_accuracy"] = *e.average_val_accuracy;
    out["average_val_loss"] = *e.average_val_loss;
    out["average_is_best"] = e.average_is_best;
  }
  return out;
}

Json proofs_json(const std::vector<StageProof>& proofs) {
  Json out = Json::array();
  for (const StageProof& proof : proofs)
    out.push_back({{"from", proof.from},
                   {"to", proof.to},
                   {"kept", proof.kept},
                   {"errors", proof.errors},
                   {"test", to_json(proof.test)}});
  return out;
}

Json steps_json(const StepsTaken& steps) {
  return {{"head_lr", steps.head_lr},
          {"backbone_lr", steps.backbone_lr},
          {"bn_statistics", std::string(name_of(steps.bn_statistics))}};
}

/// What changes nothing in the result has no place in its file.
Json options_for_record(const TrainOptions& options) {
  Json out = to_json(options);
  for (const char* key : {"out", "preview", "curves", "threads", "verbose",
                          "cache", "cache-limit", "cache-memory"})
    out.erase(key);
  return out;
}

Json report_for_record(const std::optional<Report>& report) {
  if (!report) return {};
  Json out = to_json(*report);
  for (const char* key : {"model", "data", "seconds"}) out.erase(key);
  out["one_crop"].erase("seconds");
  out.erase("inference");  // its times
  return out;
}

Json batch_norms_json(const std::optional<MeasuredBatchNorms>& measured) {
  if (!measured) return {};
  return {{"val_accuracy", or_null(measured->figures.accuracy)},
          {"val_loss", or_null(measured->figures.loss)},
          {"kept", measured->kept}};
}

Json snapshots_json(const SavedSnapshots& saved) {
  if (saved.members.empty()) return {};
  const auto json = [](const SavedSnapshot& s) -> Json {
    return {{"model", s.path},
            {"val_accuracy", or_null(s.figures.accuracy)},
            {"val_loss", or_null(s.figures.loss)},
            {"seconds", s.figures.seconds}};
  };
  Json members = Json::array();
  for (const SavedSnapshot& member : saved.members)
    members.push_back(json(member));
  return {{"members", members}, {"ensemble", json(saved.ensemble)}};
}

}  // namespace

Json make_record(const TrainResult& r, const TrainOptions& options,
                 const HeadInfo& head, double temperature) {
  Json epochs = Json::array();
  for (const EpochResult& e : r.epochs) epochs.push_back(epoch_json(e));
  Json precisions = Json::array();
  for (const PrecisionChoice& p : r.precisions)
    precisions.push_back(
        {{"cut", p.cut}, {"kind", std::string(name_of(p.kind))}});
  return {{"format", 1},
          {"tool", std::string("engraft ") + ENGRAFT_VERSION},
          {"libtorch", TORCH_VERSION},
          {"classes", r.folder.classes},
          {"input", to_json(r.classifier.input)},
          {"head", {{"weight", head.weight}, {"bias", head.bias}}},
          {"source_model", r.model},
          {"device", r.device},
          {"plan", to_json(r.plan)},
          {"options", options_for_record(options)},
          {"dataset",
           {{"fingerprint", r.folder.fingerprint},
            {"train", r.folder.train.size()},
            {"val", r.folder.val.size()},
            {"test", r.folder.test.size()}}},
          {"epochs", epochs},
          {"best_epoch", r.best_epoch},
          {"proofs", proofs_json(r.proofs)},
          {"steps", steps_json(r.steps)},
          {"precisions", precisions},
          {"interrupted", r.interrupted},
          {"diverged", r.diverged},
          {"frozen",
           {{"tensors", r.frozen_tensors}, {"checksum", r.frozen_checksum}}},
          {"val", report_for_record(r.val)},
          {"test", report_for_record(r.test)},
          {"temperature", temperature}};
}

Json to_json(const TrainResult& r) {
  Json epochs = Json::array();
  for (const EpochResult& e : r.epochs) {
    Json row = epoch_json(e);
    row["images_per_second"] = e.images_per_second;
    row["seconds"] = e.seconds;
    row["seconds_waiting"] = e.seconds_waiting;
    if (e.average_val_accuracy) row["average_seconds"] = e.average_seconds;
    epochs.push_back(row);
  }
  Json rates = Json::array();
  for (const RateCurve& curve : r.rate_curves) rates.push_back(to_json(curve));
  Json precisions = Json::array();
  for (const PrecisionChoice& p : r.precisions)
    precisions.push_back(to_json(p));
  Json phases = Json::object();
  for (const auto& [phase, seconds] : r.phases) phases[phase] = seconds;
  return {{"model", r.model},
          {"out", r.out},
          {"device", r.device},
          {"data", to_json(r.folder)},
          {"plan", to_json(r.plan)},
          {"epochs", epochs},
          {"best_epoch", r.best_epoch},
          {"interrupted", r.interrupted},
          {"early_stopped", r.early_stopped},
          {"diverged", r.diverged},
          {"frozen",
           {{"tensors", r.frozen_tensors}, {"checksum", r.frozen_checksum}}},
          {"val", r.val ? to_json(*r.val) : Json()},
          {"test", r.test ? to_json(*r.test) : Json()},
          {"head", r.head ? to_json(*r.head) : Json()},
          {"rate_curves", rates},
          {"precisions", precisions},
          {"regularised", r.regularised ? to_json(*r.regularised) : Json()},
          {"soup", r.soup},
          {"batch_norms", batch_norms_json(r.batch_norms)},
          {"proofs", proofs_json(r.proofs)},
          {"steps", steps_json(r.steps)},
          {"snapshots", snapshots_json(r.snapshots)},
          {"activations", to_json(r.activations)},
          {"notes", r.notes},
          {"seconds", r.seconds},
          {"phases", phases},
          {"peak_memory", r.peak_memory}};
}

}  // namespace engraft
