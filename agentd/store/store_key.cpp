// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/store_key.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <span>

#include "agentd/base/credential_file.h"
#include "common/base/text_encoding.h"

namespace secrets::store {
namespace {

constexpr std::string_view kIdText = "slurm-secrets store key";
constexpr std::size_t kIdBytes = 8;

/// What give-store-key writes in place of a key: this, and a sentence.
constexpr std::string_view kUnavailable = "unavailable: ";
constexpr std::size_t kLongestSentence = 1000;

std::string id_of(SecretView key) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned length = 0;
    HMAC(EVP_sha256(), key.bytes().data(), static_cast<int>(key.size()),
         reinterpret_cast<const unsigned char*>(kIdText.data()), kIdText.size(), digest.data(),
         &length);
    const auto bytes = std::as_bytes(std::span(digest));
    return to_hex(bytes.first(std::min<std::size_t>(kIdBytes, length)));
}

/// Returns the sentence in place of a key; empty if there is none. Bytes of a wrong key stay
/// secret.
std::string sentence_in(std::span<const std::byte> bytes) {
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    if (!text.starts_with(kUnavailable)) return "";
    return std::string(text.substr(kUnavailable.size()));
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
    const std::size_t room = is_credential ? kUnavailable.size() + kLongestSentence : kBytes + 1;
    auto region = LockedRegion::create(room, memory);
    if (!region) return region.status();
    const auto bytes = region->bytes().first(room);
    const auto size = read_private_file({path, is_credential}, which, bytes);
    if (!size) return size.status();
    if (is_credential && *size == 0) {
        return Status::failed(which +
                              " is empty; see: journalctl -u 'slurm-secrets-key@*', then run: "
                              "systemctl restart slurm-secretsd");
    }
    if (is_credential) {
        const std::string sentence = sentence_in(bytes.first(*size));
        if (!sentence.empty()) return Status::failed(sentence);
    }
    if (*size != kBytes) {
        return Status::failed(which + " must be exactly " + std::to_string(kBytes) +
                              " bytes, has " + (*size > kBytes ? "more" : std::to_string(*size)) +
                              "; create one with: head -c 32 /dev/urandom");
    }
    return StoreKey(std::move(region).value());
}

}  // namespace secrets::store
