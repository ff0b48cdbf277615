#pragma once

#include <optional>
#include <vector>

#include "engraft/cache/row_cache.h"
#include "engraft/policy/evidence.h"

namespace engraft {

/// As to_json gave it.
Evidence evidence_from(const Json& json);

/// Evidence as the cache keeps it: its JSON, filled up with zeros.
class StoredEvidence {
 public:
  /// That of these pictures with this chain; nothing is kept without a cache.
  /// counts  of what they were drawn from, which it depends on too
  StoredEvidence(const BlockChain& chain, const EvidenceOptions& options,
                 const std::vector<Sample>& samples,
                 const std::vector<int64_t>& counts);

  /// Nothing where none is kept.
  std::optional<Evidence> read() const;
  void write(const Evidence& evidence);

 private:
  RowCache rows_;
  RowKey key_;
};

}  // namespace engraft
