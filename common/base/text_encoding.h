// SPDX-License-Identifier: Apache-2.0
#pragma once
// Bytes and times as text, and how a text is encoded. Boost.URL could percent-code, but its decoder
// that does not throw is in a compiled library: a package of its own, which no Boost before 1.81
// has. The two functions are shorter than what would link it.

#include <cstddef>
#include <ctime>
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

/// Returns `text` without the byte order mark with which some editors begin a text in UTF-8.
std::string_view without_byte_order_mark(std::string_view text);

/// Returns the name of the encoding, such as UTF-16LE, if `text` is UTF-16: it has the byte order
/// mark of UTF-16, or begins with an ASCII character in it. Empty: it is not.
std::string_view utf16_name(std::string_view text);

/// Returns a time as in RFC 3339, in UTC and whole seconds: "2026-11-25T16:00:00Z".
std::string utc_text(std::time_t time);

}  // namespace secrets
