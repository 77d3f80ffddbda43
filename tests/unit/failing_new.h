// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory that runs out on a test's demand. failing_new.cpp replaces operator new.

#include <cstddef>

namespace secrets {

/// Makes one allocation in this thread fail: the next of at least this many bytes.
void fail_next_allocation_of(std::size_t bytes);

/// Returns whether that allocation has failed.
bool allocation_has_failed();

/// Makes every allocation in this thread fail for as long as the object lives.
class NoMemory {
  public:
    NoMemory();
    ~NoMemory();
    NoMemory(const NoMemory&) = delete;
    NoMemory& operator=(const NoMemory&) = delete;
};

}  // namespace secrets
