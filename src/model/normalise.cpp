#include "model/normalise.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <unordered_set>

#include "model/attributes.h"
#include "model/head.h"
#include "out_of_memory.h"

namespace engraft {
namespace {

namespace prim = torch::jit::prim;
using torch::jit::Module;

void to_float32(Classifier& classifier) {
  int64_t converted = 0;
  for (const at::Tensor& tensor : classifier.module.parameters()) {
    if (tensor.is_quantized() || tensor.scalar_type() == at::kChar ||
        tensor.scalar_type() == at::kByte)
      fail(Fault::model, classifier.path,
           ": has integer (quantized) weights, which cannot be trained; "
           "export the float model");
    converted +=
        tensor.is_floating_point() && tensor.scalar_type() != at::kFloat;
  }
  for (const at::Tensor& tensor : classifier.module.buffers())
    if (tensor.is_quantized() ||
        (tensor.scalar_type() == at::kChar && tensor.dim() >= 2))
      fail(Fault::model, classifier.path,
           ": has integer (quantized) weights, which cannot be trained; "
           "export the float model");
  if (converted == 0) return;
  // Module::to would make numbers of indices and masks too.
  const auto convert = [](const at::Tensor& tensor) {
    if (tensor.is_floating_point())
      at::Tensor(tensor).set_data(tensor.to(at::kFloat));
  };
  for (const at::Tensor& tensor : classifier.module.parameters())
    convert(tensor);
  for (const at::Tensor& tensor : classifier.module.buffers()) convert(tensor);
  classifier.notes.push_back(std::to_string(converted) +
                             " tensors of another precision became float32");
}

bool has_node(const torch::jit::Block* block, c10::Symbol kind) {
  for (const Node* node : block->nodes()) {
    if (node->kind() == kind) return true;
    for (const auto* inner : node->blocks())
      if (has_node(inner, kind)) return true;
  }
  return false;
}

/// Modes of all methods; what a type has twice is counted twice, as a model
/// with ten batch norms has ten.
void set_modes(Classifier& classifier) {
  static const auto kTraced = c10::Symbol::fromQualString("aten::_convolution");
  std::unordered_set<const Graph*> seen;
  bool branches = false, traced = false;
  for (const Module& module : classifier.module.modules()) {
    for (const auto& method : module.get_methods()) {
      const auto graph = method_graph(method);
      if (!seen.insert(graph.get()).second) continue;
      const ModeCounts counts = set_evaluation_mode(*graph);
      classifier.baked_batch_norms += counts.baked_batch_norms;
      classifier.baked_dropouts += counts.baked_dropouts;
      classifier.baked_modes |= counts.constants;
      branches |= has_node(graph->block(), prim::If);
      traced |= has_node(graph->block(), kTraced);
    }
  }
  classifier.traced = !branches && (traced || classifier.baked_modes);
  const int64_t baked =
      classifier.baked_batch_norms + classifier.baked_dropouts;
  if (baked > 0)
    classifier.notes.push_back("traced in train mode: " +
                               std::to_string(classifier.baked_batch_norms) +
                               " batch norms and " +
                               std::to_string(classifier.baked_dropouts) +
                               " dropouts were set to evaluation");
}

/// `self.training` anywhere below as a constant: the file predicts.
void fix_training_flags(Graph& graph) {
  for_each_node(graph.block(), [&](Node* node) {
    if (node->kind() != prim::GetAttr || node->s(c10::attr::name) != "training")
      return;
    torch::jit::WithInsertPoint guard(node);
    node->output()->replaceAllUsesWith(graph.insertConstant(false));
    node->destroy();
  });
}

/// Rewrites forward, flattened, to return the logits alone.
void return_logits(Classifier& classifier) {
  const auto method = classifier.module.get_method("forward");
  auto& function = torch::jit::toGraphFunction(method.function());
  auto graph = function.graph();
  inline_calls(*graph);
  fix_training_flags(*graph);
  simplify(graph);
  const Output output = resolve_output(*graph, classifier.path);
  return_only(*graph, output.logits);
  simplify(graph);
  const auto schema = function.getSchema();
  function.setSchema(
      schema.cloneWithReturns({c10::Argument("", c10::TensorType::get())}));
}

/// Constant float tensors of a flat (torch.jit.freeze) forward.
std::vector<Value*> weight_constants(Graph& graph) {
  std::vector<Value*> out;
  for (Node* node : graph.nodes()) {
    if (node->kind() != prim::Constant) continue;
    const auto value = torch::jit::toIValue(node->output());
    if (value && value->isTensor() && value->toTensor().defined() &&
        value->toTensor().is_floating_point() && value->toTensor().dim() > 0 &&
        !value->toTensor().is_mkldnn())
      out.push_back(node->output());
  }
  return out;
}

void make_attribute(Classifier& classifier, Graph& graph, Value* constant,
                    const std::string& name) {
  const at::Tensor tensor = torch::jit::toIValue(constant)->toTensor();
  bool running = false;
  for (const auto& use : constant->uses())
    running |= is_batch_norm(use.user) && (use.offset == 3 || use.offset == 4);
  const at::Tensor copy = tensor.detach().clone();
  if (running)
    classifier.module.register_buffer(name, copy);
  else
    classifier.module.register_parameter(name, copy, false);
  torch::jit::WithInsertPoint guard(*graph.nodes().begin());
  Value* attribute = graph.insertGetAttr(graph.inputs()[0], name);
  constant->replaceAllUsesWith(attribute);
}

/// A frozen graph has its weights as constants. They become attributes again:
/// all of them where BatchNorm is still there, else just the final layer's.
/// Whether there were any.
bool thaw_constants(Classifier& classifier) {
  const auto graph = method_graph(classifier.module.get_method("forward"));
  const std::vector<Value*> constants = weight_constants(*graph);
  int64_t weights = 0;
  bool batch_norm = false;
  for (const Value* value : constants)
    for (const auto& use : value->uses()) {
      weights += value->type()->isSubtypeOf(*c10::TensorType::get());
      batch_norm |= is_batch_norm(use.user);
    }
  for (const at::Tensor& p : classifier.module.parameters())
    if (p.dim() >= 2) return false;  // a model with weights and a few constants
  if (weights == 0) return false;
  if (batch_norm) {
    for (size_t i = 0; i < constants.size(); ++i)
      make_attribute(classifier, *graph, constants[i],
                     "constant_" + std::to_string(i));
    classifier.notes.push_back(
        "a frozen graph: its constant weights became parameters again");
    return true;
  }
  const Output output = resolve_output(*graph, classifier.path);
  const HeadNode head = find_head(output.logits, classifier.path);
  make_attribute(classifier, *graph, head.weight, "head_weight");
  if (head.bias) make_attribute(classifier, *graph, head.bias, "head_bias");
  classifier.frozen_graph = true;
  classifier.notes.push_back(
      "a frozen graph: its weights are constants without BatchNorm, so only "
      "the final layer can be trained");
  return true;
}

/// Sizes to try when the model does not take what its spec says, usual first.
constexpr int64_t kUsualSizes[] = {224, 32,  28,  64,  96,  112, 128, 160,
                                   192, 240, 256, 260, 288, 299, 300, 320,
                                   336, 380, 384, 448, 456, 512, 528, 600};

/// Empty when the model gives [1, C] logits for such an image, else what it
/// said.
std::string try_size(const LoweredGraph& lowered, int64_t size) {
  try {
    const std::vector<int64_t> sizes =
        output_of(lowered, torch::zeros({1, 3, size, size})).sizes().vec();
    if (sizes.size() == 2 && sizes[0] == 1) return "";
    std::ostringstream shape;
    shape << "its output for one image has the shape ["
          << at::IntArrayRef(sizes) << "], not [1, classes]";
    return shape.str();
  } catch (const std::exception& error) {
    // The machine's limit says nothing about the model.
    if (is_out_of_memory(error)) throw;
    return last_line(error.what());
  }
}

/// Two times one image: a batch of any size is taken, and nothing is drawn.
void check_two_images(const Classifier& classifier,
                      const LoweredGraph& lowered) {
  const int64_t size = classifier.input.crop;
  const auto image =
      torch::linspace(-1, 1, 3 * size * size).reshape({1, 3, size, size});
  torch::Tensor both;
  try {
    both = output_of(lowered, torch::cat({image, image}));
  } catch (const std::exception& error) {
    if (is_out_of_memory(error)) throw;
    fail(Fault::model, classifier.path,
         ": takes one image, but not two: ", last_line(error.what()),
         "; its batch size became a constant when it ",
         "was traced. Trace it on two images, or use torch.jit.script");
  }
  const double scale = both.abs().max().item<double>();
  if (both.dim() != 2 || both.size(0) != 2 ||
      !torch::allclose(both[0], both[1], 1e-3, 1e-3 * scale + 1e-6,
                       /*equal_nan=*/true))
    fail(
        Fault::model, classifier.path, ": gives two different outputs for the ",
        "same image: it draws random numbers, as in training. Export it after ",
        "model.eval()");
}

void find_size(Classifier& classifier, const LoweredGraph& lowered,
               bool size_is_given) {
  const int64_t wanted = classifier.input.crop;
  const std::string said = try_size(lowered, wanted);
  if (said.empty()) return;
  for (const int64_t size : kUsualSizes) {
    if (size == wanted || !try_size(lowered, size).empty()) continue;
    if (size_is_given)
      fail(Fault::usage, "--input-size ", wanted, ": ", classifier.path,
           " does not run on it, but on ", size, ": ", said);
    classifier.notes.push_back(
        "does not run on " + std::to_string(wanted) + "x" +
        std::to_string(wanted) + " images; found to run on " +
        std::to_string(size) + "x" + std::to_string(size));
    classifier.input.resize = classifier.input.resize * size / wanted;
    classifier.input.crop = size;
    return;
  }
  fail(Fault::model, classifier.path, ": runs on no square RGB image of ",
       wanted, " or any usual size; at ", wanted, ": ", said,
       "; --input-size gives another size");
}

}  // namespace

void normalise_module(Classifier& classifier, bool size_is_given,
                      SizeCheck check) {
  classifier.module.eval();
  if (!classifier.module.find_method("forward"))
    fail(Fault::model, classifier.path, ": has no forward method");
  to_float32(classifier);
  set_modes(classifier);
  LoweredGraph lowered = lower(classifier.module, classifier.path);
  const Output output = resolve_output(*lowered.graph, classifier.path);
  if (!output.plain()) {
    return_logits(classifier);
    for (const auto& note : output.notes) classifier.notes.push_back(note);
  }
  const bool thawed = thaw_constants(classifier);
  return_only(*lowered.graph, output.logits);
  if (classifier.record.is_null() && check == SizeCheck::run) {
    find_size(classifier, lowered, size_is_given);
    check_two_images(classifier, lowered);
  }
  if (output.plain() && !thawed)
    classifier.lowered = std::make_shared<LoweredGraph>(std::move(lowered));
}

LoweredGraph lowering_of(const Classifier& classifier) {
  const auto& known = classifier.lowered;
  const auto is_there = [&](const NamedTensor& t) {
    return tensor_at(classifier.module, t.name).is_same(t.tensor);
  };
  if (known && std::ranges::all_of(known->tensors, is_there))
    return {known->graph->copy(), known->tensors};
  return lower(classifier.module, classifier.path);
}

}  // namespace engraft
