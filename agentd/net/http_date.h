// SPDX-License-Identifier: Apache-2.0
#pragma once
// Writes and reads the Date of HTTP (RFC 9110): Mon, 30 Nov 2026 07:08:32 GMT.

#include <chrono>
#include <optional>
#include <string>

namespace secrets::net {

std::string http_date(std::chrono::system_clock::time_point time);

/// Returns nothing if the text is not such a date.
std::optional<std::chrono::sys_seconds> parse_http_date(const std::string& text);

}  // namespace secrets::net
