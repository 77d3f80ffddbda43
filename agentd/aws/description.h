// SPDX-License-Identifier: Apache-2.0
#pragma once
// The description of a secret without its values, as DescribeSecret, ListSecrets and
// ListSecretVersionIds answer it. A field that is not set is left out, as AWS leaves it out.

#include <boost/json/object.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/aws/secret_details.h"

namespace secrets::aws {

struct VersionDescription {
    std::string id;
    std::vector<std::string> stages;
    Milliseconds created{};
};

struct Description {
    std::string arn;
    std::string name;
    std::string text{};     ///< what the owner says of the secret
    std::string kms_key{};  ///< as the client sent it
    std::optional<std::vector<Tag>> tags{};
    Milliseconds created{};
    Milliseconds changed{};
    std::optional<Milliseconds> used{};      ///< when a job used the secret last
    std::optional<Milliseconds> deletion{};  ///< if the secret is marked for deletion
    std::vector<VersionDescription> versions{};
};

/// Returns the answer of DescribeSecret.
boost::json::object describe_json(const Description& secret);

/// What ListSecrets sorts by.
enum class SortBy { created, changed, used, name };
/// Returns nothing if `word` is none of AWS's API.
std::optional<SortBy> sort_by(std::string_view word);

/// Sorts what ListSecrets answers; secrets that are equal in that are sorted by name.
void sort(std::span<Description> secrets, SortBy by, bool descending);

/// Returns the answer of ListSecrets. `next_token`: empty at the end; the answer has none then,
/// since clients go on for as long as there is one.
boost::json::object list_json(std::span<const Description> secrets, const std::string& next_token);

/// Returns the answer of ListSecretVersionIds.
boost::json::object versions_json(const Description& secret);

}  // namespace secrets::aws
