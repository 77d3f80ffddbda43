// SPDX-License-Identifier: Apache-2.0
#pragma once
// Certificates and keys for tests, with arbitrary names and times; and a handshake without a
// network.

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace secrets {

template <auto Free>
struct FreeWith {
    template <typename T>
    void operator()(T* owned) const {
        Free(owned);
    }
};
using Key = std::unique_ptr<EVP_PKEY, FreeWith<EVP_PKEY_free>>;
using X509Certificate = std::unique_ptr<X509, FreeWith<X509_free>>;

/// One name of a certificate: GEN_DNS, GEN_URI, GEN_EMAIL or GEN_IPADD (its bytes).
struct SubjectName {
    int kind;
    std::string text;
};

/// A certificate that is its own CA, with its key.
struct SelfSigned {
    Key key;
    X509Certificate certificate;
};

inline Key make_key(const char* kind = "EC") {
    // OpenSSL's macro for this casts a const away, of which clang warns.
    return Key(std::string(kind) == "EC" ? EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")
                                         : EVP_RSA_gen(2048));
}

/// Makes a certificate that is valid from `begin` to `end`, in seconds from now.
inline SelfSigned make_certificate(const std::vector<SubjectName>& names, long begin = -60,
                                   long end = 3600, const char* common_name = "test") {
    SelfSigned made{make_key(), X509Certificate(X509_new())};
    X509* const x509 = made.certificate.get();
    X509_set_version(x509, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), begin);
    X509_gmtime_adj(X509_getm_notAfter(x509), end);
    X509_set_pubkey(x509, made.key.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name), -1, -1, 0);
    X509_set_issuer_name(x509, X509_get_subject_name(x509));
    GENERAL_NAMES* const all = GENERAL_NAMES_new();
    for (const auto& [kind, text] : names) {
        ASN1_STRING* const bytes =
            ASN1_STRING_type_new(kind == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
        ASN1_STRING_set(bytes, text.data(), static_cast<int>(text.size()));
        GENERAL_NAME* const name = GENERAL_NAME_new();
        GENERAL_NAME_set0_value(name, kind, bytes);
        sk_GENERAL_NAME_push(all, name);
    }
    if (!names.empty()) X509_add1_ext_i2d(x509, NID_subject_alt_name, all, 0, 0);
    GENERAL_NAMES_free(all);
    REQUIRE(X509_sign(x509, made.key.get(), EVP_sha256()) > 0);
    return made;
}

inline void write_certificate(const std::string& path, const X509Certificate& certificate) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    REQUIRE(PEM_write_X509(file, certificate.get()) == 1);
    std::fclose(file);
}

/// Writes the key, encrypted with the passphrase if one is given.
inline void write_key(const std::string& path, const Key& key, const char* passphrase = nullptr) {
    std::FILE* const file = std::fopen(path.c_str(), "w");
    const EVP_CIPHER* const cipher = passphrase == nullptr ? nullptr : EVP_aes_128_cbc();
    REQUIRE(PEM_write_PKCS8PrivateKey(file, key.get(), cipher, nullptr, 0, nullptr,
                                      const_cast<char*>(passphrase)) == 1);
    std::fclose(file);
}

/// A TLS handshake between both ends of a connection in memory.
class Handshake {
  public:
    /// `shows`: the client's certificate, or null.
    Handshake(SSL_CTX* server, const SelfSigned* shows, int client_version = TLS1_3_VERSION)
        : client_context_(SSL_CTX_new(TLS_client_method())),
          server_(SSL_new(server)),
          client_(SSL_new(client_context_.get())) {
        SSL_set_max_proto_version(client_.get(), client_version);
        if (shows != nullptr) {
            SSL_use_certificate(client_.get(), shows->certificate.get());
            SSL_use_PrivateKey(client_.get(), shows->key.get());
        }
        BIO* one = nullptr;
        BIO* other = nullptr;
        BIO_new_bio_pair(&one, 0, &other, 0);
        SSL_set_bio(server_.get(), one, one);
        SSL_set_bio(client_.get(), other, other);
        SSL_set_accept_state(server_.get());
        SSL_set_connect_state(client_.get());
        for (int i = 0; i < 10; ++i) {
            client_done_ = SSL_do_handshake(client_.get());
            server_done_ = SSL_do_handshake(server_.get());
        }
    }

    bool server_is_fine() const { return server_done_ == 1; }
    SSL* server() { return server_.get(); }

  private:
    std::unique_ptr<SSL_CTX, FreeWith<SSL_CTX_free>> client_context_;
    std::unique_ptr<SSL, FreeWith<SSL_free>> server_;
    std::unique_ptr<SSL, FreeWith<SSL_free>> client_;
    int client_done_ = 0;
    int server_done_ = 0;
};

}  // namespace secrets
