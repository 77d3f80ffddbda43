// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asynchronous operations that can be started when no memory is left: they use memory that was
// reserved for them.

#include <array>
#include <boost/system/error_code.hpp>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace secrets {

/// Memory for one operation at a time; a second or a larger operation uses the heap.
class HandlerMemory {
  public:
    void* take(std::size_t bytes) {
        if (taken_ || bytes > block_.size()) return ::operator new(bytes);
        taken_ = true;
        return block_.data();
    }
    void give_back(void* block) {
        if (block == block_.data()) {
            taken_ = false;
        } else {
            ::operator delete(block);
        }
    }

  private:
    alignas(std::max_align_t) std::array<std::byte, 512> block_{};
    bool taken_ = false;
};

/// The allocator through which Asio uses a handler's memory. Shared, since an operation that never
/// ran is destroyed with the loop, after the object that started it.
template <typename T>
class HandlerAllocator {
  public:
    using value_type = T;
    explicit HandlerAllocator(std::shared_ptr<HandlerMemory> memory) : memory_(std::move(memory)) {}
    template <typename Other>
    HandlerAllocator(const HandlerAllocator<Other>& other) : memory_(other.memory()) {}

    T* allocate(std::size_t count) { return static_cast<T*>(memory_->take(count * sizeof(T))); }
    void deallocate(T* block, std::size_t) { memory_->give_back(block); }
    const std::shared_ptr<HandlerMemory>& memory() const { return memory_; }
    bool operator==(const HandlerAllocator&) const = default;

  private:
    std::shared_ptr<HandlerMemory> memory_;
};

/// A completion handler whose operation is allocated in `memory`.
template <typename Function>
class HandlerInPlace {
  public:
    HandlerInPlace(std::shared_ptr<HandlerMemory> memory, Function function)
        : memory_(std::move(memory)), function_(std::move(function)) {}

    using allocator_type = HandlerAllocator<std::byte>;
    allocator_type get_allocator() const { return allocator_type(memory_); }
    void operator()(const boost::system::error_code& error) { function_(error); }

  private:
    std::shared_ptr<HandlerMemory> memory_;
    Function function_;
};

}  // namespace secrets
