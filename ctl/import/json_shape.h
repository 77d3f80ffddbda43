// SPDX-License-Identifier: Apache-2.0
#pragma once
// The structure of a JSON text without its values: enough to decide if the text can be pushed, and
// no value is copied out of the text.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace secrets::ctl {

enum class JsonKind { object, array, string, number, boolean, null };

/// Returns the kind with its article, fit for a sentence: "an object".
const char* json_kind_words(JsonKind kind);

/// One value. If it is an object: with its members in the order of the text, repeated names
/// included.
struct JsonShape {
    std::string name;  ///< empty for the outermost
    JsonKind kind = JsonKind::null;
    std::vector<JsonShape> members;  ///< of objects only
};

/// Reads a JSON text; `source` names it in errors. Throws CommandError with line and column if
/// `text` is not JSON.
JsonShape read_json_shape(std::string_view text, const std::string& source);

/// Returns a name that one object has twice, at any depth.
std::optional<std::string> repeated_name(const JsonShape& shape);

}  // namespace secrets::ctl
