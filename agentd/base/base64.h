// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>

#include "common/secure_memory/wipe.h"

namespace secrets {

/// Decodes standard base64 with padding (RFC 4648); returns nothing if `text` deviates in any byte.
std::optional<SecretBuffer> decode_base64(std::span<const std::byte> text);

/// Returns what keeps `text`, which decode_base64() does not decode, from being such base64,
/// without a character of it: "it lacks padding; ...".
std::string why_not_base64(std::span<const std::byte> text);

/// Encodes standard base64; the text is as secret as the value.
SecretBuffer encode_base64(SecretView value);

}  // namespace secrets
