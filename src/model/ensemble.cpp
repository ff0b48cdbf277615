#include "engraft/model/ensemble.h"

#include <torch/types.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>

#include "model/normalise.h"

namespace engraft {
namespace {

using torch::jit::Module;

std::string member_attribute(size_t index) {
  return "member_" + std::to_string(index);
}

/// Sizes of all tensors under their names.
std::map<std::string, std::vector<int64_t>> sizes_of(const Module& module) {
  std::map<std::string, std::vector<int64_t>> out;
  for (const auto& one : module.named_parameters())
    out[one.name] = one.value.sizes().vec();
  for (const auto& one : module.named_buffers())
    out[one.name] = one.value.sizes().vec();
  return out;
}

std::string text_of(const std::vector<int64_t>& sizes) {
  std::ostringstream out;
  out << at::IntArrayRef(sizes);
  return out.str();
}

std::string tensor_difference(const Classifier& a, const Classifier& b) {
  const auto left = sizes_of(a.module), right = sizes_of(b.module);
  for (const auto& [name, sizes] : left) {
    const auto found = right.find(name);
    if (found == right.end()) return "'" + name + "' is only in " + a.path;
    if (found->second != sizes)
      return "'" + name + "' is " + text_of(sizes) + " in " + a.path + " and " +
             text_of(found->second) + " in " + b.path;
  }
  for (const auto& [name, sizes] : right)
    if (!left.count(name)) return "'" + name + "' is only in " + b.path;
  return "";
}

std::string input_difference(const Classifier& a, const Classifier& b) {
  const Json left = to_json(a.input), right = to_json(b.input);
  for (const auto& [key, value] : left.items())
    if (value != right.at(key))
      return "the input's " + key + " is " + value.dump() + " in " + a.path +
             " and " + right.at(key).dump() + " in " + b.path;
  return "";
}

void check_alike(const Classifier& a, const Classifier& b) {
  for (auto* difference :
       {class_difference, input_difference, tensor_difference}) {
    const std::string found = difference(a, b);
    if (!found.empty())
      fail(Fault::model, "one file takes models that differ in their weights ",
           "alone, but ", found, ": test such models side by side, as in ",
           "engraft eval ", a.path, " DATA --with ", b.path);
  }
}

/// In logarithms, where no small probability becomes zero. A member may write
/// to its input, so each gets its own.
std::string forward_source(size_t members) {
  std::ostringstream out;
  out.precision(17);
  out << "def forward(self, images: Tensor) -> Tensor:\n  each = [";
  for (size_t i = 0; i < members; ++i)
    out << (i ? ",\n          " : "") << "torch.log_softmax(self."
        << member_attribute(i) << ".forward(images.clone()), 1)";
  out << "]\n  return torch.logsumexp(torch.stack(each, 0), [0]) - "
      << std::log(static_cast<double>(members)) << "\n";
  return out.str();
}

Json entry_of(const Classifier& member) {
  Json own = member.record;
  if (own.is_object())
    for (const char* common : {"format", "classes", "input"}) own.erase(common);
  return {{"model", member.path}, {"record", own}};
}

}  // namespace

std::string class_difference(const Classifier& a, const Classifier& b) {
  const auto &left = a.classes, &right = b.classes;
  if (left.empty() || right.empty()) return "";
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i)
    if (left[i] != right[i])
      return "class " + std::to_string(i) + " is '" + left[i] + "' in " +
             a.path + " and '" + right[i] + "' in " + b.path;
  if (left.size() == right.size()) return "";
  return a.path + " names " + std::to_string(left.size()) + " classes and " +
         b.path + " " + std::to_string(right.size());
}

Classifier combine(const std::vector<Classifier>& members) {
  TORCH_CHECK(!members.empty(), "an ensemble of no models");
  Classifier out = members.front();
  out.module = Module("__torch__.engraft.Ensemble");
  out.module.register_attribute("training", c10::BoolType::get(), false);
  out.path = "ensemble";
  Json entries = Json::array();
  for (const Classifier& member : members) {
    if (is_ensemble(member))
      fail(Fault::model, member.path, ": is an ensemble itself: combine its ",
           "members");
    check_alike(members.front(), member);
    if (out.classes.empty()) out.classes = member.classes;
    out.module.register_module(member_attribute(entries.size()), member.module);
    entries.push_back(entry_of(member));
  }
  out.module.define(forward_source(members.size()));
  out.record = {{"format", 1},
                {"classes", out.classes},
                {"input", to_json(out.input)},
                {"members", entries}};
  return out;
}

std::vector<std::string> member_names(const Classifier& classifier) {
  std::vector<std::string> out;
  if (!classifier.record.is_object()) return out;
  const auto found = classifier.record.find("members");
  if (found == classifier.record.end() || !found->is_array()) return out;
  for (const Json& entry : *found) {
    const bool named = entry.contains("model") && entry["model"].is_string();
    out.push_back(named ? entry["model"].get<std::string>()
                        : member_attribute(out.size()));
  }
  return out;
}

std::vector<Classifier> members_of(const Classifier& ensemble) {
  std::vector<Classifier> out;
  const auto names = member_names(ensemble);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string attribute = member_attribute(i);
    if (!ensemble.module.hasattr(attribute) ||
        !ensemble.module.attr(attribute).isModule())
      fail(Fault::model, ensemble.path, ": is damaged: engraft.json lists ",
           names.size(), " members, but the model has no ", attribute);
    Classifier member;
    member.module = ensemble.module.attr(attribute).toModule();
    member.input = ensemble.input;
    member.classes = ensemble.classes;
    member.path = ensemble.path + ": " + names[i];
    member.record = ensemble.record;
    const Json entry = member.record["members"][i];
    member.record.erase("members");
    if (entry.contains("record") && entry["record"].is_object())
      member.record.update(entry["record"]);
    normalise_module(member);
    out.push_back(std::move(member));
  }
  return out;
}

}  // namespace engraft
