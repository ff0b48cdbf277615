#include <algorithm>
#include <cctype>

#include "engraft/train/search.h"

namespace engraft {
namespace {

/// As a POSIX shell reads it back.
std::string quoted(const std::string& word) {
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) ||
           std::string_view("_-./:=,+%@").find(static_cast<char>(c)) !=
               std::string::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, plain)) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

std::string flag(const std::string& name, const Json& value) {
  if (value.is_boolean())
    return std::string(value.get<bool>() ? " --" : " --no-") + name;
  std::string out = " --" + name;
  if (value.is_string()) return out + " " + quoted(value.get<std::string>());
  if (!value.is_array()) return out + " " + value.dump();
  // Three numbers of colours are three words, any other list is one.
  const char between = name == "mean" || name == "std" ? ' ' : ',';
  for (size_t i = 0; i < value.size(); ++i)
    out.append(1, i == 0 ? ' ' : between).append(value[i].dump());
  return out;
}

}  // namespace

std::string train_command(const TrainOptions& options) {
  std::string out = "engraft train " + quoted(options.base.data);
  const Json initial = to_json(TrainOptions()), given = to_json(options);
  for (const auto& [name, value] : given.items())
    if (value != initial.at(name)) out += flag(name, value);
  return out;
}

Json to_json(const SearchResult& r) {
  Json trials = Json::array();
  for (const TrialResult& trial : r.trials) trials.push_back(to_json(trial));
  Json winner;
  if (r.winner)
    winner = {
        {"trial", r.winner->number},
        {"options", r.winner->options},
        {"as_trained", r.winner->as_trained},
        {"command", r.command},
        {"val",
         {{"accuracy", r.winner->val_accuracy}, {"loss", r.winner->val_loss}}}};
  if (r.trained && r.trained->test) winner["test"] = to_json(*r.trained->test);
  return {{"data", r.data},
          {"out", r.out},
          {"method", std::string(name_of(r.method))},
          {"space", to_json(r.space)},
          {"candidates", r.candidates},
          {"trials", trials},
          {"winner", winner},
          {"out_of_time", r.out_of_time},
          {"interrupted", r.interrupted},
          {"journal", r.journal},
          {"seconds", r.seconds}};
}

}  // namespace engraft
