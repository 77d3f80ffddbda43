#pragma once
// What is done once at start so that no value leaves this process by way of swap, a core file or a
// debugger.

#include <cstddef>

#include "common/base/result.h"

namespace secrets {

/// Locks all memory of this process, now and later, and checks that `secret_bytes` more can be
/// locked. The Error says which limit to raise to what.
Failure lock_memory(std::size_t secret_bytes);

/// Denies core files and, to all but root, debuggers. On failure a value that a request brings
/// could be read by others of this user: the agent must not start.
Failure forbid_dumps();

/// Sets the limit of core files to 0, too. After forbid_dumps() the kernel writes none whatever the
/// limit is, so a failure is worth a line in the log and no more.
Failure lower_core_limit();

/// Has OpenSSL overwrite the memory that it frees. Fails if OpenSSL is in use already.
Failure wipe_memory_of_openssl();

/// Whether pages of plain memory could be written to a disk while nobody has them locked.
bool swap_is_active();

}  // namespace secrets
