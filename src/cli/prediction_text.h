#pragma once

#include <string>

#include "engraft/eval/predict.h"

namespace engraft::cli {

/// A CSV header line; "" for the other formats.
/// sampled  masks were: each probability has its spread
std::string prediction_header(ListFormat format, int64_t top, bool sampled);

/// The lines for one picture. An unreadable one has a line in jsonl only.
std::string prediction_text(const Prediction& prediction, ListFormat format,
                            int64_t top);

/// A CSV field, quoted where RFC 4180 wants it.
std::string csv_field(const std::string& text);

}  // namespace engraft::cli
