#include <csignal>
#include <iostream>

#include "cli/commands.h"
#include "cli/failure.h"
#include "cli/quiet.h"
#include "engraft/threads.h"

int main(int argc, char** argv) {
  // `engraft predict ... | head` ends quietly, also under a parent that
  // ignores the signal.
  std::signal(SIGPIPE, SIG_DFL);
  int code = 0;
  try {
    engraft::keep_memory();
    engraft::cli::quieten_libraries();
    code = engraft::cli::run(argc, argv);
  } catch (...) {
    code = engraft::cli::report_failure(std::current_exception(), std::cerr);
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "engraft: cannot write to standard output\n";
    return static_cast<int>(engraft::Fault::io);
  }
  return code;
}
