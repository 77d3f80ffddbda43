// SPDX-License-Identifier: Apache-2.0
#pragma once
// Fields of a binary format, one after the other without padding, for one machine: numbers are in
// its own byte order.

#include <string.h>

#include <cstddef>
#include <span>

namespace secrets {

/// Writes fields in sequence. Without a buffer it only counts, so that size and content of a format
/// come from one description. A buffer must have room for all.
class ByteWriter {
  public:
    ByteWriter() = default;
    explicit ByteWriter(std::span<std::byte> out) : out_(out), writes_(true) {}

    template <typename Number>
    void number(Number value) {
        bytes(std::as_bytes(std::span(&value, 1)));
    }
    void bytes(std::span<const std::byte> bytes) {
        if (writes_ && !bytes.empty()) memcpy(out_.data() + used_, bytes.data(), bytes.size());
        used_ += bytes.size();
    }
    std::size_t used() const { return used_; }

  private:
    std::span<std::byte> out_;
    bool writes_ = false;
    std::size_t used_ = 0;
};

/// Reads fields in sequence. From the first field that is missing or rejected on, every field reads
/// as 0 or as empty.
class ByteReader {
  public:
    explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

    template <typename Number>
    Number number() {
        Number value{};
        const auto taken = bytes(sizeof(value));
        if (!failed_) memcpy(&value, taken.data(), sizeof(value));
        return value;
    }
    std::span<const std::byte> bytes(std::size_t length) {
        if (length > rest_.size()) failed_ = true;
        if (failed_) return {};
        const auto taken = rest_.first(length);
        rest_ = rest_.subspan(length);
        return taken;
    }
    /// Rejects the field that was read last.
    void fail() { failed_ = true; }
    bool failed() const { return failed_; }
    /// Returns whether every field was present and no bytes remain.
    bool complete() const { return !failed_ && rest_.empty(); }

  private:
    std::span<const std::byte> rest_;
    bool failed_ = false;
};

}  // namespace secrets
