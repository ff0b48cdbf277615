#include "engraft/train/curves.h"

#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <unordered_set>

#include "train/beside.h"
#include "train/growing_file.h"

namespace engraft {
namespace {

/// A number under its JSON key and TensorBoard tag; of a block the tag goes on
/// with the block's name.
template <typename Of>
struct Row {
  const char* key;
  const char* tag;
  double Of::*value;
};

constexpr Row<EpochCurves> kEpochRows[] = {
    {"train_loss", "loss/train", &EpochCurves::train_loss},
    {"train_accuracy", "accuracy/train", &EpochCurves::train_accuracy},
    {"val_loss", "loss/val", &EpochCurves::val_loss},
    {"val_accuracy", "accuracy/val", &EpochCurves::val_accuracy},
    {"head_lr", "lr/head", &EpochCurves::head_lr},
    {"backbone_lr", "lr/backbone", &EpochCurves::backbone_lr},
};
constexpr Row<BlockCurve> kBlockRows[] = {
    {"gradient_norm", "gradient_norm/", &BlockCurve::gradient_norm},
    {"update_ratio", "update_ratio/", &BlockCurve::update_ratio},
};

void add_point(std::vector<Scalar>& out, const std::string& tag, double value) {
  const auto single = static_cast<float>(value);
  if (std::isfinite(single)) out.push_back({tag, single});
}

std::vector<Scalar> scalars_of(const EpochCurves& curves) {
  std::vector<Scalar> out;
  for (const auto& row : kEpochRows) add_point(out, row.tag, curves.*row.value);
  for (const auto& row : kBlockRows)
    for (const BlockCurve& block : curves.blocks)
      add_point(out, row.tag + block.name, block.*row.value);
  return out;
}

/// The folder, without what an earlier run left there.
std::string cleared(const std::string& folder) {
  remove_event_files(folder);
  return folder;
}

/// Of all of them as one vector.
double l2_norm(const std::vector<torch::Tensor>& tensors) {
  if (tensors.empty()) return 0;
  return at::stack(at::_foreach_norm(tensors))
      .to(torch::kDouble)
      .norm()
      .item<double>();
}

std::vector<torch::Tensor> gradients(
    const std::vector<torch::Tensor>& tensors) {
  std::vector<torch::Tensor> out;
  for (const torch::Tensor& t : tensors)
    if (t.grad().defined()) out.push_back(t.grad());
  return out;
}

}  // namespace

Json to_json(const EpochCurves& curves) {
  Json out = {
      {"epoch", curves.epoch}, {"step", curves.step}, {"stage", curves.stage}};
  // Json itself writes null for what is not finite.
  for (const auto& row : kEpochRows) out[row.key] = curves.*row.value;
  out["blocks"] = Json::array();
  for (const BlockCurve& block : curves.blocks) {
    Json entry = {{"name", block.name}};
    for (const auto& row : kBlockRows) entry[row.key] = block.*row.value;
    out["blocks"].push_back(entry);
  }
  return out;
}

CurvePaths curve_paths(const std::string& out) {
  return {beside(out, ".curves.jsonl"), beside(out, ".tensorboard")};
}

CurveWriter::CurveWriter(const std::string& out)
    : lines_(std::make_unique<GrowingFile>(curve_paths(out).lines)),
      events_(cleared(curve_paths(out).folder)) {}

CurveWriter::~CurveWriter() = default;

void CurveWriter::write(const EpochCurves& curves) {
  lines_->append(to_json(curves).dump() + "\n");
  events_.write(curves.epoch, scalars_of(curves));
}

std::vector<WatchedBlock> watched_blocks(const BlockChain& chain, int64_t cut) {
  std::vector<WatchedBlock> out;
  std::unordered_set<const void*> seen;
  for (int64_t i = cut; i <= chain.num_blocks(); ++i) {
    WatchedBlock block{chain.block(i).name, {}};
    for (const NamedTensor& t : chain.block(i).tensors)
      if (t.tensor.requires_grad() &&
          seen.insert(t.tensor.unsafeGetTensorImpl()).second)
        block.tensors.push_back(t.tensor);
    if (!block.tensors.empty()) out.push_back(std::move(block));
  }
  return out;
}

BlockWatch::BlockWatch(const std::vector<WatchedBlock>& blocks) {
  const torch::NoGradGuard no_grad;
  for (const WatchedBlock& watched : blocks) {
    Block& block = blocks_.emplace_back();
    block.name = watched.name;
    block.tensors = watched.tensors;
    for (const torch::Tensor& t : block.tensors)
      block.before.push_back(at::empty_like(t));
  }
}

void BlockWatch::before_step() {
  const torch::NoGradGuard no_grad;
  for (Block& block : blocks_) {
    block.gradient = l2_norm(gradients(block.tensors));
    for (size_t i = 0; i < block.tensors.size(); ++i)
      block.before[i].copy_(block.tensors[i]);
  }
}

void BlockWatch::after_step() {
  const torch::NoGradGuard no_grad;
  for (Block& block : blocks_) {
    const double length = l2_norm(block.before);
    for (size_t i = 0; i < block.tensors.size(); ++i)
      block.before[i].sub_(block.tensors[i]);
    if (length != 0) block.ratios += l2_norm(block.before) / length;
    block.squares += block.gradient * block.gradient;
  }
  ++steps_;
}

std::vector<BlockCurve> BlockWatch::take() {
  std::vector<BlockCurve> out;
  const auto steps = static_cast<double>(steps_);  // 0 / 0 is kNoPoint
  for (Block& block : blocks_) {
    out.push_back(
        {block.name, std::sqrt(block.squares / steps), block.ratios / steps});
    block.squares = block.ratios = 0;
  }
  steps_ = 0;
  return out;
}

}  // namespace engraft
