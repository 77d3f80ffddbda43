// SPDX-License-Identifier: Apache-2.0
#include "agentd/api/json_fields.h"

#include <boost/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "agentd/api/sensitive_json.h"
#include "agentd/base/json_members.h"
#include "common/base/names.h"
#include "common/base/text_as.h"

namespace secrets::api {
namespace {

namespace json = boost::json;

/// Finds a field that appears twice in one object: the document parser uses only one of the two.
class RepeatedField : public BodyHandler<RepeatedField> {
    friend BodyHandler<RepeatedField>;

  public:
    bool on_object_begin(boost::system::error_code&) {
        open_.emplace_back();
        return true;
    }
    bool on_object_end(std::size_t, boost::system::error_code&) {
        open_.pop_back();
        return true;
    }
    bool on_key_part(json::string_view part, std::size_t, boost::system::error_code&) {
        key_.append(part.data(), part.size());
        return true;
    }
    bool on_key(json::string_view part, std::size_t, boost::system::error_code& error) {
        key_.append(part.data(), part.size());
        const std::string key = std::exchange(key_, {});
        if (open_.back().insert(key).second) return true;
        return fail("duplicate field " + in_quotes(key), error);
    }
    bool on_string_part(json::string_view, std::size_t, boost::system::error_code&) { return true; }
    bool on_string(json::string_view, std::size_t, boost::system::error_code&) { return true; }

  private:
    bool unexpected(const char*, boost::system::error_code&) {
        return true;
    }  // reported by the reader

    std::vector<std::set<std::string>> open_;
    std::string key_;
};

}  // namespace

StatusOr<json::value> parse_object(std::span<const std::byte> body, std::size_t depth) {
    boost::system::error_code error;
    json::parse_options options;
    options.max_depth = depth;
    json::basic_parser<RepeatedField> fields(options);
    if (const Status wrong = parse_whole(fields, body); !wrong.ok()) return wrong;
    const std::string_view text =
        without_byte_order_mark({reinterpret_cast<const char*>(body.data()), body.size()});
    json::value value = json::parse(text_as<json::string_view>(text), error, {}, options);
    if (error) return Status::invalid("the JSON is malformed: " + error.message());
    if (!value.is_object()) return Status::invalid("the body must be a JSON object");
    return value;
}

std::uint32_t JsonFields::number(std::string_view name, std::uint64_t most) {
    ++taken_;
    const std::int64_t* found = find_number(&object_, name);
    std::uint64_t number = most + 1;
    if (found != nullptr && *found >= 0) number = static_cast<std::uint64_t>(*found);
    if (number > most) fail(name, "a whole number from 0 to " + std::to_string(most));
    return static_cast<std::uint32_t>(number);
}

std::string JsonFields::text(std::string_view name, std::size_t most) {
    ++taken_;
    const json::string* found = find_text(&object_, name);
    if (found != nullptr && found->size() <= most) return text_as<std::string>(*found);
    fail(name, "a string of at most " + std::to_string(most) + " bytes");
    return "";
}

Status JsonFields::wrong() const {
    if (!wrong_.ok() || taken_ == object_.size()) return wrong_;
    return Status::invalid("the body has an unknown field");
}

void JsonFields::fail(std::string_view name, const std::string& expected) {
    if (wrong_.ok()) wrong_ = Status::invalid("\"" + std::string(name) + "\" must be " + expected);
}

}  // namespace secrets::api
