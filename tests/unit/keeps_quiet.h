// SPDX-License-Identifier: Apache-2.0
#pragma once
// Checks whether a type that carries a value could be printed, compared or turned into text by
// mistake.

#include <fmt/format.h>
#include <fmt/ostream.h>
#include <fmt/ranges.h>

#include <cstddef>
#include <ostream>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace secrets {

template <typename T>
concept Streamable = requires(std::ostream& out, const T& value) { out << value; };

template <typename T>
concept Comparable = requires(const T& value) { value == value; };

template <typename T>
concept Range = requires(const T& value) {
    value.begin();
    value.end();
};

template <typename T>
constexpr bool kBecomesText =
    std::is_convertible_v<T, std::string> || std::is_convertible_v<T, std::string_view> ||
    std::is_constructible_v<std::string, T> || std::is_constructible_v<std::string_view, T> ||
    std::is_convertible_v<T, const char*> || std::is_convertible_v<T, std::span<const std::byte>>;

/// True if a type has none of the abilities that are forbidden for a type that carries a value.
template <typename T>
constexpr bool kKeepsQuiet = !Streamable<T> && !fmt::is_formattable<T>::value && !kBecomesText<T> &&
                             !Range<T> && !Comparable<T>;

// The checks themselves recognise a printable type.
static_assert(Streamable<std::string_view> && fmt::is_formattable<std::string_view>::value &&
              kBecomesText<std::string_view> && Range<std::string_view> &&
              Comparable<std::string_view>);

}  // namespace secrets
