#include "engraft/train/search_space.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <sstream>

#include "data/content_hash.h"
#include "digits.h"
#include "engraft/nearest.h"

namespace engraft {
namespace {

constexpr size_t kMostPoints = 100000;

/// What trials share: where results go, how pictures are split, how fast.
constexpr const char* kShared[] = {
    "out",     "preview",      "curves",         "cache",        "cache-limit",
    "threads", "verbose",      "device",         "val-fraction", "split-seed",
    "crops",   "average",      "scales",         "inference",    "mean",
    "std",     "cache-memory", "skip-unreadable"};
/// What trials have given (blocks), and what makes more models than one.
constexpr const char* kOfTrain[] = {"deeper", "snapshots"};

template <typename Names>
bool is_in(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != std::ranges::end(names);
}

template <typename T>
std::optional<T> number(const std::string& text) {
  T value{};
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

/// A choice as JSON of the option's kind; the text itself when it is none.
template <typename T>
Json choice_of(const std::string& text) {
  if constexpr (requires(T value) { value.has_value(); }) {
    return text == "auto" ? Json() : choice_of<typename T::value_type>(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    return text == "true"    ? Json(true)
           : text == "false" ? Json(false)
                             : Json(text);
  } else if constexpr (std::is_arithmetic_v<T>) {
    const auto value = number<T>(text);
    return value ? Json(*value) : Json(text);
  } else {
    return text;
  }
}

template <typename T>
struct Inner {
  using type = T;
};
template <typename T>
struct Inner<std::optional<T>> {
  using type = T;
};

template <typename T>
constexpr bool is_number =
    std::is_arithmetic_v<typename Inner<T>::type> && !std::is_same_v<T, bool>;

template <typename T, typename Allowed>
void set_checked(const std::string& name, const Json& json, T& value,
                 const Allowed& allowed) {
  try {
    read_value("--" + name, json, value);
  } catch (const Json::exception&) {
    fail(Fault::usage, "--", name, ": ", json.dump(),
         " is not of this option's kind");
  }
  check_allowed(name, value, allowed);
}

/// Calls visit(value, allowed) on the field of that name; false without one.
template <typename Visit>
bool with_field(TrainOptions& options, const std::string& name,
                const Visit& visit) {
  bool found = false;
  TrainOptions::fields(options, [&](const char* field, auto& value, const char*,
                                    const auto& allowed) {
    if (name != field) return;
    found = true;
    visit(value, allowed);
  });
  return found;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) out.push_back(part);
  if (text.empty() || text.back() == ',') out.emplace_back();
  return out;
}

/// "low..high" or "low..high:log"; false when it is something else.
bool read_range(std::string text, SearchDimension& out) {
  const size_t dots = text.find("..");
  if (dots == std::string::npos) return false;
  const bool logarithmic = text.ends_with(":log");
  if (logarithmic) text.resize(text.size() - 4);
  const auto low = number<double>(text.substr(0, dots));
  const auto high = number<double>(text.substr(dots + 2));
  if (!low || !high)
    fail(Fault::usage, "--try ", out.name, ": '", text,
         "' is not low..high or low..high:log");
  out.draw = logarithmic ? Draw::log_uniform : Draw::uniform;
  out.low = *low;
  out.high = *high;
  if (!(out.low < out.high))
    fail(Fault::usage, "--try ", out.name, ": ", text,
         ": the first number is to be below the second");
  if (logarithmic && out.low <= 0)
    fail(Fault::usage, "--try ", out.name, ": ", text,
         ": a logarithmic range begins above 0");
  return true;
}

std::vector<std::string> searchable_names() {
  std::vector<std::string> out;
  const Json all = to_json(TrainOptions());
  for (const auto& [name, value] : all.items())
    if (!is_in(kOfTrain, name) && !is_in(kShared, name)) out.push_back(name);
  return out;
}

void check_name(const std::string& name) {
  const auto known = searchable_names();
  if (is_in(known, name)) return;
  if (is_in(kOfTrain, name))
    fail(Fault::usage, "--try ", name, ": --", name,
         " belongs to train: a trial has its blocks given and keeps one model");
  if (is_in(kShared, name))
    fail(Fault::usage, "--try ", name,
         ": is the same for all trials, or they could not be compared");
  fail(Fault::usage, "--try ", name, ": unknown option '", name, "'",
       did_you_mean(name, known));
}

/// Every choice, or both ends, against what the option allows.
void check_values(const SearchDimension& dimension) {
  TrainOptions scratch;
  const auto check = [&](const Json& value) {
    set_options(scratch, {{dimension.name, value}});
  };
  if (dimension.draw == Draw::choice) {
    for (const Json& value : dimension.choices) check(value);
  } else {
    check(draw(dimension, 0));
    check(draw(dimension, std::nextafter(1.0, 0.0)));
  }
}

SearchDimension dimension_of(const std::string& name,
                             const std::string& values) {
  check_name(name);
  SearchDimension out;
  out.name = name;
  TrainOptions scratch;
  with_field(scratch, name, [&](auto& value, const auto&) {
    using T = std::decay_t<decltype(value)>;
    if constexpr (is_number<T>) {
      out.whole = std::is_integral_v<typename Inner<T>::type>;
      if (read_range(values, out)) return;
    }
    for (const std::string& text : split(values))
      out.choices.push_back(choice_of<T>(text));
  });
  check_values(out);
  return out;
}

SearchDimension dimension_of(const std::string& path, const std::string& name,
                             const Json& values) {
  if (values.is_string()) return dimension_of(name, values.get<std::string>());
  if (!values.is_array() || values.empty())
    fail(Fault::usage, path, ": ", name,
         ": write [a, b, c], \"low..high\" or \"low..high:log\"");
  check_name(name);
  SearchDimension out;
  out.name = name;
  out.choices.assign(values.begin(), values.end());
  check_values(out);
  return out;
}

}  // namespace

SearchDimension parse_dimension(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    fail(Fault::usage, "--try ", text,
         ": write NAME=a,b,c, NAME=low..high or NAME=low..high:log");
  const size_t begin = text.starts_with("--") ? 2 : 0;
  return dimension_of(text.substr(begin, equals - begin),
                      text.substr(equals + 1));
}

SearchSpace make_space(const std::string& path,
                       const std::vector<std::string>& texts) {
  SearchSpace out;
  const Json file = path.empty() ? Json::object() : read_json_object(path);
  for (const auto& [name, values] : file.items())
    out.push_back(dimension_of(path, name, values));
  for (const std::string& text : texts) {
    SearchDimension dimension = parse_dimension(text);
    if (std::ranges::count(out, dimension.name, &SearchDimension::name))
      fail(Fault::usage, "--try ", dimension.name, ": is given twice");
    out.push_back(std::move(dimension));
  }
  return out;
}

void refuse_fixed(const SearchSpace& space, const TrainOptions& fixed) {
  const Json given = to_json(fixed), initial = to_json(TrainOptions());
  for (const SearchDimension& dimension : space)
    if (given.at(dimension.name) != initial.at(dimension.name))
      fail(Fault::usage, "--try ", dimension.name, ": --", dimension.name, " ",
           given.at(dimension.name).dump(),
           " fixes it already: leave one of them out");
}

Json draw(const SearchDimension& dimension, double u) {
  if (dimension.draw == Draw::choice) {
    const auto count = static_cast<double>(dimension.choices.size());
    return dimension.choices.at(static_cast<size_t>(u * count));
  }
  const double half = dimension.whole ? 0.5 : 0;
  const double low = dimension.low - half, high = dimension.high + half;
  const double value = dimension.draw == Draw::uniform
                           ? low + u * (high - low)
                           : low * std::pow(high / low, u);
  const double inside =
      std::clamp(dimension.whole ? std::round(value) : as_brief(value),
                 dimension.low, dimension.high);
  return dimension.whole ? Json(static_cast<int64_t>(inside)) : Json(inside);
}

TrialOptions sample(const SearchSpace& space, int64_t seed, int64_t number) {
  TrialOptions out = Json::object();
  for (const SearchDimension& dimension : space) {
    const ContentHash hash =
        content_hash("search " + std::to_string(seed) + " " +
                     std::to_string(number) + " " + dimension.name);
    out[dimension.name] =
        draw(dimension, static_cast<double>(hash.high >> 11) * 0x1p-53);
  }
  return out;
}

std::vector<TrialOptions> grid(const SearchSpace& space) {
  std::vector<TrialOptions> out{Json::object()};
  for (const SearchDimension& dimension : space) {
    if (dimension.draw != Draw::choice)
      fail(Fault::usage, "--method grid: ", dimension.name,
           " is a range, which has no points: list them as a,b,c");
    if (out.size() * dimension.choices.size() > kMostPoints)
      fail(Fault::usage, "--method grid: the space has more than ", kMostPoints,
           " points");
    std::vector<TrialOptions> longer;
    for (const TrialOptions& options : out)
      for (const Json& value : dimension.choices) {
        longer.push_back(options);
        longer.back()[dimension.name] = value;
      }
    out = std::move(longer);
  }
  return out;
}

std::vector<TrialOptions> distinct_samples(
    const SearchSpace& space, int64_t seed, int64_t count,
    const std::function<TrialOptions(TrialOptions)>& reduce) {
  constexpr int64_t kMostDraws = 100;  // for each that is wanted
  std::vector<TrialOptions> out;
  for (int64_t i = 1; i <= kMostDraws * count && std::ssize(out) < count; ++i) {
    TrialOptions options = reduce(sample(space, seed, i));
    if (!std::ranges::count(out, options)) out.push_back(std::move(options));
  }
  return out;
}

void set_options(TrainOptions& options, const TrialOptions& values) {
  for (const auto& [name, json] : values.items()) {
    const std::string option = name;
    with_field(options, option,
               [&, &value_json = json](auto& value, const auto& allowed) {
                 set_checked(option, value_json, value, allowed);
               });
  }
}

Json to_json(const SearchSpace& space) {
  Json out = Json::object();
  for (const SearchDimension& d : space) {
    if (d.draw == Draw::choice)
      out[d.name] = d.choices;
    else
      out[d.name] = Json(d.low).dump() + ".." + Json(d.high).dump() +
                    (d.draw == Draw::log_uniform ? ":log" : "");
  }
  return out;
}

}  // namespace engraft
