// SPDX-License-Identifier: Apache-2.0
#include "ctl/import/json_shape.h"

#include <set>
#include <utility>

#include "common/base/text_position.h"
#include "ctl/import/json_handler.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

using boost::json::string_view;
using boost::system::error_code;

class ShapeHandler : public JsonHandler<ShapeHandler> {
    friend JsonHandler<ShapeHandler>;

  public:
    JsonShape take_root() { return std::move(root_); }

    bool on_object_begin(error_code&) { return open(JsonKind::object); }
    bool on_object_end(std::size_t, error_code&) { return close(); }
    bool on_array_begin(error_code&) { return open(JsonKind::array); }
    bool on_array_end(std::size_t, error_code&) { return close(); }
    bool on_string_part(string_view, std::size_t, error_code&) { return true; }
    bool on_string(string_view, std::size_t, error_code&) { return scalar(JsonKind::string); }

  private:
    bool key(std::string name) {
        key_ = std::move(name);
        return true;
    }

    bool open(JsonKind kind) {
        open_.push_back({std::exchange(key_, {}), kind, {}});
        return true;
    }

    bool close() {
        JsonShape done = std::move(open_.back());
        open_.pop_back();
        place(std::move(done));
        return true;
    }

    bool scalar(JsonKind kind) {
        place({std::exchange(key_, {}), kind, {}});
        return true;
    }

    void place(JsonShape shape) {
        if (open_.empty()) {
            root_ = std::move(shape);
        } else if (open_.back().kind == JsonKind::object) {
            open_.back().members.push_back(std::move(shape));
        }
    }

    std::vector<JsonShape> open_;  ///< the values being read, the outermost first
    std::string key_;              ///< the name of the next value
    JsonShape root_;
};

}  // namespace

const char* json_kind_words(JsonKind kind) {
    switch (kind) {
        case JsonKind::object:
            return "an object";
        case JsonKind::array:
            return "an array";
        case JsonKind::string:
            return "a string";
        case JsonKind::number:
            return "a number";
        case JsonKind::boolean:
            return "true or false";
        case JsonKind::null:
            return "null";
    }
    return "something else";
}

JsonShape read_json_shape(std::string_view text, const std::string& source) {
    boost::json::basic_parser<ShapeHandler> parser{boost::json::parse_options()};
    const auto [error, read] = parse_whole(parser, text);
    if (error) {
        throw CommandError(ExitCode::bad_input,
                           source + " begins with '{' but is not JSON: " + error.message() +
                               " at " + line_and_column(text, read));
    }
    return parser.handler().take_root();
}

std::optional<std::string> repeated_name(const JsonShape& shape) {
    std::set<std::string_view> seen;
    for (const JsonShape& member : shape.members) {
        if (!seen.insert(member.name).second) return member.name;
        if (auto name = repeated_name(member)) return name;
    }
    return std::nullopt;
}

}  // namespace secrets::ctl
