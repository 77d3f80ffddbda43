// SPDX-License-Identifier: Apache-2.0
#include "agentd/store/sealing.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>

namespace secrets::store {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

struct FreeCipher {
    void operator()(EVP_CIPHER_CTX* cipher) const { EVP_CIPHER_CTX_free(cipher); }
};
using Cipher = std::unique_ptr<EVP_CIPHER_CTX, FreeCipher>;

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
const unsigned char* bytes_of(SecretView secret) {
    return reinterpret_cast<const unsigned char*>(secret.bytes().data());
}

/// Returns a cipher with its key, nonce and additional data set, ready for the data; or null.
Cipher begin(const StoreKey& key, const unsigned char* nonce, std::string_view context,
             bool encrypts) {
    Cipher cipher(EVP_CIPHER_CTX_new());
    int length = 0;
    if (!cipher ||
        EVP_CipherInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key.bytes()), nonce,
                          encrypts ? 1 : 0) != 1 ||
        EVP_CipherUpdate(cipher.get(), nullptr, &length, bytes_of(context),
                         static_cast<int>(context.size())) != 1) {
        return nullptr;
    }
    return cipher;
}

}  // namespace

StatusOr<std::string> seal(const StoreKey& key, SecretView value, std::string_view context) {
    const Status failed = Status::failed(
        "cannot seal the value: OpenSSL failed (out of memory, or no random numbers)");
    std::string sealed(kNonceBytes + value.size() + kTagBytes, '\0');
    auto* out = reinterpret_cast<unsigned char*>(sealed.data());
    if (RAND_bytes(out, kNonceBytes) != 1) return failed;
    const Cipher cipher = begin(key, out, context, true);
    int length = 0;
    if (!cipher ||
        EVP_CipherUpdate(cipher.get(), out + kNonceBytes, &length, bytes_of(value),
                         static_cast<int>(value.size())) != 1 ||
        EVP_CipherFinal_ex(cipher.get(), out + kNonceBytes + length, &length) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_GET_TAG, kTagBytes,
                            out + kNonceBytes + value.size()) != 1) {
        return failed;
    }
    return sealed;
}

StatusOr<SecretBuffer> unseal(const StoreKey& key, std::string_view sealed,
                              std::string_view context) {
    const Status failed = Status::failed(
        "cannot decrypt the value: it was altered, moved, or sealed under another key");
    if (sealed.size() < kNonceBytes + kTagBytes) return failed;
    const std::size_t size = sealed.size() - kNonceBytes - kTagBytes;
    SecretBuffer value(size);
    auto* out = reinterpret_cast<unsigned char*>(value.bytes().data());
    std::string tag(sealed.substr(kNonceBytes + size));
    const Cipher cipher = begin(key, bytes_of(sealed), context, false);
    int length = 0;
    if (!cipher ||
        EVP_CipherUpdate(cipher.get(), out, &length, bytes_of(sealed) + kNonceBytes,
                         static_cast<int>(size)) != 1 ||
        EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_AEAD_SET_TAG, kTagBytes, tag.data()) != 1 ||
        EVP_CipherFinal_ex(cipher.get(), out + length, &length) != 1) {
        return failed;
    }
    return value;
}

}  // namespace secrets::store
