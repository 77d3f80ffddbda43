// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <new>

namespace secrets {

/// Calls a function that needs memory, before or after work that must be done without. Returns
/// false if memory ran out.
template <typename Function>
bool if_memory_allows(Function function) {
    try {
        function();
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

}  // namespace secrets
