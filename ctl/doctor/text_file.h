// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace secrets::ctl::doctor {

/// All of a file that holds no secret; nothing when it can't be read or has more than 16 MiB.
std::optional<std::string> read_text_file(const std::string& path);

/// Why a file can't be read, as the system says it; empty when it can.
std::string why_not_readable(const std::string& path);

}  // namespace secrets::ctl::doctor
