// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `secretctl push` sends, made from what people write.

#include <optional>
#include <string>
#include <string_view>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// What is said about the secrets on the command line.
struct PushFields {
    std::optional<std::string> owner;
    std::optional<std::string> ttl;
    std::optional<std::string> scope;  ///< `user` or `workspace`; user where it is left out
};

struct PushBody {
    SecretText text;
    std::string note;  ///< something odd that is no error, as a sentence; empty when there is none
};

/// The body of PUT /v1/runs/{run}. `input` is one of
///   - a JSON object of the objects `workspace` and `user` and nothing else, passed on as it is,
///   - any other JSON object, NAME to string or {"base64":"..."}: the secrets of one scope,
///   - lines NAME=VALUE: the value is all bytes from the first `=` to the line's end. Empty lines
///   and
///     those that begin with `#` are skipped.
/// Throws CommandError when it is none of these, a name stands in it twice, or nothing is in it.
/// `source` says in errors where the input came from. No error shows a line or a value.
PushBody make_push_body(std::string_view input, const std::string& source,
                        const PushFields& fields);

}  // namespace secrets::ctl
