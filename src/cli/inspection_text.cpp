#include "cli/inspection_text.h"

#include <vector>

#include "cli/text.h"

namespace engraft::cli {
namespace {

std::string sizes(const std::vector<int64_t>& shape, const char* between) {
  std::string out;
  for (const int64_t size : shape) {
    if (!out.empty()) out += between;
    out += std::to_string(size);
  }
  return out;
}

std::string triple(const std::array<double, 3>& values) {
  return brief(values[0]) + " " + brief(values[1]) + " " + brief(values[2]);
}

/// Class names may hold commas themselves.
std::vector<std::string> quoted(std::vector<std::string> names) {
  for (auto& name : names)
    if (name.find(',') != std::string::npos) name = "'" + name + "'";
  return names;
}

std::string form_text(const Inspection& i) {
  return paragraph("model", i.path + ": " +
                                (i.frozen_graph ? "frozen graph"
                                 : i.traced     ? "traced"
                                                : "scripted") +
                                ", " + std::to_string(i.num_parameters) +
                                " parameters in " +
                                counted(std::ssize(i.blocks) - 1, "block") +
                                " and the head");
}

std::string members_text(const Inspection& i) {
  if (i.members.empty()) return "";
  return paragraph("ensemble",
                   "averages the probabilities of " +
                       counted(std::ssize(i.members), "model") + ": " +
                       listed(quoted(i.members), 12) +
                       "; what is said here is said of each of them");
}

std::string input_text(const Inspection& i) {
  const std::string side = std::to_string(i.input_size);
  return paragraph("input", side + "x" + side + ", found by running it; " +
                                "shorter side to " +
                                std::to_string(i.input.resize) + ", " +
                                std::string(name_of(i.input.interpolation)) +
                                ", mean " + triple(i.input.mean) + ", std " +
                                triple(i.input.std) + ", " + i.input.channels) +
         paragraph("", "from the " + i.input.source);
}

std::string head_text(const Inspection& i) {
  return paragraph(
      "head", i.head.weight + ": " + std::string(name_of(i.head.kind)) + ", " +
                  std::to_string(i.head.features) + " features to " +
                  counted(i.head.classes, "class") +
                  (i.head.bias.empty() ? ", no bias" : ""));
}

std::string modes_text(const Inspection& i) {
  std::string text = counted(i.batch_norms, "batch norm") + ", " +
                     counted(i.dropouts, "dropout");
  if (i.batch_norms + i.dropouts == 0) return paragraph("layers", text);
  if (!i.baked_modes)
    text += "; their mode follows train() and eval()";
  else if (i.baked_batch_norms + i.baked_dropouts == 0)
    text += "; their mode was baked in, as evaluation";
  else
    text += "; their mode was baked in, " +
            std::to_string(i.baked_batch_norms) + " and " +
            std::to_string(i.baked_dropouts) +
            " of them as training, which was set to evaluation";
  return paragraph("layers", text);
}

std::string blocks_text(const Inspection& i) {
  std::vector<std::vector<std::string>> rows{{"block", "parameters", "output"}};
  for (size_t b = 0; b < i.blocks.size(); ++b) {
    const bool head = b + 1 == i.blocks.size();
    rows.push_back(
        {(head ? "head" : std::to_string(b)) + "  " + i.blocks[b].name,
         std::to_string(i.blocks[b].num_parameters),
         sizes(i.blocks[b].output_size, "x")});
  }
  return table(rows, std::string(10, ' '));
}

}  // namespace

std::string inspection_text(const Inspection& i) {
  std::string out = form_text(i) + members_text(i) + input_text(i) +
                    head_text(i) + modes_text(i);
  out +=
      paragraph("classes", i.classes.empty() ? "not named"
                                             : listed(quoted(i.classes), 12));
  for (const auto& text : i.notes) out += paragraph("note", text);
  out += paragraph(
      "proof", "with its head replaced and put back, the logits differ by " +
                   brief(i.proof_difference) + " at most");
  return out + blocks_text(i);
}

}  // namespace engraft::cli
