// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace secrets {

/// Returns two lower-case hexadecimal digits for each byte.
std::string to_hex(std::span<const std::byte> bytes);

}  // namespace secrets
