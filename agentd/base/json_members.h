// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads JSON of other programs, which may lack a member or have another type in its place: such a
// member is as good as missing.

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/base/text_as.h"

namespace secrets {

/// Returns null if the text is not valid JSON.
inline boost::json::value parse_json(std::span<const std::byte> body) {
    boost::system::error_code error;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    auto value = boost::json::parse(text_as<boost::json::string_view>(text), error);
    return error ? boost::json::value() : std::move(value);
}

/// Returns a member, or null if there is none, or no object.
inline const boost::json::value* find_member(const boost::json::object* object,
                                             std::string_view name) {
    return object != nullptr ? object->if_contains(text_as<boost::json::string_view>(name))
                             : nullptr;
}

/// Return a member, or null if there is none of that type.
inline const boost::json::object* find_object(const boost::json::object* object,
                                              std::string_view name) {
    const auto* member = find_member(object, name);
    return member != nullptr ? member->if_object() : nullptr;
}
inline const boost::json::array* find_array(const boost::json::object* object,
                                            std::string_view name) {
    const auto* member = find_member(object, name);
    return member != nullptr ? member->if_array() : nullptr;
}
inline const boost::json::string* find_text(const boost::json::object* object,
                                            std::string_view name) {
    const auto* member = find_member(object, name);
    return member != nullptr ? member->if_string() : nullptr;
}
inline const std::int64_t* find_number(const boost::json::object* object, std::string_view name) {
    const auto* member = find_member(object, name);
    return member != nullptr ? member->if_int64() : nullptr;
}

/// Returns a text, or an empty one if there is none.
inline std::string text_or_empty(const boost::json::object* object, std::string_view name) {
    const auto* text = find_text(object, name);
    return text != nullptr ? text_as<std::string>(*text) : std::string();
}

/// Returns whether a member is `true`.
inline bool is_true(const boost::json::object* object, std::string_view name) {
    const auto* member = find_member(object, name);
    return member != nullptr && member->is_bool() && member->get_bool();
}

}  // namespace secrets
