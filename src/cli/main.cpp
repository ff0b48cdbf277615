#include <csignal>
#include <cstdlib>
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
    const engraft::WatchCores watch;
    code = engraft::cli::run(argc, argv);
  } catch (...) {
    code = engraft::cli::report_failure(std::current_exception(), std::cerr);
  }
  std::cout.flush();
  if (!std::cout) {
    std::cerr << "engraft: cannot write to standard output\n";
    code = static_cast<int>(engraft::Fault::io);
  }
  std::cerr.flush();
#ifndef __SANITIZE_ADDRESS__  // which looks for leaks at a normal end
  // Taking LibTorch's registry of operators apart takes a tenth of a second.
  std::_Exit(code);
#endif
  return code;
}
