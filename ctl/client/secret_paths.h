// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets in the agent's API: their paths, and the body that sets one.

#include <optional>
#include <string>
#include <string_view>

#include "ctl/client/client.h"
#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// The path of the caller's own secrets, or of a workspace's. Throws CommandError when that cannot
/// be a workspace's name.
std::string path_of_secrets(const std::optional<std::string>& workspace);

/// Whose they are, for a sentence: "your secrets", "the secrets of workspace lab".
std::string whose_secrets(const std::optional<std::string>& workspace);

/// Throws CommandError unless it can be a secret's name. What is not even made as one may be a
/// value, and is not repeated.
void require_secret_name(const std::string& name);

/// The body of a PUT; `ttl` is a duration, such as 30d.
SecretText body_of_secret(SecretView value, const std::optional<std::string>& ttl);

/// What is said to somebody who gave a value as an argument.
std::string value_as_argument_sentence();

}  // namespace secrets::ctl
