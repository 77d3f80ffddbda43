// SPDX-License-Identifier: Apache-2.0
#pragma once
// What is done once at start so that no value leaves this process by way of swap, a core file or a
// debugger.

#include <cstddef>

#include "common/base/status.h"

namespace secrets {

/// Locks all memory of this process, now and later, and checks that `secret_bytes` more can be
/// locked. The Status says which limit to raise to what.
Status lock_memory(std::size_t secret_bytes);

/// No core file and no debugger of the same user: a value that a request brought is nobody else's.
void forbid_dumps();

/// OpenSSL's memory is overwritten when it is freed. To be called before any use of OpenSSL.
void wipe_memory_of_openssl();

/// Whether pages of plain memory could be written to a disk while nobody has them locked.
bool swap_is_active();

}  // namespace secrets
