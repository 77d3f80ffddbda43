// SPDX-License-Identifier: Apache-2.0
#pragma once
// Measures taken once at start so that no value leaves this process through swap, a core file or a
// debugger.

#include <cstddef>

#include "common/base/status.h"

namespace secrets {

/// Locks all current and future memory of this process, and checks that `secret_bytes` more can be
/// locked. The Status names the limit to raise and its new value.
Status lock_memory(std::size_t secret_bytes);

/// Denies core files and, to all but root, debuggers. On failure a value that a request brings
/// could be read by others of this user: the agent must not start.
Status forbid_dumps();

/// Sets the limit of core files to 0, too. After forbid_dumps() the kernel writes none whatever the
/// limit is, so a failure is worth a line in the log and no more.
Status lower_core_limit();

/// Has OpenSSL overwrite the memory that it frees. Fails if OpenSSL is in use already.
Status wipe_memory_of_openssl();

/// Has the heap give large blocks back to the kernel as soon as they are freed. All of this
/// process's memory is locked, so what the heap retains is missing from the host.
void return_freed_memory();

/// Whether pages of plain memory could be written to a disk while no process has them locked.
bool swap_is_active();

}  // namespace secrets
