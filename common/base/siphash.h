// SPDX-License-Identifier: Apache-2.0
#pragma once
// SipHash-2-4 with 128 bits of output (Aumasson and Bernstein): a hash under a key, fast for short
// inputs.

#include <array>
#include <cstddef>
#include <span>

namespace secrets {

using SipKey = std::array<std::byte, 16>;
using SipHash = std::array<std::byte, 16>;

/// Fills the key with random bytes. Returns false if the kernel has none to give.
bool make_random(SipKey& key);

SipHash siphash128(const SipKey& key, std::span<const std::byte> bytes);

}  // namespace secrets
