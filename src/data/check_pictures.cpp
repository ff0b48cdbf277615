#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "data/bytes.h"
#include "data/content_hash.h"
#include "data/decode.h"
#include "data/listing.h"
#include "engraft/error.h"

namespace engraft {
namespace {

/// Empty, or why the picture cannot be used.
std::string check(Entry& entry) try {
  const std::vector<uint8_t> bytes = read_bytes(entry.path);
  entry.content = content_hash(bytes).hex();
  decode_bytes(bytes, /*min_side=*/1);
  return {};
} catch (const Error& error) {
  return error.what();
}

}  // namespace

std::vector<LeftOut> check_pictures(std::vector<Entry>& entries,
                                    int64_t threads) {
  std::vector<std::string> reasons(entries.size());
  std::atomic<size_t> next = 0;
  std::exception_ptr broken;
  std::atomic_flag is_broken;
  const auto work = [&] {
    try {
      for (size_t i = next++; i < entries.size(); i = next++)
        reasons[i] = check(entries[i]);
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
    if (reasons[i].empty())
      kept.push_back(std::move(entries[i]));
    else
      unreadable.push_back({entries[i].path, reasons[i]});
  }
  entries = std::move(kept);
  return unreadable;
}

}  // namespace engraft
