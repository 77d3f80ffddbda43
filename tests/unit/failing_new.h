// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that runs out when a test says so. failing_new.cpp replaces operator new.

#include <cstddef>

namespace secrets {

/// From now on one allocation in this thread fails: the next of at least that many bytes.
void fail_next_allocation_of(std::size_t bytes);

/// Whether that has happened.
bool allocation_has_failed();

}  // namespace secrets
