#pragma once

#include <istream>
#include <optional>
#include <vector>

namespace engraft {

/// What the processors that this process may run on did since some moment, in
/// seconds of one of them.
struct ProcessorUse {
  double all = 0;  ///< by all processes, and what the host says it took away
  double own = 0;  ///< by this process
};

/// Numbers of the processors that this process may run on (sched_getaffinity).
/// Shares of them that a container is given (CPU quotas) are not looked at.
std::vector<int> own_processors();

/// Seconds in which some processors were busy or taken away since the machine
/// started, by their lines in /proc/stat (proc(5)), with so many ticks in a
/// second. Nothing if one of them is not there, or all are zero, as some
/// sandboxes have it.
std::optional<double> busy_seconds(std::istream& stat,
                                   const std::vector<int>& processors,
                                   double ticks);

/// As it stands now; nothing where the system does not say.
std::optional<ProcessorUse> processor_use(const std::vector<int>& processors);

/// Whether what others used, and as many threads as compute here, are more than
/// there are processors.
/// \param used  within `seconds`
bool is_crowded(const ProcessorUse& used, double seconds, int threads,
                int processors);

}  // namespace engraft
