// SPDX-License-Identifier: Apache-2.0
#include "common/auth/sha256.h"

#include <openssl/evp.h>

#include <new>

namespace secrets {

Digest sha256_of(std::span<const std::byte> bytes) {
    Digest digest;
    auto* out = reinterpret_cast<unsigned char*>(digest.data());
    if (EVP_Digest(bytes.data(), bytes.size(), out, nullptr, EVP_sha256(), nullptr) != 1) {
        throw std::bad_alloc();
    }
    return digest;
}

}  // namespace secrets
