// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names and ARNs of secrets in AWS's API, and the secrets that they stand for. The name tells the
// scope:
//
//     tower-RUN/NAME    of a run, as Tower names what it pushes to AWS
//     workspace/W/NAME  of a workspace
//     NAME              of the user of the access key
//
// An ARN is arn:aws:secretsmanager:REGION:ACCOUNT:secret: and the name, followed by `-` and six
// characters. AWS draws these at random when a secret is created; these are derived from owner and
// name, so that every hub gives the same ARN and nothing has to be stored for it.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/ids.h"
#include "common/base/status.h"

namespace secrets::aws {

/// The scope and the name of one secret.
struct SecretAddress {
    std::optional<RunId> run{};              ///< set: a secret of that run
    std::optional<std::string> workspace{};  ///< set: a secret of that workspace
    std::string name;                        ///< without its scope; valid, but perhaps not allowed

    bool operator==(const SecretAddress&) const = default;
};

/// Returns the secret that `name` stands for; the Status says what is invalid, in a sentence for
/// the client. Does not check whether the variable that the name becomes is allowed.
StatusOr<SecretAddress> parse_secret_name(std::string_view name);

/// Returns the name in AWS's API.
std::string secret_name(const SecretAddress& address);

/// The part of an ARN that all secrets of one region share.
struct ArnScope {
    std::string region;
    std::string account;  ///< twelve digits
};

/// Returns the six characters that end the ARN of a secret; `owner`: the user of a name without
/// scope.
std::string arn_suffix(const SecretAddress& address, Uid owner);
std::string secret_arn(const ArnScope& scope, const SecretAddress& address, Uid owner);

/// A secret that a SecretId may mean.
struct Candidate {
    SecretAddress address;
    std::string suffix;  ///< the secret's ARN must end with it; empty: any does
};

/// Returns what a SecretId may mean, the likeliest first: a name means the secret of that name. An
/// ARN means the secret whose name is all that follows `secret:`, since AWS accepts an ARN without
/// its suffix, or the one whose name is the rest without the suffix. Region and account are
/// not compared: one client may have several. Empty if no secret can have that id.
std::vector<Candidate> candidates_of(std::string_view secret_id);

}  // namespace secrets::aws
