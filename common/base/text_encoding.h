// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes as text: hex, and percent coding of parts of a URL. Boost.URL could code the latter, but a
// decoder that does not throw is in its compiled library, which is a package of its own and does
// not exist for a Boost older than 1.81; these two functions are shorter than what links it.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace secrets {

/// Returns two lower-case hexadecimal digits for each byte.
std::string to_hex(std::span<const std::byte> bytes);

/// Percent-encodes each byte of `text` but letters, digits, `-._~` and those in `also_plain`.
std::string percent_encoded(std::string_view text, std::string_view also_plain = "");

/// Percent-decodes `text`; returns nothing if an escape is malformed.
std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace secrets
