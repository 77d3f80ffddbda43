// SPDX-License-Identifier: Apache-2.0
#pragma once
// The body that `secretctl push` sends, made from a user's input.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

/// The options of the command line that apply to all of the secrets.
struct PushFields {
    std::optional<std::string> owner;
    std::optional<std::string> ttl;
    std::optional<std::string> scope;      ///< `user` or `workspace`; absent: user
    std::optional<std::string> until_job;  ///< the id of the job with which the run ends
};

struct PushBody {
    SecretText text;
    std::vector<std::string> notes;  ///< what may surprise in the input, as sentences
};

/// Returns the body of PUT /v1/runs/{run}. `input` is one of
///   - a JSON object that consists of the objects `workspace` and `user`, passed on unchanged,
///   - any other JSON object, NAME to string or {"base64":"..."}: the secrets of one scope,
///   - lines NAME=VALUE: the value is all bytes from the first `=` to the line's end. Empty lines
///     and lines that begin with `#` are skipped; a name without a value is left out with a note:
///     an empty value would hide one of a user or a workspace.
/// A byte order mark before it is skipped.
/// Throws CommandError if `input` is none of these or UTF-16, repeats a name, or contains no
/// secret, or if a field is malformed. `source` names the input in errors. No error shows a line or
/// a value.
PushBody make_push_body(std::string_view input, const std::string& source,
                        const PushFields& fields);

/// Returns the same of Nextflow's store of secrets, in the form [{"name":"...","value":"..."},...].
PushBody make_push_body_of_store(std::string_view input, const std::string& source,
                                 const PushFields& fields);

}  // namespace secrets::ctl
