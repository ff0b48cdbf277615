#pragma once

#include <istream>
#include <optional>

namespace engraft {

/// What processors did since some moment, in seconds of one processor.
struct ProcessorUse {
  double all = 0;  ///< by all processes, and by other guests of the host
  double own = 0;  ///< by this process
};

/// Seconds in which the machine's processors were busy or taken away, since it
/// started, from the first line of /proc/stat (proc(5)), given the ticks in a
/// second; nothing if that line is something else.
std::optional<double> busy_seconds(std::istream& stat, double ticks);

/// As it stands now; nothing where the system does not say.
std::optional<ProcessorUse> processor_use();

/// Whether what others used, and as many threads as compute here, are more than
/// there are processors.
/// \param used  within `seconds`
bool is_crowded(const ProcessorUse& used, double seconds, int threads,
                int processors);

}  // namespace engraft
