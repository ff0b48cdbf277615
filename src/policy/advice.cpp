#include "policy/advice.h"

#include <algorithm>

#include "policy/words.h"

namespace engraft {

std::vector<std::string> advice(const PlanInputs& inputs) {
  std::vector<std::string> out;
  const Evidence& e = inputs.evidence;
  if (!e.measured()) return out;
  constexpr double kWorthSaying = 0.01;
  const double now = e.error_with(e.times_more()),
               twice = e.error_with(2 * e.times_more());
  if (now - twice >= kWorthSaying && now > 2 * e.accuracy_error)
    out.push_back(
        text("twice as many pictures would bring the head's errors from ",
             points(now), " % to about ", points(twice), " %"));
  constexpr double kManyCopies = 0.9;
  if (e.distinct < kManyCopies)
    out.push_back(
        text("only ", points(e.distinct),
             " % of the pictures differ clearly from the others: near-"
             "duplicates teach little, and on both sides of a split they make "
             "results look better than they are"));
  const std::vector<int64_t>& counts = inputs.images_per_class;
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  constexpr int64_t kUnbalanced = 10;
  if (!inputs.balanced && *most >= kUnbalanced * std::max<int64_t>(*least, 1))
    out.push_back(text("the largest class has ", *most,
                       " training pictures, the "
                       "smallest ",
                       *least,
                       ": --class-weights balanced, or more "
                       "pictures there, if all classes matter alike"));
  return out;
}

}  // namespace engraft
