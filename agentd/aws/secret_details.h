// SPDX-License-Identifier: Apache-2.0
#pragma once
// What AWS's API keeps of a secret beside its current value, and its form in the store: JSON, which
// the store seals as a whole.
//
//     {"format": 1, "description", "kms_key", "created": T, "changed": T,
//      "tags": [{"key", "value"}, ...], absent if the secret never had any,
//      "deletion": T, if the secret is marked for deletion,
//      "generation": N, if the current version's value is the secret's value in the store,
//      "versions": [{"id", "created": T, "stages": [...], "binary": Boolean,
//                    "value": base64, unless "generation" says that the store has it}, ...]}
//
// Times are milliseconds since 1970.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agentd/aws/secret_filters.h"
#include "agentd/aws/secret_versions.h"
#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets::aws {

using Milliseconds = std::chrono::sys_time<std::chrono::milliseconds>;

struct SecretDetails {
    std::string description{};
    std::string kms_key{};  ///< as the client sent it; nothing here uses it
    Milliseconds created{};
    Milliseconds changed{};
    std::optional<std::vector<Tag>> tags{};  ///< absent: the secret never had any
    std::optional<Milliseconds>
        deletion{};  ///< when the secret is deleted, if it is marked for that
    /// The generation of the secret in the store whose value the current version has: its value is
    /// empty in `versions`, and the version is out of date if the store has another generation.
    std::optional<std::uint64_t> generation{};
    std::vector<Version> versions{};
};

SecretBuffer encode_details(const SecretDetails& details);

/// Fails on text that encode_details() did not make; the Status says what is wrong, and nothing of
/// a value.
StatusOr<SecretDetails> decode_details(SecretView text);

}  // namespace secrets::aws
