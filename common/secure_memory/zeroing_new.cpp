// SPDX-License-Identifier: Apache-2.0
// operator new and delete that overwrite memory when it is freed, so that a library that handled a
// value briefly leaves no copy on the heap. Linked into programs, never into the plugin.

#include <malloc.h>
#include <string.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <new>

#include "common/secure_memory/wipe.h"

namespace {

/// A few small blocks for allocations during stack unwinding. Destructors run then, and a
/// destructor that can't allocate (a coroutine of Asio posts its own completion) ends the process:
/// a lack of memory must not prevent cleanup.
class LastReserve {
  public:
    void* take(std::size_t size) {
        if (size > kBlockBytes) return nullptr;
        for (Block& block : blocks_) {
            if (!block.taken.exchange(true)) return block.bytes.data();
        }
        return nullptr;
    }
    /// Whether the block was one of the reserve.
    bool give_back(void* block) {
        // Almost no block is from the reserve, and every delete runs this check.
        const auto address = reinterpret_cast<std::uintptr_t>(block);
        const auto begin = reinterpret_cast<std::uintptr_t>(blocks_.data());
        if (address - begin >= sizeof(blocks_)) return false;
        for (Block& own : blocks_) {
            if (block != own.bytes.data()) continue;
            explicit_bzero(block, kBlockBytes);
            own.taken = false;
            return true;
        }
        return false;
    }

  private:
    static constexpr std::size_t kBlockBytes = 512;
    struct Block {
        alignas(std::max_align_t) std::array<std::byte, kBlockBytes> bytes;
        std::atomic<bool> taken;
    };
    std::array<Block, 16> blocks_{};
};

LastReserve last_reserve;

void* allocate(std::size_t size) {
    while (true) {
        if (void* block = std::malloc(size != 0 ? size : 1)) return block;
        if (std::uncaught_exceptions() > 0) {
            if (void* block = last_reserve.take(size)) return block;
        }
        const std::new_handler handler = std::get_new_handler();
        if (handler == nullptr) throw std::bad_alloc();
        handler();
    }
}

void* allocate_aligned(std::size_t size, std::align_val_t alignment) {
    void* block = nullptr;
    if (posix_memalign(&block, static_cast<std::size_t>(alignment), size != 0 ? size : 1) != 0) {
        throw std::bad_alloc();
    }
    return block;
}

void wipe_and_free(void* block) noexcept {
    if (block == nullptr || last_reserve.give_back(block)) return;
    secrets::wipe({static_cast<std::byte*>(block), malloc_usable_size(block)});
    std::free(block);
}

}  // namespace

void* operator new(std::size_t size) {
    return allocate(size);
}
void* operator new[](std::size_t size) {
    return allocate(size);
}
void* operator new(std::size_t size, std::align_val_t alignment) {
    return allocate_aligned(size, alignment);
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
    return allocate_aligned(size, alignment);
}
void operator delete(void* block) noexcept {
    wipe_and_free(block);
}
void operator delete[](void* block) noexcept {
    wipe_and_free(block);
}
void operator delete(void* block, std::size_t) noexcept {
    wipe_and_free(block);
}
void operator delete[](void* block, std::size_t) noexcept {
    wipe_and_free(block);
}
void operator delete(void* block, std::align_val_t) noexcept {
    wipe_and_free(block);
}
void operator delete[](void* block, std::align_val_t) noexcept {
    wipe_and_free(block);
}
void operator delete(void* block, std::size_t, std::align_val_t) noexcept {
    wipe_and_free(block);
}
void operator delete[](void* block, std::size_t, std::align_val_t) noexcept {
    wipe_and_free(block);
}
