#include "policy/stored_evidence.h"

#include <cstring>
#include <string>

#include "data/content_hash.h"

namespace engraft {
namespace {

constexpr int64_t kStoredBytes = 16 << 10;
constexpr int64_t kVersion = 6;

}  // namespace

StoredEvidence::StoredEvidence(const BlockChain& chain,
                               const EvidenceOptions& options,
                               const std::vector<Sample>& samples,
                               const std::vector<int64_t>& counts)
    : rows_(row_cache_options(options.cache),
            content_hash("evidence " + std::to_string(kVersion) + " " +
                         chain.fingerprint(chain.num_blocks() + 1) + " " +
                         to_json(options.input).dump())
                .hex(),
            kStoredBytes, {{"view", "evidence"}}) {
  std::string pictures;
  for (const Sample& s : samples)
    pictures += s.content + " " + std::to_string(s.label) + "\n";
  for (const int64_t count : counts) pictures += std::to_string(count) + "\n";
  const ContentHash hash = content_hash(pictures);
  key_ = {hash.high, hash.low};
}

std::optional<Evidence> StoredEvidence::read() const {
  std::string text(kStoredBytes, '\0');
  if (!rows_.read(key_, text.data())) return std::nullopt;
  text.resize(std::strlen(text.c_str()));
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return evidence_from(json);
}

void StoredEvidence::write(const Evidence& evidence) {
  std::string text = to_json(evidence).dump();
  if (text.size() >= kStoredBytes) return;
  text.resize(kStoredBytes, '\0');
  rows_.add(key_, text.data());
  rows_.flush();
}

}  // namespace engraft
