#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "digits.h"
#include "engraft/json.h"

namespace engraft::cli {

/// "94.8 %" of 0.948.
std::string percent(double share);
/// "0.42", "12.3 s" ... with so many digits behind the point.
std::string fixed(double value, int digits);
/// "0.8 s", "12 s", "2 min 05 s", "1 h 12 min".
std::string duration(double seconds);
/// "1 picture", "3 pictures".
std::string counted(int64_t count, const std::string& noun);
/// The first `limit` items and how many more there are.
std::string listed(const std::vector<std::string>& items, size_t limit);

/// Cells in columns: the first column to the left, the others to the right.
/// Column widths follow the longest cell; each line begins with `indent`.
std::string table(const std::vector<std::vector<std::string>>& rows,
                  const std::string& indent);

/// "head      text" with the text wrapped and indented behind the head.
std::string paragraph(const std::string& head, const std::string& text);

/// One document on one `out`, 2 spaces of indentation, and a line end. Bytes
/// that are not UTF-8 (file names may hold them) are replaced.
void print_json(std::ostream& out, const Json& json);
/// The same in one line.
void print_json_line(std::ostream& out, const Json& json);

/// Said to people beside the results: "note: ..." on standard error.
void note(const std::string& text);

}  // namespace engraft::cli
