// SPDX-License-Identifier: Apache-2.0
#pragma once
// Keys and certificates of a small CA, made with OpenSSL: ECDSA on P-256, X.509 version 3.

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

#include "common/base/status.h"
#include "ctl/pki/pki_names.h"

namespace secrets::ctl::pki {

inline constexpr int kDaysOfCa = 3650;

struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
    void operator()(X509* certificate) const { X509_free(certificate); }
};

/// A key, and the certificate of it.
struct Identity {
    std::unique_ptr<EVP_PKEY, Free> key;
    std::unique_ptr<X509, Free> certificate;
};

/// What a certificate is wanted for.
struct Purpose {
    std::string name;
    std::vector<AltName> alt_names;  ///< at least one
    bool server = true;
    bool client = true;
    int days = 0;
};

/// A new CA, which signs itself and certificates for others, but no further CA.
StatusOr<Identity> make_ca();

/// A new key and a certificate of it that `ca` signs. One that would outlive the CA is refused.
StatusOr<Identity> issue(const Identity& ca, const Purpose& purpose);

/// The end of its validity, as in 2026-11-25T16:00:00Z.
std::string end_of(const Identity& identity);

/// Writes the key to a file that is new and empty.
Status write_key(int fd, const Identity& identity);

/// Writes the certificates of `chain`, one after the other.
Status write_chain(int fd, const std::vector<const Identity*>& chain);

/// Reads what write_key() and write_chain() wrote; the Errors name what is wrong with one file.
Status read_key(int fd, Identity& identity);
Status read_certificate(int fd, Identity& identity);

/// Why a key and a certificate that were read are not a CA's; nothing when they are.
Status check_ca(const Identity& ca);

}  // namespace secrets::ctl::pki
