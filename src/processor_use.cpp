#include "processor_use.h"

#include <time.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace engraft {
namespace {

// What a quiet machine does all the time anyway, in processors.
constexpr double kBackground = 0.25;

}  // namespace

std::optional<double> busy_seconds(std::istream& stat, double ticks) {
  std::string name;
  double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0,
         soft_interrupts = 0, stolen = 0;
  stat >> name >> user >> nice >> system >> idle >> waiting >> interrupts >>
      soft_interrupts >> stolen;
  if (!stat || name != "cpu") return std::nullopt;
  return (user + nice + system + interrupts + soft_interrupts + stolen) / ticks;
}

std::optional<ProcessorUse> processor_use() {
  std::ifstream stat("/proc/stat");
  const auto all =
      busy_seconds(stat, static_cast<double>(sysconf(_SC_CLK_TCK)));
  timespec own{};
  if (!all || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own) != 0)
    return std::nullopt;
  return ProcessorUse{
      *all, static_cast<double>(own.tv_sec) + 1e-9 * double(own.tv_nsec)};
}

bool is_crowded(const ProcessorUse& used, double seconds, int threads,
                int processors) {
  if (!(seconds > 0) || threads < 2) return false;
  const double others = (used.all - used.own) / seconds;
  return others + threads > processors + kBackground;
}

}  // namespace engraft
