// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

namespace secrets::ctl::doctor {

/// Returns the whole content of a file without secrets; nothing if the file can't be read or is
/// larger than 16 MiB.
std::optional<std::string> read_text_file(const std::string& path);

/// Returns the system's reason why a file can't be read; empty if the file can be read.
std::string why_not_readable(const std::string& path);

}  // namespace secrets::ctl::doctor
