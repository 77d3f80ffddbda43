// SPDX-License-Identifier: Apache-2.0
// Linked into the product's programs in a sanitizer build: how the sanitizers run there. Most tests
// start them with a clean environment, so that variables could not say it. Reports go to files, one
// a process, since nobody reads what a daemon prints at its end; tests/sanitizers/reports shows
// them.

#include <unistd.h>

#include <fstream>
#include <string>

// The runtime is a library of its own, and finds what a program exports.
#define EXPORTED extern "C" __attribute__((visibility("default")))

EXPORTED const char* __asan_default_options();
EXPORTED int __lsan_is_turned_off();
EXPORTED const char* __lsan_default_suppressions();
EXPORTED const char* __tsan_default_options();

/// Freed memory is overwritten, as by the allocator that sanitizers replace: the tests look for
/// values in it. Libraries may be preloaded before the runtime (libfaketime).
const char* __asan_default_options() {
    return "log_path=" SANITIZER_REPORTS
           "/address:log_exe_name=1"
           ":max_free_fill_size=268435456:free_fill_byte=0"
           ":verify_asan_link_order=0";
}

/// Looking for leaks needs ptrace(): on a process that forbids dumps only root may use it, and
/// nobody on one that is traced already.
int __lsan_is_turned_off() {
    std::ifstream status("/proc/self/status");
    std::string line;
    while (std::getline(status, line)) {
        if (line.starts_with("TracerPid:")) break;
    }
    return geteuid() != 0 || line != "TracerPid:\t0";
}

/// Leaves out what the libraries of Slurm and munge never free.
const char* __lsan_default_suppressions() {
    return "leak:libslurm\nleak:libmunge\n";
}

const char* __tsan_default_options() {
    return "log_path=" SANITIZER_REPORTS "/thread:log_exe_name=1:second_deadlock_stack=1";
}
