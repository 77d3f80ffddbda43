// SPDX-License-Identifier: Apache-2.0
#pragma once
// The answers of GetSecretValue and BatchGetSecretValue: JSON with values, written straight into a
// buffer that wipes itself.

#include <span>
#include <string>

#include "agentd/aws/error.h"
#include "agentd/aws/secret_versions.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

/// A version of a secret with its value. `version` must outlive the use.
struct ValueAnswer {
    std::string arn;
    std::string name;
    const Version* version = nullptr;
};

/// Why a batch has no value of one secret.
struct BatchError {
    std::string secret_id;  ///< as the client sent it
    Error error;
};

/// Writes the answer of GetSecretValue: SecretString, or SecretBinary if the client sent the value
/// as one, or if the value is not UTF-8, which no JSON string can hold.
SecretBuffer value_json(const ValueAnswer& answer);

/// Writes the answer of BatchGetSecretValue. `next_token`: empty at the end.
SecretBuffer batch_json(std::span<const ValueAnswer> answers, std::span<const BatchError> errors,
                        const std::string& next_token);

/// Returns whether bytes are well-formed UTF-8 (RFC 3629).
bool is_utf8(std::span<const std::byte> bytes);

}  // namespace secrets::aws
