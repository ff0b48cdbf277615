#include "processor_use.h"

#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace engraft {
namespace {

// What a quiet machine does all the time anyway: a share of its processors, and
// no more than one of them.
constexpr double kBackground = 0.125, kMostBackground = 1;

/// Ticks of one line that were not idle. Guests' are part of user and nice.
double busy_ticks(std::istream& line) {
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0,
         soft_interrupts = 0, stolen = 0;
  line >> user >> nice >> system >> idle >> waiting >> interrupts >>
      soft_interrupts >> stolen;
  return user + nice + system + interrupts + soft_interrupts + stolen;
}

}  // namespace

std::vector<int> own_processors() {
  std::vector<int> out;
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return out;
  for (int i = 0; i < CPU_SETSIZE; ++i)
    if (CPU_ISSET(i, &mask)) out.push_back(i);
  return out;
}

std::optional<double> busy_seconds(std::istream& stat,
                                   const std::vector<int>& processors,
                                   double ticks) {
  double busy = 0;
  size_t found = 0;
  for (std::string text; std::getline(stat, text);) {
    std::istringstream line(text);
    std::string name;
    line >> name;
    if (!name.starts_with("cpu")) break;  // they are the first lines
    const bool wanted = std::ranges::any_of(processors, [&](int processor) {
      return name == "cpu" + std::to_string(processor);
    });
    if (!wanted) continue;
    busy += busy_ticks(line);
    if (!line) return std::nullopt;
    ++found;
  }
  if (found != processors.size() || busy <= 0) return std::nullopt;
  return busy / ticks;
}

std::optional<ProcessorUse> processor_use(const std::vector<int>& processors) {
  std::ifstream stat("/proc/stat");
  const auto all =
      busy_seconds(stat, processors, static_cast<double>(sysconf(_SC_CLK_TCK)));
  timespec own{};
  if (!all || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own) != 0)
    return std::nullopt;
  return ProcessorUse{*all, static_cast<double>(own.tv_sec) +
                                1e-9 * static_cast<double>(own.tv_nsec)};
}

bool is_crowded(const ProcessorUse& used, double seconds, int threads,
                int processors) {
  if (!(seconds > 0) || threads < 2) return false;
  const double others = (used.all - used.own) / seconds;
  return others + threads >
         processors + std::min(kBackground * processors, kMostBackground);
}

}  // namespace engraft
