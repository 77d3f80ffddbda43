// SPDX-License-Identifier: Apache-2.0
#pragma once
// Secrets in the agent's API: their paths, and the body that sets one.

#include <optional>
#include <string>
#include <string_view>

#include "ctl/client/client.h"
#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// Returns the path of the caller's own secrets, or of a workspace's. Throws CommandError if
/// `workspace` is not a valid workspace name.
std::string path_of_secrets(const std::optional<std::string>& workspace);

/// Throws CommandError unless `name` is a valid secret name. The message does not repeat a text
/// with other characters than a name's, which may be a value.
void require_secret_name(const std::string& name);

/// Throws in the same way, but accepts the name of a variable that is not allowed now: a secret
/// that has it can still be renamed and removed.
void require_stored_name(const std::string& name);

/// Returns the body of a PUT; `ttl` is a duration, such as 30d.
SecretText body_of_secret(SecretView value, const std::optional<std::string>& ttl);

/// Returns the message for a user who passed a value as an argument.
std::string value_as_argument_sentence();

}  // namespace secrets::ctl
