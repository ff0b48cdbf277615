#include "eval/class_names.h"

#include <algorithm>
#include <cctype>
#include <map>

#include "engraft/error.h"
#include "engraft/nearest.h"

namespace engraft {
namespace {

/// Lower case, '_' as space, no space at the ends.
std::string plain(const std::string& name) {
  std::string out;
  for (const char c : name)
    out += c == '_'
               ? ' '
               : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const size_t first = out.find_first_not_of(' ');
  if (first == std::string::npos) return "";
  return out.substr(first, out.find_last_not_of(' ') - first + 1);
}

std::vector<std::string> synonyms(const std::string& name) {
  std::vector<std::string> out;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t comma = std::min(name.find(',', begin), name.size());
    out.push_back(plain(name.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  return out;
}

/// What a name may mean, in the order of preference.
struct Meanings {
  std::map<std::string, std::vector<int64_t>> exact, whole, synonym;
  std::vector<std::string> all;  ///< every synonym, for the nearest ones

  explicit Meanings(const std::vector<std::string>& classes) {
    for (size_t i = 0; i < classes.size(); ++i) {
      const auto index = static_cast<int64_t>(i);
      exact[classes[i]].push_back(index);
      whole[plain(classes[i])].push_back(index);
      for (const auto& word : synonyms(classes[i])) {
        auto& found = synonym[word];
        if (found.empty() || found.back() != index) found.push_back(index);
        all.push_back(word);
      }
    }
  }

  std::vector<int64_t> of(const std::string& name) const {
    if (const auto it = exact.find(name); it != exact.end()) return it->second;
    for (const auto* table : {&whole, &synonym})
      if (const auto it = table->find(plain(name)); it != table->end())
        return it->second;
    return {};
  }
};

std::string quoted_list(const std::vector<std::string>& names, size_t limit) {
  std::string out;
  for (size_t i = 0; i < std::min(limit, names.size()); ++i)
    out += (i ? ", '" : "'") + names[i] + "'";
  if (names.size() > limit)
    out += ", ... (" + std::to_string(names.size()) + " in all)";
  return out;
}

[[noreturn]] void refuse_unknown(const std::string& data,
                                 const std::string& name,
                                 const Meanings& meanings,
                                 const std::vector<std::string>& classes) {
  const auto near = nearest_names(plain(name), meanings.all, 3);
  fail(Fault::data, data, ": '", name, "' is no class of the model",
       near.empty() ? "" : "; near: " + quoted_list(near, 3),
       ". Its classes: ", quoted_list(classes, 8),
       ". Rename the folder to one of them");
}

}  // namespace

std::vector<int64_t> match_classes(const std::string& data,
                                   const std::vector<std::string>& names,
                                   const std::vector<std::string>& classes) {
  const Meanings meanings(classes);
  std::vector<int64_t> out;
  for (const auto& name : names) {
    const auto found = meanings.of(name);
    if (found.empty()) refuse_unknown(data, name, meanings, classes);
    if (found.size() > 1)
      fail(Fault::data, data, ": '", name, "' may be class ", found[0], " '",
           classes[found[0]], "' or class ", found[1], " '", classes[found[1]],
           "': rename the folder to the full name of one");
    const auto before = std::find(out.begin(), out.end(), found[0]);
    if (before != out.end())
      fail(Fault::data, data, ": '", names[before - out.begin()], "' and '",
           name, "' are both class '", classes[found[0]],
           "' of the model: put them into one folder");
    out.push_back(found[0]);
  }
  return out;
}

}  // namespace engraft
