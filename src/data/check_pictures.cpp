#include <algorithm>
#include <atomic>
#include <exception>
#include <opencv2/core/version.hpp>
#include <thread>

#include "data/bytes.h"
#include "data/content_hash.h"
#include "data/decode.h"
#include "data/listing.h"
#include "engraft/cache/row_cache.h"
#include "engraft/error.h"

namespace engraft {
namespace {

struct Checked {
  RowKey key;
  bool known = false;
  std::string reason;  ///< empty, or why the picture cannot be used
};

/// Pictures that were decoded before. Another OpenCV may judge otherwise.
RowCache decoded_before(const std::string& folder) {
  RowCacheOptions options;
  options.folder = folder;
  options.disk_limit = kNoLimit;  // of some bytes a picture
  return {options, content_hash("decodes OpenCV " CV_VERSION).hex(),
          /*row_bytes=*/1, Json{{"view", "pictures that decode"}}};
}

Checked check(Entry& entry, const RowCache& known) {
  Checked out;
  try {
    const std::vector<uint8_t> bytes = read_bytes(entry.path);
    const ContentHash hash = content_hash(bytes);
    entry.content = hash.hex();
    out.key = {hash.high, hash.low};
    out.known = known.contains(out.key);
    if (!out.known) decode_bytes(bytes, /*min_side=*/1);
  } catch (const Error& error) {
    out.reason = error.what();
  }
  return out;
}

}  // namespace

std::vector<LeftOut> check_pictures(std::vector<Entry>& entries,
                                    int64_t threads, const std::string& cache) {
  RowCache known = decoded_before(cache);
  std::vector<Checked> checked(entries.size());
  std::atomic<size_t> next = 0;
  std::exception_ptr broken;
  std::atomic_flag is_broken;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < entries.size(); i = next++)
        checked[i] = check(entries[i], known);
    } catch (...) {
      if (!is_broken.test_and_set()) broken = std::current_exception();
    }
  };
  {
    if (threads <= 0) threads = std::thread::hardware_concurrency();
    threads = std::clamp<int64_t>(threads, 1, 256);
    std::vector<std::jthread> workers;
    for (int64_t i = 1; i < threads; ++i) workers.emplace_back(work);
    work();
  }
  if (broken) std::rethrow_exception(broken);
  std::vector<LeftOut> unreadable;
  std::vector<Entry> kept;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!checked[i].reason.empty()) {
      unreadable.push_back({entries[i].path, checked[i].reason});
      continue;
    }
    kept.push_back(std::move(entries[i]));
    if (!checked[i].known) known.add(checked[i].key, "");
  }
  known.flush();
  entries = std::move(kept);
  return unreadable;
}

}  // namespace engraft
