// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <span>

namespace secrets {

/// A copy of bytes followed by inaccessible memory: reading one byte too many ends the process.
class GuardedBytes {
  public:
    explicit GuardedBytes(std::span<const std::byte> bytes) : size_(bytes.size()) {
        const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
        const std::size_t body = (size_ + page - 1) / page * page;
        mapped_ = body + page;
        void* base =
            mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED) std::abort();
        base_ = static_cast<std::byte*>(base);
        if (mprotect(base_ + body, page, PROT_NONE) != 0) std::abort();
        begin_ = base_ + body - size_;
        if (size_ != 0) memcpy(begin_, bytes.data(), size_);
    }
    GuardedBytes(const GuardedBytes&) = delete;
    GuardedBytes& operator=(const GuardedBytes&) = delete;
    ~GuardedBytes() { munmap(base_, mapped_); }

    std::span<const std::byte> bytes() const { return {begin_, size_}; }

  private:
    std::size_t size_ = 0;
    std::size_t mapped_ = 0;
    std::byte* base_ = nullptr;
    std::byte* begin_ = nullptr;
};

}  // namespace secrets
