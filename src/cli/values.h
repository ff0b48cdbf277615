#pragma once

#include <algorithm>
#include <charconv>
#include <string>
#include <type_traits>

#include "engraft/options.h"

namespace engraft::cli {

/// "1.5" as people write it; std::from_chars refuses a leading '+'.
template <typename Number>
void parse_number(const std::string& flag, const std::string& text,
                  Number& value) {
  const size_t skip = text.size() > 1 && text[0] == '+' ? 1 : 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + skip, end, value);
  if (error == std::errc::result_out_of_range)
    fail(Fault::usage, flag, ": ", text, " is too large or too small");
  if (error != std::errc() || stop != end)
    fail(Fault::usage, flag, ": '", text, "' is not ",
         std::is_integral_v<Number> ? "a whole number" : "a number");
}

/// Reads one option's value from the command line.
/// Throws Error(Fault::usage) that names the flag.
template <typename T>
void parse_value(const std::string& flag, const std::string& text, T& value) {
  if constexpr (std::is_enum_v<T>) {
    value = parse_enum<T>(text, flag);
  } else if constexpr (requires { value.has_value(); }) {
    typename T::value_type inner{};
    parse_value(flag, text, inner);
    value = inner;
  } else if constexpr (std::is_arithmetic_v<T>) {
    parse_number(flag, text, value);
  } else if constexpr (std::is_same_v<T, NumberList>) {
    value.values.clear();
    for (size_t begin = 0; begin <= text.size();) {
      const size_t end = std::min(text.find(',', begin), text.size());
      parse_number(flag, text.substr(begin, end - begin),
                   value.values.emplace_back());
      begin = end + 1;
    }
  } else {
    value = text;
  }
}

/// What stands behind a flag in --help: N, X, X,..., TEXT or a|b|c.
template <typename T>
std::string placeholder() {
  if constexpr (std::is_enum_v<T>) {
    // Many names go on in the next line of the help.
    constexpr size_t kWidth = 50;
    std::string out;
    for (const auto& name : EnumNames<T>::value) {
      if (!out.empty()) out += '|';
      const size_t line = out.rfind('\n') + 1;  // 0 behind npos
      if (out.size() - line > kWidth) out += "\n      ";
      out += name;
    }
    return out;
  } else if constexpr (requires(T value) { value.has_value(); }) {
    return placeholder<typename T::value_type>();
  } else if constexpr (std::is_integral_v<T>) {
    return "N";
  } else if constexpr (std::is_floating_point_v<T>) {
    return "X";
  } else if constexpr (std::is_same_v<T, NumberList>) {
    return "X,...";
  } else {
    return "TEXT";
  }
}

/// "0 to 10"; a bound that nobody meets is not mentioned.
std::string describe(const Range& range);
inline std::string describe(const Any&) { return ""; }

inline std::string describe_default(const std::string& text) { return text; }
std::string describe_default(double number);
std::string describe_default(const NumberList& list);
inline std::string describe_default(int64_t number) {
  return std::to_string(number);
}

/// `help` with range and default, as in "rate (0 to 10; default 0.9)". The
/// value is the one before parsing.
template <typename T, typename Allowed>
std::string with_note(std::string help, const T& value,
                      const Allowed& allowed) {
  std::string note = describe(allowed), initial;
  if constexpr (std::is_enum_v<T>)
    initial = name_of(value);
  else if constexpr (requires { describe_default(value); })
    initial = describe_default(value);
  if (!initial.empty())
    note += (note.empty() ? "" : "; ") + ("default " + initial);
  if (note.empty()) return help;
  if (!help.ends_with(")")) return help + " (" + note + ")";
  help.pop_back();
  return help + (help.ends_with("(") ? "" : "; ") + note + ")";
}

}  // namespace engraft::cli
