#include "eval/note_files.h"

#include <ranges>

namespace engraft {

void note_files(const std::vector<LeftOut>& files, const std::string& what,
                const EvalNote& note) {
  if (!note) return;
  constexpr size_t kMostNamed = 10;
  for (const auto& file : files | std::views::take(kMostNamed))
    note(file.path + ": " + what + " (" + file.reason + ")");
  if (files.size() <= kMostNamed) return;
  const size_t more = files.size() - kMostNamed;
  note("and " + std::to_string(more) + " more file" + (more == 1 ? "" : "s") +
       " " + what);
}

}  // namespace engraft
