// SPDX-License-Identifier: Apache-2.0
#include "common/base/text_encoding.h"

#include <string_view>

namespace secrets {

std::string to_hex(std::span<const std::byte> bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const std::byte byte : bytes) {
        text += kDigits[std::to_integer<unsigned>(byte) >> 4];
        text += kDigits[std::to_integer<unsigned>(byte) & 0xf];
    }
    return text;
}

}  // namespace secrets
