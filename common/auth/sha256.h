// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace secrets {

using Digest = std::array<std::byte, 32>;  ///< SHA-256

Digest sha256_of(std::span<const std::byte> bytes);

}  // namespace secrets
