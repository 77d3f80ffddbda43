// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes for comparison: images and messages written by hand, field by field.

#include <string.h>

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace secrets {

using Bytes = std::vector<std::byte>;

inline Bytes bytes_of(std::string_view text) {
    const auto bytes = std::as_bytes(std::span(text));
    return Bytes(bytes.begin(), bytes.end());
}

inline std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline void append(Bytes& bytes, std::string_view text) {
    const auto more = std::as_bytes(std::span(text));
    bytes.insert(bytes.end(), more.begin(), more.end());
}

/// Appends `value` in the machine's own byte order.
template <typename Number>
void append_number(Bytes& bytes, Number value) {
    const auto more = std::as_bytes(std::span(&value, 1));
    bytes.insert(bytes.end(), more.begin(), more.end());
}

template <typename Number>
Number number_at(const Bytes& bytes, std::size_t offset) {
    Number value;
    memcpy(&value, bytes.data() + offset, sizeof(value));
    return value;
}

template <typename Number>
void set_number(Bytes& bytes, std::size_t offset, Number value) {
    memcpy(bytes.data() + offset, &value, sizeof(value));
}

/// Returns whether `text` lies wholly within `bytes`.
inline bool lies_within(std::span<const std::byte> text, std::span<const std::byte> bytes) {
    return text.data() >= bytes.data() && text.data() + text.size() <= bytes.data() + bytes.size();
}

}  // namespace secrets
