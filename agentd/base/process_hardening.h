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

/// Disables core files and debuggers of the same user, which could read the values of other users.
void forbid_dumps();

/// Makes OpenSSL overwrite memory when freeing it. Must be called before any use of OpenSSL.
void wipe_memory_of_openssl();

/// Whether pages of plain memory could be written to a disk while no process has them locked.
bool swap_is_active();

}  // namespace secrets
