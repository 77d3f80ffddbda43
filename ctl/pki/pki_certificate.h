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

/// A key and its certificate.
struct Identity {
    std::unique_ptr<EVP_PKEY, Free> key;
    std::unique_ptr<X509, Free> certificate;
};

/// The purpose of a certificate.
struct Purpose {
    std::string name;
    std::vector<AltName> alt_names;  ///< at least one
    bool server = true;
    bool client = true;
    int days = 0;
};

/// Makes a new CA, which signs itself and certificates for others, but no further CA.
StatusOr<Identity> make_ca();

/// Makes a new key and its certificate, signed by `ca`. Fails if the certificate would outlive the
/// CA.
StatusOr<Identity> issue(const Identity& ca, const Purpose& purpose);

/// Returns the end of the certificate's validity, as in 2026-11-25T16:00:00Z.
std::string end_of(const Identity& identity);

/// Writes the key to a new and empty file.
Status write_key(int fd, const Identity& identity);

/// Writes the certificates of `chain`, one after the other.
Status write_chain(int fd, const std::vector<const Identity*>& chain);

/// Read the output of write_key() and write_chain(); the Status names what is wrong with one file.
Status read_key(int fd, Identity& identity);
Status read_certificate(int fd, Identity& identity);

/// Returns why a key and a certificate that were read are not a CA's; ok if they are.
Status check_ca(const Identity& ca);

}  // namespace secrets::ctl::pki
