// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sources of one secret's value, which is never an argument.

#include <optional>
#include <string>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

struct ValueSource {
    std::optional<std::string> file;  ///< read byte for byte
    bool keep_newline = false;        ///< of standard input
};

/// Reads the value from a file, byte for byte; without a file from a terminal, typed twice; else
/// from standard input, without one newline at its end. Notes on standard error what was removed,
/// and what a user may not expect in the value. Throws CommandError if the value can't be read or
/// is too large, or if no input is given.
SecretText read_value(const ValueSource& source, const std::string& name);

/// Appends a value as JSON for the body of a request: {"base64":"..."}.
void append_value_json(SecretText& body, SecretView value);
std::size_t value_json_size(SecretView value);

}  // namespace secrets::ctl
