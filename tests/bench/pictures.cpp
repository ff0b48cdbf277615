#include "bench/pictures.h"

#include <cstdlib>

#include "support/tiny_images.h"

namespace engraft::bench {
namespace {

constexpr size_t kMost = 64;

std::vector<Sample> find_pictures() {
  std::vector<Sample> out;
  if (const char* data = std::getenv("ENGRAFT_BENCH_DATA"); data && *data) {
    const auto paths = list_pictures({data}).paths;
    for (size_t i = 0; i < std::min(kMost, paths.size()); ++i) {
      const std::string& path =
          paths[i * paths.size() / kMost % std::max<size_t>(paths.size(), 1)];
      out.push_back({path, 0, path});
    }
  }
  if (!out.empty()) return out;
  static const test::TempFolder folder;
  const auto path = test::write_picture(folder / "picture.jpg",
                                        test::blob_picture(375, 500, 1));
  return {{path, 0, path}};
}

}  // namespace

const std::vector<Sample>& pictures() {
  static const std::vector<Sample> found = find_pictures();
  return found;
}

}  // namespace engraft::bench
