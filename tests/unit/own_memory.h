// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "common/base/unique_fd.h"

namespace secrets {

inline std::uintptr_t number_of(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
}

/// Returns the bytes at an address of this process as a debugger reads them, through
/// /proc/self/mem; the memory may be freed already. Empty if nothing can be read. At most 64 KiB.
inline std::string own_memory_at(std::uintptr_t address, std::size_t size) {
    // Allocates nothing on the heap before the read: an allocation could reuse the memory to be
    // read.
    static std::array<char, 64 * 1024> bytes;
    const UniqueFd memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    const ssize_t got = pread(memory.get(), bytes.data(), std::min(size, bytes.size()),
                              static_cast<off_t>(address));
    return {bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got)};
}

}  // namespace secrets
