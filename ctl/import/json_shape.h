// SPDX-License-Identifier: Apache-2.0
#pragma once
// What a JSON text is made of, without its values: enough to tell whether it can be pushed, while
// no value is copied out of the text.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace secrets::ctl {

enum class JsonKind { object, array, string, number, boolean, null };

/// With its article, fit for a sentence: "an object".
const char* json_kind_words(JsonKind kind);

/// One value and, where it is an object, its members in the order of the text, repeated names and
/// all.
struct JsonShape {
    std::string name;  ///< empty for the outermost
    JsonKind kind = JsonKind::null;
    std::vector<JsonShape> members;  ///< of objects only
};

/// Throws CommandError with line and column when `text` is not JSON; `source` is where it came
/// from.
JsonShape read_json_shape(std::string_view text, const std::string& source);

/// A name that stands twice in one object, at any depth.
std::optional<std::string> repeated_name(const JsonShape& shape);

}  // namespace secrets::ctl
