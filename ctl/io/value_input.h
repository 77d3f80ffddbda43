// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where the value of one secret comes from, which is never an argument.

#include <optional>
#include <string>

#include "ctl/io/secret_text.h"

namespace secrets::ctl {

struct ValueSource {
    std::optional<std::string> file;  ///< taken byte for byte
    bool keep_newline = false;        ///< of standard input
};

/// A file, byte for byte; else what is typed twice at a terminal; else standard input, without one
/// newline at its end, which is remarked on on standard error. Throws CommandError when it can't be
/// read, when nothing is there, and when it is more than a value may be.
SecretText read_value(const ValueSource& source, const std::string& name);

/// JSON of a value, for the body of a request: {"base64":"..."}.
void append_value_json(SecretText& body, SecretView value);
std::size_t value_json_size(SecretView value);

}  // namespace secrets::ctl
