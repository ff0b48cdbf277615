#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <ostream>

#include "engraft/error.h"

namespace engraft::cli {

constexpr int kGateNotMet = 1;
constexpr int kOurBug = 70;
constexpr int kInterrupted = 130;

/// Says what went wrong in one line and returns what to exit with.
inline int report_failure(const std::exception_ptr& failure,
                          std::ostream& err) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    err << "engraft: " << error.what() << '\n';
    return static_cast<int>(error.fault);
  } catch (const c10::Error& error) {  // what() would add a stack trace
    err << "engraft: internal: " << error.what_without_backtrace() << '\n';
  } catch (const std::bad_alloc&) {
    err << "engraft: internal: out of memory; a smaller --batch-size needs "
           "less\n";
  } catch (const std::exception& error) {
    err << "engraft: internal: " << error.what() << '\n';
  } catch (...) {
    err << "engraft: internal: unknown failure\n";
  }
  return kOurBug;
}

}  // namespace engraft::cli
