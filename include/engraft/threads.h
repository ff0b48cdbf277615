#pragma once

namespace engraft {

/// Lets the threads that compute and the threads that decode share the cores.
///
/// GNU's OpenMP lets a thread that waits for the others of its team burn its
/// core for milliseconds, as long as its teams have no more threads than there
/// are cores. The threads that decode do not count there, so that they and the
/// waiting ones starve each other. This parks a second, idle team: then a
/// waiting thread goes to sleep soon. For programs that use Loader; later
/// calls do nothing. OMP_WAIT_POLICY and GOMP_SPINCOUNT still win.
void share_cores();

/// Lets the C library keep freed activations for the next layer instead of
/// giving them back to the system, whose page faults then take a third of an
/// inference's time. For a program's main, before its first allocation of
/// size; nothing outside of glibc.
void keep_memory();

}  // namespace engraft
