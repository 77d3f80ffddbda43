// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "ctl/import/json_shape.h"

namespace secrets::ctl {

/// Base of the handlers that Boost.JSON calls while it parses; Boost.JSON prescribes the names and
/// signatures. `Handler` adds those for objects, arrays and strings, key(name) for a member's whole
/// name, and scalar(kind) for any other value.
template <typename Handler>
class JsonHandler {
    using ErrorCode = boost::system::error_code;
    using Text = boost::json::string_view;

  public:
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    bool on_document_begin(ErrorCode&) { return true; }
    bool on_document_end(ErrorCode&) { return true; }
    bool on_key_part(Text part, std::size_t, ErrorCode&) {
        name_.append(part.data(), part.size());
        return true;
    }
    bool on_key(Text part, std::size_t, ErrorCode&) {
        name_.append(part.data(), part.size());
        return self().key(std::exchange(name_, {}));
    }
    bool on_number_part(Text, ErrorCode&) { return true; }
    bool on_int64(std::int64_t, Text, ErrorCode&) { return self().scalar(JsonKind::number); }
    bool on_uint64(std::uint64_t, Text, ErrorCode&) { return self().scalar(JsonKind::number); }
    bool on_double(double, Text, ErrorCode&) { return self().scalar(JsonKind::number); }
    bool on_bool(bool, ErrorCode&) { return self().scalar(JsonKind::boolean); }
    bool on_null(ErrorCode&) { return self().scalar(JsonKind::null); }
    bool on_comment_part(Text, ErrorCode&) { return true; }
    bool on_comment(Text, ErrorCode&) { return true; }

  private:
    Handler& self() { return *static_cast<Handler*>(this); }

    std::string name_;
};

/// Parses all of `text`. Returns the error, if any, and the position that the parser reached.
template <typename Parser>
std::pair<boost::system::error_code, std::size_t> parse_whole(Parser& parser,
                                                              std::string_view text) {
    boost::system::error_code error;
    const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
    if (!error && read < text.size()) error = boost::json::error::extra_data;
    return {error, read};
}

}  // namespace secrets::ctl
