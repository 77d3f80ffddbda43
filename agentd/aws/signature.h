// SPDX-License-Identifier: Apache-2.0
#pragma once
// Verifies AWS Signature Version 4 of a request whose claim was read and whose body has arrived. No
// library verifies: this is OpenSSL's HMAC and SHA-256, and the canonical form of a request. A
// request is not remembered: a client repeats one byte by byte, and TLS keeps it from others.

#include <optional>
#include <string>

#include "agentd/aws/error.h"
#include "agentd/aws/signature_claim.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

/// Returns the text whose hash is signed: method, path, query, signed fields and the body's hash,
/// in hexadecimal digits.
std::string canonical_request(const RequestHeadView& head, const SignatureClaim& claim,
                              std::string_view body_hash);

/// Returns the error if the signature is not that of the access key over this request. `secret`:
/// the key's secret; null if there is no such key, for which the same work is done, so that the
/// time does not tell which keys there are. Compares in constant time.
std::optional<Error> verify_signature(const RequestHeadView& head, const SignatureClaim& claim,
                                      SecretView body, const SecretBuffer* secret);

}  // namespace secrets::aws
