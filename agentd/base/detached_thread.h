// SPDX-License-Identifier: Apache-2.0
#pragma once
// Starts threads for calls that may hang and cannot be interrupted, such as those of the name
// service.

#include <cstddef>

namespace secrets {

/// Starts a thread that gets no signal, since those are the loop's, and for which nothing waits, at
/// the end of the process neither. Returns false if that fails.
bool start_detached_thread(std::size_t stack_bytes, void* (*run)(void*), void* argument);

}  // namespace secrets
