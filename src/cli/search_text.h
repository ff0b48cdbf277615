#pragma once

#include <string>

#include "engraft/train/search.h"

namespace engraft::cli {

/// Parts of the pictures, the space, and what an earlier run has done already.
std::string search_start_text(const SearchStart& start);

std::string trial_header();
/// One line a finished trial, under trial_header; of a failed one its reason.
std::string trial_line(const TrialResult& trial);
/// Header and all lines.
std::string trial_table(const std::vector<TrialResult>& trials);

/// The table, the winner with its test and its command line.
std::string search_text(const SearchResult& result);

}  // namespace engraft::cli
