#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace engraft {

struct CsvRow {
  int64_t line = 0;  ///< of its first character, from 1
  std::vector<std::string> fields;
};

/// The rows of a CSV file that are not blank (RFC 4180: quotes hold commas,
/// line ends and doubled quotes). A byte order mark, CR LF and spaces around
/// unquoted fields are dropped. Throws Error(Fault::data) with file:line.
std::vector<CsvRow> read_csv(const std::string& path);

}  // namespace engraft
