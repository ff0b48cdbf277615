#include "engraft/model/classifier.h"

#include <torch/csrc/jit/serialization/import.h>
#include <torch/cuda.h>

#include <filesystem>
#include <fstream>

#include "engraft/model/ensemble.h"
#include "model/graph.h"
#include "model/normalise.h"

namespace engraft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kRecordFile = "engraft.json";
constexpr int64_t kFormat = 1;

/// A zip archive without code is what torch.save writes.
std::string explain_load_error(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  char magic[2] = {};
  in.read(magic, 2);
  if (in.gcount() == 2 && magic[0] == 'P' && magic[1] == 'K')
    return "a zip archive, but not one of TorchScript: perhaps a checkpoint "
           "of torch.save. Export the model with torch.jit.script(model).save("
           "path) or torch.jit.trace";
  return "not a TorchScript file. Export the model with "
         "torch.jit.script(model).save(path) or torch.jit.trace";
}

torch::jit::Module load_module(const std::string& path, std::string& record) {
  std::error_code error;
  if (!fs::exists(path, error))
    fail(Fault::io, path, ": no such file; --model takes a TorchScript file");
  if (fs::is_directory(path, error))
    fail(Fault::model, path, ": a folder, not a TorchScript file");
  std::ifstream in(path, std::ios::binary);
  if (!in) fail(Fault::io, path, ": cannot be read; check its permissions");
  torch::jit::ExtraFilesMap extra{{kRecordFile, ""}};
  try {
    // Where in somebody's Python a line came from is of no use to ours.
    auto module = torch::jit::load(in, torch::kCPU, extra,
                                   /*load_debug_files=*/false);
    record = extra[kRecordFile];
    return module;
  } catch (const std::exception& failure) {
    const std::string what = failure.what();
    if (what.find("quantized") != std::string::npos)
      fail(Fault::model, path,
           ": has integer (quantized) weights, which cannot be trained; "
           "export the float model");
    fail(Fault::model, path, ": ", explain_load_error(path),
         " (LibTorch: ", last_line(what), ")");
  }
}

std::vector<std::string> class_names(const Json& document) {
  std::vector<std::string> names;
  if (document.contains("classes") && document["classes"].is_array())
    for (const Json& name : document["classes"])
      names.push_back(name.is_string() ? name.get<std::string>() : name.dump());
  return names;
}

void read_record(Classifier& classifier, const std::string& text) {
  const Json record = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const std::string where = classifier.path + ": engraft.json";
  if (!record.is_object()) fail(Fault::model, where, ": is damaged");
  const int64_t format = record.value("format", int64_t{0});
  if (format > kFormat)
    fail(Fault::model, where, ": format ", format,
         " is newer than this engraft, which reads up to ", kFormat,
         "; use a newer engraft");
  classifier.record = record;
  classifier.classes = class_names(record);
  if (record.contains("input"))
    classifier.input = input_spec_from_json(record["input"], where);
  classifier.input.source = "engraft.json in the file";
}

/// The sidecar of mine.pt is mine.json; of mine.script.pt and mine.trace.pt,
/// two forms of one model, mine.script.json or else mine.json.
fs::path find_sidecar(const fs::path& model) {
  fs::path sidecar = fs::path(model).replace_extension(".json");
  std::error_code error;
  if (fs::exists(sidecar, error)) return sidecar;
  const std::string form = model.stem().extension().string();
  if (form != ".script" && form != ".trace") return sidecar;
  return sidecar.replace_extension().replace_extension(".json");
}

void read_sidecar(Classifier& classifier) {
  const fs::path sidecar = find_sidecar(classifier.path);
  std::ifstream in(sidecar);
  if (!in) return;
  const std::string where = sidecar.string();
  const Json document = Json::parse(in, nullptr, /*allow_exceptions=*/false);
  if (!document.is_object())
    fail(Fault::model, where, ": not a JSON object; models/README.md says ",
         "what a sidecar holds");
  classifier.classes = class_names(document);
  if (!document.contains("input")) return;
  classifier.input = input_spec_from_json(document["input"], where);
  classifier.input.source = "sidecar " + where;
}

}  // namespace

Classifier load_classifier(const std::string& path, const InputOptions& options,
                           SizeCheck check) {
  options.validate();
  Classifier classifier;
  classifier.path = path;
  std::string record;
  classifier.module = load_module(path, record);
  if (record.empty())
    read_sidecar(classifier);
  else
    read_record(classifier, record);
  classifier.input = apply(options, classifier.input);
  // Its members are normalised when they are asked for.
  if (is_ensemble(classifier))
    classifier.module.eval();
  else
    normalise_module(classifier, options.input_size.has_value(), check);
  return classifier;
}

Classifier make_classifier(torch::jit::Module module, const InputSpec& input) {
  Classifier classifier;
  classifier.path = "model";
  classifier.module = std::move(module);
  classifier.input = input;
  normalise_module(classifier);
  return classifier;
}

std::string default_model_path() {
  constexpr const char* kName = "efficientnet_lite0.pt";
  if (const char* named = std::getenv("ENGRAFT_MODEL"); named && *named)
    return named;
  std::error_code error;
  const fs::path folder =
      fs::read_symlink("/proc/self/exe", error).parent_path();
  for (const fs::path& place :
       {folder / ".." / "models" / kName,
        folder / ".." / "share" / "engraft" / "models" / kName})
    if (fs::exists(place, error))
      return fs::weakly_canonical(place, error).string();
  fail(Fault::model, "no model is named and the default one (", kName,
       ") is not installed: run scripts/setup, which fetches it, or name a ",
       "TorchScript file with --model");
}

torch::Device resolve_device(const std::string& name) {
  const bool cuda = torch::cuda::is_available();
  if (name == "cpu") return torch::kCPU;
  if (name == "auto")
    return cuda ? torch::Device(torch::kCUDA, 0) : torch::Device(torch::kCPU);
  if (name != "cuda" && name.rfind("cuda:", 0) != 0)
    fail(Fault::usage, "--device ", name, ": is not auto, cpu, cuda or cuda:N");
  if (!cuda)
    fail(Fault::usage, "--device ", name,
         ": this LibTorch or this machine has no CUDA; use --device cpu");
  int64_t index = 0;
  if (name != "cuda") {
    const std::string digits = name.substr(5);
    if (digits.empty() || digits.size() > 3 ||
        digits.find_first_not_of("0123456789") != std::string::npos)
      fail(Fault::usage, "--device ", name, ": is not auto, cpu, cuda or ",
           "cuda:N");
    index = std::stoll(digits);
  }
  const int64_t count = static_cast<int64_t>(torch::cuda::device_count());
  if (index >= count)
    fail(Fault::usage, "--device ", name, ": there are ", count,
         " CUDA devices, numbered from 0");
  return torch::Device(torch::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace engraft
