// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/sha256.h"

#include <openssl/evp.h>

#include <new>
#include <string_view>

namespace secrets {

Digest sha256_of(std::span<const std::byte> bytes) {
    Digest digest;
    auto* out = reinterpret_cast<unsigned char*>(digest.data());
    if (EVP_Digest(bytes.data(), bytes.size(), out, nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::bad_alloc();
    }
    return digest;
}

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
