#include "model/graph.h"

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/constant_propagation.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/lower_tuples.h>
#include <torch/csrc/jit/passes/peephole.h>
#include <torch/csrc/jit/runtime/interpreter.h>

#include <unordered_map>
#include <unordered_set>

namespace engraft {
namespace {

using torch::jit::Block;
namespace aten = torch::jit::aten;
namespace prim = torch::jit::prim;

c10::Symbol aten_symbol(const char* name) {
  return c10::Symbol::fromQualString(std::string("aten::") + name);
}

/// Replaces every attribute access by a graph input or a constant.
class AttributeLowering {
 public:
  AttributeLowering(std::shared_ptr<Graph> graph,
                    const torch::jit::Module& module, std::string path)
      : graph_(std::move(graph)), path_(std::move(path)) {
    for (const auto& p : module.named_parameters(/*recurse=*/true))
      parameters_.insert(p.value.unsafeGetTensorImpl());
    objects_[graph_->inputs()[0]] = {module._ivalue(), ""};
  }

  std::vector<NamedTensor> run() {
    lower_block(graph_->block());
    for (Node* node : dead_) node->destroy();
    return std::move(tensors_);
  }

 private:
  struct Owner {
    c10::intrusive_ptr<c10::ivalue::Object> object;
    std::string path;
  };

  void lower_block(Block* block) {
    for (Node* node : block->nodes()) {
      for (Block* inner : node->blocks()) lower_block(inner);
      if (node->kind() == prim::GetAttr && objects_.count(node->input()))
        lower_node(node);
    }
  }

  void lower_node(Node* node) {
    const Owner owner = objects_.at(node->input());
    const std::string& name = node->s(c10::attr::name);
    const std::string full =
        owner.path.empty() ? name : owner.path + "." + name;
    const c10::IValue value = owner.object->getAttr(name);
    if (value.isObject()) {
      refuse_packed(value, full);
      objects_[node->output()] = {value.toObject(), full};
      return;
    }
    Value* lowered = lower_value(value, full, node);
    node->output()->replaceAllUsesWith(lowered);
    dead_.push_back(node);
  }

  Value* lower_value(const c10::IValue& value, const std::string& name,
                     Node* before) {
    if (value.isTensor() && value.toTensor().defined())
      return tensor_input(value.toTensor(), name);
    torch::jit::WithInsertPoint guard(before);
    if (value.isTensorList()) {
      std::vector<Value*> items;
      for (const at::Tensor& t : value.toTensorVector())
        items.push_back(
            tensor_input(t, name + "." + std::to_string(items.size())));
      return graph_
          ->insertNode(graph_->createList(c10::TensorType::get(), items))
          ->output();
    }
    if (auto constant = torch::jit::tryInsertConstant(*graph_, value))
      return *constant;
    fail(Fault::model, path_, ": attribute '", name, "' of type ",
         value.tagKind(), " cannot be understood; export the model again ",
         "with torch.jit.script or torch.jit.trace from plain modules");
  }

  Value* tensor_input(const at::Tensor& tensor, const std::string& name) {
    const auto* impl = tensor.unsafeGetTensorImpl();
    const auto known = inputs_.find(impl);
    if (known != inputs_.end()) return known->second;
    Value* input = graph_->addInput();
    input->setType(c10::TensorType::get());
    inputs_[impl] = input;
    tensors_.push_back({name, tensor, parameters_.count(impl) == 0});
    return input;
  }

  void refuse_packed(const c10::IValue& value, const std::string& name) {
    const auto type = value.toObject()->type()->name();
    if (type && type->name().find("PackedParams") != std::string::npos)
      fail(Fault::model, path_, ": '", name,
           "' holds integer (quantized) weights, which cannot be trained; "
           "export the float model");
  }

  std::shared_ptr<Graph> graph_;
  std::string path_;
  std::unordered_set<const void*> parameters_;
  std::unordered_map<const Value*, Owner> objects_;
  std::unordered_map<const void*, Value*> inputs_;
  std::vector<NamedTensor> tensors_;
  std::vector<Node*> dead_;
};

/// Gives every argument but the image its default value.
void fix_arguments(Graph& graph, const torch::jit::Method& method,
                   const std::string& path) {
  const auto& arguments = method.function().getSchema().arguments();
  if (arguments.size() < 2)
    fail(Fault::model, path, ": forward takes no image");
  if (!arguments[1].type()->isSubtypeOf(*c10::OptionalType::ofTensor()))
    fail(Fault::model, path, ": forward takes a ",
         arguments[1].type()->annotation_str(),
         ", not one image tensor [N, 3, H, W]; only image classifiers can be ",
         "fine-tuned");
  int64_t required = 0;
  for (size_t i = 1; i < arguments.size(); ++i)
    required += !arguments[i].default_value().has_value();
  if (required > 1)
    fail(Fault::model, path, ": forward takes ", required,
         " inputs; a model with one image input is needed: wrap it in a ",
         "module whose forward takes the image alone");
  graph.inputs()[1]->setType(c10::TensorType::get());
  for (size_t i = arguments.size() - 1; i >= 2; --i) {
    torch::jit::WithInsertPoint guard(*graph.nodes().begin());
    Value* value = graph.insertConstant(*arguments[i].default_value());
    graph.inputs()[i]->replaceAllUsesWith(value);
    graph.eraseInput(i);
  }
}

/// Null when the node calls none that is written in TorchScript.
torch::jit::Function* called_function(const Node* node) {
  if (node->kind() == prim::CallFunction) {
    const auto type = node->input(0)->type()->cast<c10::FunctionType>();
    return type ? type->function() : nullptr;
  }
  if (node->kind() != prim::CallMethod) return nullptr;
  const auto type = node->input(0)->type()->cast<c10::ClassType>();
  return type ? type->findMethod(node->s(c10::attr::name)) : nullptr;
}

bool raises(const Block* block) {
  for (const Node* node : block->nodes())
    if (node->kind() == prim::RaiseException) return true;
  return false;
}

/// Moves the nodes of `kept`, a block of the prim::If `node`, before it.
void inline_branch(Node* node, Block* kept) {
  for (auto it = kept->nodes().begin(); it != kept->nodes().end();) {
    Node* inner = *it++;
    inner->moveBefore(node);
  }
  for (size_t i = 0; i < node->outputs().size(); ++i)
    node->outputs()[i]->replaceAllUsesWith(kept->outputs()[i]);
  node->destroy();
}

bool strip_assertions(Block* block) {
  bool changed = false;
  for (auto it = block->nodes().begin(); it != block->nodes().end();) {
    Node* node = *it++;
    for (Block* inner : node->blocks()) changed |= strip_assertions(inner);
    if (node->kind() == aten::warn || node->kind() == prim::Print) {
      node->destroy();
      changed = true;
    } else if (node->kind() == prim::If) {
      const bool first = raises(node->blocks()[0]);
      const bool second = raises(node->blocks()[1]);
      if (first == second) continue;
      inline_branch(node, node->blocks()[first ? 1 : 0]);
      changed = true;
    }
  }
  return changed;
}

/// x.size()[k] and n, c, h, w = x.size() as x.size(k), so that each number is
/// a value of its own.
bool split_sizes(Block* block) {
  bool changed = false;
  for_each_node(block, [&](Node* node) {
    const bool item = node->kind() == aten::__getitem__;
    const bool unpack = node->kind() == prim::ListUnpack;
    if ((!item && !unpack) || node->input(0)->node()->kind() != aten::size ||
        node->input(0)->node()->inputs().size() != 1)
      return;
    Value* tensor = node->input(0)->node()->input(0);
    torch::jit::WithInsertPoint guard(node);
    Graph& graph = *node->owningGraph();
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      if (item && !constant_int(node->input(1))) return;
      Value* dim = unpack ? graph.insertConstant(static_cast<int64_t>(i))
                          : node->input(1);
      node->outputs()[i]->replaceAllUsesWith(
          graph.insert(aten::size, {tensor, dim}));
    }
    node->destroy();
    changed = true;
  });
  return changed;
}

void refuse_leftovers(const Graph& graph, const Block* block,
                      const std::string& path) {
  for (const Node* node : block->nodes()) {
    if (node->kind() == prim::SetAttr)
      fail(Fault::model, path, ": the model writes its own attribute '",
           node->s(c10::attr::name), "' while predicting; export it with ",
           "model.eval()");
    if (node->kind() == prim::CallMethod || node->kind() == prim::PythonOp)
      fail(Fault::model, path, ": a call of '", node->kind().toQualString(),
           "' cannot be inlined; export the model with torch.jit.trace");
    if (std::string(node->kind().ns().toUnqualString()) == "quantized")
      fail(Fault::model, path, ": the model computes with integer ",
           "(quantized) weights (", node->kind().toQualString(),
           "), which cannot be trained; export the float model");
    for (const Block* inner : node->blocks())
      refuse_leftovers(graph, inner, path);
  }
}

}  // namespace

bool LoweredGraph::is_tensor_input(const Value* value) const {
  return value->node()->kind() == prim::Param &&
         value->node()->owningBlock() == graph->block() && value->offset() > 0;
}

const NamedTensor& LoweredGraph::tensor_of(const Value* value) const {
  TORCH_INTERNAL_ASSERT(is_tensor_input(value));
  return tensors.at(value->offset() - 1);
}

std::shared_ptr<Graph> method_graph(const torch::jit::Method& method) {
  return torch::jit::toGraphFunction(method.function()).graph();
}

std::optional<int64_t> constant_int(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isInt()) return std::nullopt;
  return constant->toInt();
}

std::optional<double> constant_number(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  if (!constant || !constant->isScalar()) return std::nullopt;
  return constant->toScalar().toDouble();
}

bool is_none(const Value* value) {
  const auto constant = torch::jit::toIValue(value);
  return constant && constant->isNone();
}

Node* only_user(const Value* value) {
  return value->uses().size() == 1 ? value->uses()[0].user : nullptr;
}

bool is_batch_norm(const Node* node) {
  return node->kind() == aten::batch_norm;
}

bool is_layer_norm(const Node* node) {
  static const std::unordered_set<c10::Symbol> kinds = {
      aten_symbol("layer_norm"), aten_symbol("native_layer_norm"),
      aten_symbol("rms_norm"), aten_symbol("_transformer_encoder_layer_fwd")};
  return kinds.count(node->kind()) > 0;
}

bool is_dropout(const Node* node) {
  static const std::unordered_set<c10::Symbol> kinds = {
      aten_symbol("dropout"),
      aten_symbol("dropout_"),
      aten_symbol("feature_dropout"),
      aten_symbol("feature_dropout_"),
      aten_symbol("alpha_dropout"),
      aten_symbol("alpha_dropout_"),
      aten_symbol("feature_alpha_dropout"),
      aten_symbol("feature_alpha_dropout_")};
  return kinds.count(node->kind()) > 0;
}

void inline_calls(Graph& graph) {
  for (bool found = true; found;) {
    found = false;
    for_each_node(graph.block(), [&](Node* node) {
      torch::jit::Function* callee = called_function(node);
      if (!callee) return;
      auto* body = torch::jit::tryToGraphFunction(*callee);
      if (!body) return;
      if (node->kind() == prim::CallFunction) node->removeInput(0);
      torch::jit::inlineCallTo(node, body, body->graph().get());
      found = true;
    });
  }
}

void simplify(std::shared_ptr<Graph>& graph) {
  // Each round can only remove nodes, so this ends; 20 is never reached.
  for (int round = 0; round < 20; ++round) {
    bool changed = torch::jit::ConstantPropagation(graph);
    changed |= torch::jit::PeepholeOptimize(graph);
    changed |= strip_assertions(graph->block());
    changed |= split_sizes(graph->block());
    torch::jit::LowerSimpleTuples(graph);
    torch::jit::EliminateDeadCode(graph);
    if (!changed) break;
  }
}

/// Of stochastic depth by floor(p + rand(...)), whose expectation is p; null
/// where a node is not that.
Value* survival_probability(Node* node) {
  static const auto kFloor = aten_symbol("floor"),
                    kFloorInPlace = aten_symbol("floor_"),
                    kRand = aten_symbol("rand"),
                    kRandLike = aten_symbol("rand_like");
  if (node->kind() != kFloor && node->kind() != kFloorInPlace) return nullptr;
  const Node* sum = node->input(0)->node();
  if (sum->kind() != aten::add && sum->kind() != aten::add_) return nullptr;
  for (const size_t drawn : {0, 1}) {
    const auto kind = sum->input(drawn)->node()->kind();
    const auto p = torch::jit::toIValue(sum->input(1 - drawn));
    if ((kind == kRand || kind == kRandLike) && p &&
        (p->isDouble() || (p->isTensor() && p->toTensor().numel() == 1)))
      return node->owningGraph()->insertConstant(
          p->isDouble() ? p->toDouble() : p->toTensor().item<double>());
  }
  return nullptr;
}

ModeCounts set_evaluation_mode(Graph& graph) {
  static const auto kBernoulli = aten_symbol("bernoulli_");
  static const auto kAttention = aten_symbol("scaled_dot_product_attention");
  ModeCounts counts;
  for_each_node(graph.block(), [&](Node* node) {
    // Standardised weights, say: there is nothing else to normalise by.
    if (is_batch_norm(node) && is_none(node->input(3))) return;
    const size_t flag = is_batch_norm(node) ? 5 : 2;
    torch::jit::WithInsertPoint guard(node);
    if (is_batch_norm(node) || is_dropout(node)) {
      (is_batch_norm(node) ? counts.batch_norms : counts.dropouts) += 1;
      const auto mode = torch::jit::toIValue(node->input(flag));
      if (!mode) return;
      counts.constants = true;
      if (!mode->toBool()) return;
      (is_batch_norm(node) ? counts.baked_batch_norms
                           : counts.baked_dropouts) += 1;
      node->replaceInput(flag, graph.insertConstant(false));
    } else if (node->kind() == kAttention && node->inputs().size() > 4) {
      const auto p = torch::jit::toIValue(node->input(4));
      if (!p || p->toDouble() == 0) return;
      counts.baked_dropouts += 1;
      node->replaceInput(4, graph.insertConstant(0.0));
    } else if (node->kind() == kBernoulli && node->inputs().size() >= 2 &&
               torch::jit::toIValue(node->input(1))) {
      // Stochastic depth multiplies a branch by bernoulli_(p) / p, whose
      // expectation is p / p.
      counts.baked_dropouts += 1;
      node->output()->replaceAllUsesWith(
          graph.insert(aten::fill_, {node->input(0), node->input(1)}));
      node->destroy();
    } else if (Value* kept = survival_probability(node)) {
      counts.baked_dropouts += 1;
      node->output()->replaceAllUsesWith(
          graph.insert(aten::full_like, {node->input(0), kept}));
      node->destroy();
    } else if (node->kind() == aten::add_ && !node->output()->hasUses() &&
               node->input(0)->node()->kind() == prim::GetAttr &&
               node->input(0)->node()->s(c10::attr::name) ==
                   "num_batches_tracked") {
      node->destroy();
    }
  });
  return counts;
}

torch::Tensor output_of(const LoweredGraph& lowered,
                        const torch::Tensor& images) {
  torch::NoGradGuard no_grad;
  torch::jit::Stack stack;
  const auto device = lowered.tensors.empty()
                          ? torch::Device(torch::kCPU)
                          : lowered.tensors[0].tensor.device();
  stack.emplace_back(images.to(device));
  for (const NamedTensor& t : lowered.tensors) stack.emplace_back(t.tensor);
  const torch::jit::Code code(lowered.graph, "forward");
  torch::jit::InterpreterState(code).run(stack);
  return stack.at(0).toTensor();
}

std::string last_line(const std::string& what) {
  // TorchScript wraps the message in source excerpts; it is the line that
  // begins with "RuntimeError:", else the first one.
  const auto mark = what.find("RuntimeError: ");
  const auto begin = mark == std::string::npos ? 0 : mark + 14;
  return what.substr(begin, what.find('\n', begin) - begin);
}

LoweredGraph lower(const torch::jit::Module& module, const std::string& path) {
  const auto method = module.find_method("forward");
  if (!method) fail(Fault::model, path, ": has no forward method");
  auto graph = method_graph(*method)->copy();
  inline_calls(*graph);
  fix_arguments(*graph, *method, path);
  LoweredGraph lowered;
  lowered.tensors = AttributeLowering(graph, module, path).run();
  simplify(graph);
  refuse_leftovers(*graph, graph->block(), path);
  if (graph->inputs()[0]->hasUses())
    fail(Fault::model, path, ": an attribute of kind '",
         graph->inputs()[0]->uses()[0].user->kind().toQualString(),
         "' cannot be lowered; export the model with torch.jit.trace");
  graph->eraseInput(0);
  lowered.graph = std::move(graph);
  return lowered;
}

}  // namespace engraft
