// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of secrets and of the variables they become, and which are refused.

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets {

/// ASCII letters and digits, whatever the locale.
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// `text` with a `?` for each byte that a terminal or a log should not be shown.
std::string printable(std::string_view text);

/// `text` between single quotes, fit for a sentence: bytes that are not printable ASCII become `?`,
/// and what is longer than a name may be is cut, so that bad input cannot disfigure a log.
std::string quoted(std::string_view text);

/// Why `name` cannot be a secret's name, as a sentence; nothing when it can.
/// Letters, digits, `_` and `-`, not beginning with a digit or `-`, at most kMaxNameBytes, and not
/// becoming a variable that is refused.
Status check_secret_name(std::string_view name);

/// Why `variable` cannot be set in a job, as a sentence; nothing when it can. Letters, digits and
/// `_`, not beginning with a digit, at most kMaxNameBytes, and none of those that steer the job
/// itself (the loader, the shell, interpreters, Slurm).
Status check_variable_name(std::string_view variable);

/// Why `text` cannot be an identifier, as a sentence in which `what` names its kind; nothing when
/// it can. Letters, digits, `.`, `_` and `-`, beginning with a letter or a digit, at most `most`
/// bytes.
Status check_identifier(std::string_view what, std::string_view text, std::size_t most);

/// Why `name` cannot be a workspace's name, as a sentence; nothing when it can: an
/// identifier of at most kMaxWorkspaceBytes.
Status check_workspace_name(std::string_view name);

/// Why `name` cannot be a Slurm account's name, as a sentence; nothing when it can: printable ASCII
/// without blanks, at most kMaxAccountBytes.
Status check_account_name(std::string_view name);

/// The variable that a secret becomes when the ask names no other: `-` is written `_`.
std::string variable_for(std::string_view secret_name);

}  // namespace secrets
