// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/store_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <array>

#include "agentd/base/credential_file.h"

namespace secrets::store {
namespace {

constexpr std::string_view kIdText = "slurm-secrets store key";
constexpr std::size_t kIdBytes = 8;

std::string id_of(SecretView key) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(kIdText.data()), kIdText.size(), digest.data(),
         &length);
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < kIdBytes && i < length; ++i) {
        text += kDigits[digest[i] >> 4];
        text += kDigits[digest[i] & 15];
    }
    return text;
}

}  // namespace

StoreKey::StoreKey(LockedRegion region) : region_(std::move(region)), id_(id_of(bytes())) {}

StatusOr<StoreKey> StoreKey::random(MemoryKind memory) {
    auto region = LockedRegion::create(kBytes, memory);
    if (!region) return region.status();
    auto* const bytes = reinterpret_cast<unsigned char*>(region->bytes().data());
    if (RAND_bytes(bytes, kBytes) != 1)
        return Status::failed("cannot make a store key: OpenSSL has no random bytes");
    return StoreKey(std::move(region).value());
}

StatusOr<StoreKey> StoreKey::read(const std::string& path, bool is_credential, MemoryKind memory) {
    const std::string which = "the store's key " + path;
    // Has room for one byte more, to check that the file ends after the key.
    auto region = LockedRegion::create(kBytes + 1, memory);
    if (!region) return region.status();
    const auto size =
        read_private_file({path, is_credential}, which, region->bytes().first(kBytes + 1));
    if (!size) return size.status();
    if (*size != kBytes) {
        return Status::failed(which + " must be exactly " + std::to_string(kBytes) +
                              " bytes, has " + (*size > kBytes ? "more" : std::to_string(*size)) +
                              "; create one with: head -c 32 /dev/urandom");
    }
    return StoreKey(std::move(region).value());
}

}  // namespace secrets::store
