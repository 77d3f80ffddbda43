// SPDX-License-Identifier: Apache-2.0
#pragma once
// Names of secrets and of the variables that they become, and the names that are not allowed.

#include <string>
#include <string_view>

#include "common/base/status.h"

namespace secrets {

/// Matches ASCII letters and digits, regardless of the locale.
constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

constexpr bool is_printable_ascii(char c) {
    return c >= ' ' && c <= '~';
}

/// Returns `text` with a `?` for each byte that is not printable ASCII: safe for a terminal and a
/// log.
std::string printable_ascii(std::string_view text);

/// Returns `text` between single quotes for use in a message. Bytes that are not printable ASCII
/// become `?`, and text longer than a name may be is cut, so that bad input cannot disfigure a log.
std::string in_quotes(std::string_view text);

/// Returns why `name` is not a valid secret name, or success. Valid are letters, digits, `_` and
/// `-`, not beginning with a digit or `-`, at most kMaxNameBytes, if the resulting variable is
/// allowed.
Status check_secret_name(std::string_view name);

/// Returns why a secret can never have had the name `name`, or success. Unlike check_secret_name(),
/// accepts a name whose variable is not allowed: another version may have allowed that variable,
/// and what is stored can still be read, renamed and removed.
Status check_stored_name(std::string_view name);

/// Returns why `variable` must not be set in a job, or success. Allowed are letters, digits and
/// `_`, not beginning with a digit, at most kMaxNameBytes, except for variables that control the
/// job itself (steering_variables.h).
Status check_variable_name(std::string_view variable);

/// Returns why `text` is not a valid identifier, or success; `what` names its kind in the message.
/// Valid are letters, digits, `.`, `_` and `-`, beginning with a letter or a digit, at most `most`
/// bytes.
Status check_identifier(std::string_view what, std::string_view text, std::size_t most);

/// Returns why `name` is not a valid workspace name, or success. Valid is an identifier of at most
/// kMaxWorkspaceBytes.
Status check_workspace_name(std::string_view name);

/// Returns why `name` is not a valid Slurm account name, or success. Valid is printable ASCII
/// without blanks, at most kMaxAccountBytes.
Status check_account_name(std::string_view name);

/// Returns the variable that a secret becomes when the spec names none: with `_` in place of `-`.
std::string variable_for(std::string_view secret_name);

}  // namespace secrets
