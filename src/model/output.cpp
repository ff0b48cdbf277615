// What a forward returns, reduced to one logits tensor.

#include <torch/csrc/jit/ir/constants.h>

#include "model/graph.h"

namespace engraft {
namespace {

namespace aten = torch::jit::aten;
namespace prim = torch::jit::prim;

constexpr const char* kMainNames[] = {"logits", "out", "output"};

bool is_main_name(const std::string& name) {
  for (const char* main : kMainNames)
    if (name == main) return true;
  return false;
}

/// Which element of a tuple is the classification: the one whose field is
/// named so, else the first, as torchvision's auxiliary heads come after it.
size_t main_element(const Node* tuple) {
  const auto type = tuple->output()->type()->cast<c10::TupleType>();
  if (type && type->schema()) {
    const auto& fields = type->schema()->arguments();
    for (size_t i = 0; i < fields.size(); ++i)
      if (is_main_name(fields[i].name())) return i;
  }
  return 0;
}

Value* main_entry(Node* dict, const std::string& path) {
  if (dict->inputs().size() == 2) return dict->inputs()[1];
  for (size_t i = 0; i + 1 < dict->inputs().size(); i += 2) {
    const auto key = torch::jit::toIValue(dict->inputs()[i]);
    if (key && key->isString() && is_main_name(key->toStringRef()))
      return dict->inputs()[i + 1];
  }
  fail(Fault::model, path,
       ": forward returns a dict and none of its keys is 'logits', 'out' or "
       "'output'; wrap the model so that it returns the logits alone");
}

}  // namespace

Output resolve_output(const Graph& graph, const std::string& path) {
  Output out;
  Value* value = const_cast<Value*>(graph.outputs().at(0));
  while (true) {
    Node* node = value->node();
    if (node->kind() == prim::TupleConstruct && !node->inputs().empty()) {
      const size_t main = main_element(node);
      out.notes.push_back("forward returns a tuple of " +
                          std::to_string(node->inputs().size()) + "; element " +
                          std::to_string(main) + " is taken as the logits");
      value = node->inputs()[main];
    } else if (node->kind() == prim::ListConstruct &&
               node->inputs().size() == 1) {
      out.notes.push_back("forward returns a list of one; it is unpacked");
      value = node->input();
    } else if (node->kind() == prim::DictConstruct) {
      value = main_entry(node, path);
      out.notes.push_back(
          "forward returns a dict; its entry for the logits "
          "is taken");
    } else if (node->kind() == aten::softmax ||
               node->kind() == aten::log_softmax) {
      out.notes.push_back(std::string("the final ") +
                          node->kind().toUnqualString() +
                          " is cut off: engraft works on logits");
      value = node->input(0);
    } else {
      break;
    }
  }
  if (!value->type()->isSubtypeOf(*c10::TensorType::get()))
    fail(Fault::model, path, ": forward returns a ", value->type()->str(),
         ", not one logits tensor [N, classes]; only image classifiers can ",
         "be fine-tuned");
  out.logits = value;
  return out;
}

void return_only(Graph& graph, Value* value) {
  while (!graph.outputs().empty()) graph.eraseOutput(0);
  graph.registerOutput(value);
}

}  // namespace engraft
