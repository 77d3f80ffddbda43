// SPDX-License-Identifier: Apache-2.0
#include "ctl/pki/pki_certificate.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

#include <algorithm>
#include <span>

#include "common/base/text_encoding.h"

namespace secrets::ctl::pki {
namespace {

constexpr int kSerialBits = 128;
constexpr long kVersion3 = 2;
constexpr int kSecondsToAct =
    60 * 60;  ///< the advice of an error stays valid for at least this long
constexpr long kSecondsBefore = 5 * 60;  ///< hosts whose clock is this slow accept a certificate

struct FreeOthers {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(BIGNUM* number) const { BN_free(number); }
    void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
    void operator()(GENERAL_NAME* name) const { GENERAL_NAME_free(name); }
    void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
template <typename T>
using Owned = std::unique_ptr<T, FreeOthers>;

Status openssl_failed(const std::string& what) {
    const char* why = ERR_reason_error_string(ERR_get_error());
    return Status::failed(what + " failed" + (why == nullptr ? "" : std::string(": ") + why));
}

bool set_serial(X509* certificate) {
    const Owned<BIGNUM> number(BN_new());
    return number && BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
           BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

/// Returns part of the random serial number; in a CA's name, it tells two CAs of one site apart.
std::string serial_words(const X509* certificate) {
    const ASN1_INTEGER* serial = X509_get0_serialNumber(certificate);
    const auto length = static_cast<std::size_t>(ASN1_STRING_length(serial));
    const std::span bytes(ASN1_STRING_get0_data(serial), std::min<std::size_t>(4, length));
    return to_hex(std::as_bytes(bytes));
}

bool set_name(X509_NAME* target, const std::string& common_name) {
    return X509_NAME_add_entry_by_txt(target, "CN", MBSTRING_UTF8,
                                      reinterpret_cast<const unsigned char*>(common_name.c_str()),
                                      -1, -1, 0) == 1;
}

/// `value` is as in openssl.cnf, and only ever a constant of this file.
bool add_extension(X509* certificate, X509* issuer, int kind, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    X509V3_set_ctx_nodb(&context);
    const Owned<X509_EXTENSION> extension(X509V3_EXT_conf_nid(nullptr, &context, kind, value));
    return extension && X509_add_ext(certificate, extension.get(), -1) == 1;
}

Owned<GENERAL_NAME> general_name(const AltName& name) {
    const bool is_ip = name.kind == AltName::Kind::ip;
    const int kind = is_ip ? GEN_IPADD : name.kind == AltName::Kind::dns ? GEN_DNS : GEN_URI;
    ASN1_STRING* text = is_ip ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    Owned<GENERAL_NAME> general(GENERAL_NAME_new());
    if (!general || text == nullptr ||
        ASN1_STRING_set(text, name.bytes.data(), static_cast<int>(name.bytes.size())) != 1) {
        ASN1_STRING_free(text);
        return nullptr;
    }
    GENERAL_NAME_set0_value(general.get(), kind, text);
    return general;
}

bool add_alt_names(X509* certificate, const std::vector<AltName>& names) {
    const Owned<GENERAL_NAMES> all(GENERAL_NAMES_new());
    if (!all) return false;
    for (const AltName& name : names) {
        auto general = general_name(name);
        if (!general || sk_GENERAL_NAME_push(all.get(), general.get()) <= 0) return false;
        static_cast<void>(general.release());
    }
    return X509_add1_ext_i2d(certificate, NID_subject_alt_name, all.get(), 0, X509V3_ADD_DEFAULT) ==
           1;
}

const char* usages_of(const Purpose& purpose) {
    if (purpose.server && purpose.client) return "serverAuth,clientAuth";
    return purpose.server ? "serverAuth" : "clientAuth";
}

/// Returns a key and its certificate, which still lacks names, extensions and the signature.
StatusOr<Identity> begin(int days) {
    Identity made{
        std::unique_ptr<EVP_PKEY, Free>(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", "P-256")),
        std::unique_ptr<X509, Free>(X509_new())};
    if (!made.key) return openssl_failed("creating a key");
    X509* certificate = made.certificate.get();
    time_t now = ::time(nullptr);
    if (certificate == nullptr || X509_set_version(certificate, kVersion3) != 1 ||
        !set_serial(certificate) ||
        X509_time_adj_ex(X509_getm_notBefore(certificate), 0, -kSecondsBefore, &now) == nullptr ||
        X509_time_adj_ex(X509_getm_notAfter(certificate), days, 0, &now) == nullptr ||
        X509_set_pubkey(certificate, made.key.get()) != 1) {
        return openssl_failed("creating a certificate");
    }
    return made;
}

/// Returns the error for a certificate that would end after `issuer`.
Status outlives(const X509* issuer) {
    int days = 0;
    int seconds = 0;
    if (ASN1_TIME_diff(&days, &seconds, nullptr, X509_get0_notAfter(issuer)) != 1) {
        return openssl_failed("reading the expiry of the CA");
    }
    if (seconds < kSecondsToAct) --days;
    if (days < 1)
        return Status::failed(
            "the CA has expired, or expires today; create a new one in another directory");
    return Status::failed("the certificate would outlive its CA; use --days " +
                          std::to_string(days) +
                          " or less, or create a new CA in another directory");
}

Status sign(X509* certificate, EVP_PKEY* key) {
    if (X509_sign(certificate, key, EVP_sha256()) > 0) return Status();
    return openssl_failed("signing a certificate");
}

/// Returns an error for a key with a passphrase; OpenSSL would prompt for one at the terminal.
int no_passphrase(char*, int, int, void*) {
    return -1;
}

Owned<BIO> bio_of(int fd) {
    return Owned<BIO>(BIO_new_fd(fd, BIO_NOCLOSE));
}

}  // namespace

StatusOr<Identity> make_ca() {
    auto made = begin(kDaysOfCa);
    if (!made) return made;
    X509* certificate = made->certificate.get();
    X509_NAME* name = X509_get_subject_name(certificate);
    if (!set_name(name, "slurm-secrets CA " + serial_words(certificate)) ||
        X509_set_issuer_name(certificate, name) != 1 ||
        !add_extension(certificate, certificate, NID_basic_constraints,
                       "critical,CA:TRUE,pathlen:0") ||
        !add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") ||
        !add_extension(certificate, certificate, NID_subject_key_identifier, "hash")) {
        return openssl_failed("creating a CA certificate");
    }
    if (Status failure = sign(certificate, made->key.get()); !failure.ok()) return failure;
    return made;
}

StatusOr<Identity> issue(const Identity& ca, const Purpose& purpose) {
    auto made = begin(purpose.days);
    if (!made) return made;
    X509* certificate = made->certificate.get();
    X509* issuer = ca.certificate.get();
    if (ASN1_TIME_compare(X509_get0_notAfter(certificate), X509_get0_notAfter(issuer)) > 0) {
        return outlives(issuer);
    }
    if (!set_name(X509_get_subject_name(certificate), purpose.name) ||
        X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) != 1 ||
        !add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(certificate, issuer, NID_ext_key_usage, usages_of(purpose)) ||
        !add_extension(certificate, issuer, NID_subject_key_identifier, "hash") ||
        !add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always") ||
        !add_alt_names(certificate, purpose.alt_names)) {
        return openssl_failed("creating a certificate");
    }
    if (Status failure = sign(certificate, ca.key.get()); !failure.ok()) return failure;
    return made;
}

std::string end_of(const Identity& identity) {
    tm time{};
    if (ASN1_TIME_to_tm(X509_get0_notAfter(identity.certificate.get()), &time) != 1) return "-";
    return utc_text(timegm(&time));
}

Status write_key(int fd, const Identity& identity) {
    const auto bio = bio_of(fd);
    if (bio && PEM_write_bio_PrivateKey(bio.get(), identity.key.get(), nullptr, nullptr, 0, nullptr,
                                        nullptr) == 1) {
        return Status();
    }
    return openssl_failed("writing");
}

Status write_chain(int fd, const std::vector<const Identity*>& chain) {
    const auto bio = bio_of(fd);
    for (const Identity* identity : chain) {
        if (!bio || PEM_write_bio_X509(bio.get(), identity->certificate.get()) != 1) {
            return openssl_failed("writing");
        }
    }
    return Status();
}

Status read_key(int fd, Identity& identity) {
    const auto bio = bio_of(fd);
    if (bio) {
        identity.key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
    }
    if (identity.key) return Status();
    return Status::failed("is not a private key in PEM without a passphrase");
}

Status read_certificate(int fd, Identity& identity) {
    const auto bio = bio_of(fd);
    if (bio) {
        identity.certificate.reset(PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr));
    }
    if (identity.certificate) return Status();
    return Status::failed("is not a certificate in PEM");
}

Status check_ca(const Identity& ca) {
    if (X509_check_ca(ca.certificate.get()) != 1)
        return Status::failed("is not the certificate of a CA");
    if (X509_check_private_key(ca.certificate.get(), ca.key.get()) != 1) {
        return Status::failed("does not match the key next to it");
    }
    return Status();
}

}  // namespace secrets::ctl::pki
