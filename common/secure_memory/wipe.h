// SPDX-License-Identifier: Apache-2.0
#pragma once
// Overwriting of memory, and a buffer that overwrites itself.

#include <string.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "common/secure_memory/wipe_registers.h"

namespace secrets {

/// Overwrites `bytes` with zeros, and what copying them left in registers; the compiler may not
/// omit the call.
inline void wipe(std::span<std::byte> bytes) {
    if (bytes.data() == nullptr) return;
    explicit_bzero(bytes.data(), bytes.size());
    wipe_registers();
}

/// A view of secret bytes that another object owns. The class has no operator<<, no formatter and
/// no conversion to a string, so that logging a value does not compile; bytes() is the only access.
class SecretView {
  public:
    SecretView() = default;
    explicit SecretView(std::span<const std::byte> bytes) : bytes_(bytes) {}

    std::span<const std::byte> bytes() const { return bytes_; }
    std::size_t size() const { return bytes_.size(); }
    /// Returns whether a NUL byte is among them, which no environment variable can hold.
    bool has_nul() const {
        return !bytes_.empty() && memchr(bytes_.data(), 0, bytes_.size()) != nullptr;
    }

  private:
    std::span<const std::byte> bytes_;
};

/// Secret bytes on the heap, of a fixed size; the destructor overwrites them. Move only. Like
/// SecretView, it cannot be printed.
class SecretBuffer {
  public:
    SecretBuffer() = default;
    explicit SecretBuffer(std::size_t size) : data_(new std::byte[size]()), size_(size) {}
    SecretBuffer(SecretBuffer&& other) noexcept
        : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
    SecretBuffer& operator=(SecretBuffer&& other) noexcept {
        if (this != &other) {
            wipe(bytes());
            data_ = std::move(other.data_);
            size_ = std::exchange(other.size_, 0);
        }
        return *this;
    }
    ~SecretBuffer() { wipe(bytes()); }

    std::span<std::byte> bytes() { return {data_.get(), size_}; }
    SecretView view() const { return SecretView({data_.get(), size_}); }
    std::size_t size() const { return size_; }

  private:
    std::unique_ptr<std::byte[]> data_;
    std::size_t size_ = 0;
};

}  // namespace secrets
