// SPDX-License-Identifier: Apache-2.0
#pragma once
// Starts threads for calls that may hang and cannot be interrupted, such as those of the name
// service.

#include <cstddef>

namespace secrets {

/// Starts a thread that gets no signals, which are the loop's. Nothing waits for its end, not even
/// the end of the process. Returns false if the thread cannot be started.
bool start_detached_thread(std::size_t stack_bytes, void* (*run)(void*), void* argument);

}  // namespace secrets
