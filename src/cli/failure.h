#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <ostream>
#include <string>

#include "engraft/error.h"
#include "out_of_memory.h"

namespace engraft::cli {

constexpr int kGateNotMet = 1;
constexpr int kOurBug = 70;
constexpr int kInterrupted = 130;

inline void say_internal(const std::string& text, std::ostream& err) {
  err << "engraft: internal: "
      << (says_out_of_memory(text) ? "out of memory; a smaller --batch-size or "
                                     "--input-size needs less"
                                   : text)
      << '\n';
}

/// Says what went wrong in one line and returns what to exit with.
inline int report_failure(const std::exception_ptr& failure,
                          std::ostream& err) {
  try {
    std::rethrow_exception(failure);
  } catch (const Error& error) {
    err << "engraft: " << error.what() << '\n';
    return static_cast<int>(error.fault);
  } catch (const c10::Error& error) {  // what() would add a stack trace
    say_internal(error.what_without_backtrace(), err);
  } catch (const std::bad_alloc&) {
    say_internal("out of memory", err);
  } catch (const std::exception& error) {
    say_internal(error.what(), err);
  } catch (...) {
    err << "engraft: internal: unknown failure\n";
  }
  return kOurBug;
}

}  // namespace engraft::cli
