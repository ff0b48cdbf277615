#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "engraft/policy/plan.h"
#include "policy/words.h"

namespace engraft {

/// Collects decisions; an option that is set wins and is named.
class Decisions {
 public:
  explicit Decisions(std::vector<Reason>& reasons) : reasons_(reasons) {}

  template <typename T>
  T decide(const char* name, const std::optional<T>& option, T own,
           const std::string& because) {
    const T value = option.value_or(own);
    add(name, spell(value), option ? text("given: --", name) : because);
    return value;
  }
  /// The decision before, when it cannot be kept to.
  void correct(const std::string& value, const std::string& because) {
    reasons_.back().value = value;
    reasons_.back().because = because;
  }
  void add(const std::string& name, const std::string& value,
           const std::string& because) {
    reasons_.push_back({name, value, because});
  }

 private:
  template <typename T>
  static std::string spell(const T& value) {
    if constexpr (std::is_enum_v<T>)
      return std::string(name_of(value));
    else
      return text(value);
  }
  std::vector<Reason>& reasons_;
};

}  // namespace engraft
