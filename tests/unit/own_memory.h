#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/unique_fd.h"

namespace secrets {

inline std::uintptr_t number_of(const void* address) {
    return reinterpret_cast<std::uintptr_t>(address);
}

/// What stands at an address of this process as a debugger reads it, through /proc/self/mem: memory
/// that was freed may be looked at this way. Empty where nothing can be read.
inline std::string own_memory_at(std::uintptr_t address, std::size_t size) {
    const UniqueFd memory(open("/proc/self/mem", O_RDONLY | O_CLOEXEC));
    std::string bytes(size, '\0');
    const ssize_t got = pread(memory.get(), bytes.data(), size, static_cast<off_t>(address));
    bytes.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return bytes;
}

}  // namespace secrets
