// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/request_fields.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <set>
#include <utility>

#include "agentd/aws/value_parser.h"
#include "common/base/names.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxTags = 50;
constexpr std::size_t kMaxTagKeyBytes = 128;
constexpr std::size_t kMaxTagValueBytes = 256;
constexpr std::size_t kMaxFilters = 10;
constexpr std::size_t kMaxFilterValues = 10;
constexpr std::size_t kMaxFilterBytes = 512;

Status not_a(std::string_view name, std::string_view expected) {
    return Status::invalid("invalid " + std::string(name) + ": expected " + std::string(expected));
}

Status bad_length(std::string_view name, std::size_t least, std::size_t most) {
    return Status::invalid(std::string(name) + " must be " + std::to_string(least) + "-" +
                           std::to_string(most) + " characters long.");
}

/// Returns a text of an object; nothing if it is absent or not a text.
std::optional<std::string> member_text(const json::object& object, std::string_view name) {
    const json::value* member = object.if_contains(json::string_view(name.data(), name.size()));
    if (member == nullptr || !member->is_string()) return std::nullopt;
    const json::string& text = member->get_string();
    return std::string(text.data(), text.size());
}

StatusOr<Tag> tag_in(const json::value& value) {
    const json::object* object = value.if_object();
    const auto key = object != nullptr ? member_text(*object, "Key") : std::nullopt;
    if (!key || key->empty() || key->size() > kMaxTagKeyBytes) {
        return bad_length("the Key of a tag", 1, kMaxTagKeyBytes);
    }
    std::string text = member_text(*object, "Value").value_or("");
    if (text.size() > kMaxTagValueBytes) {
        return bad_length("the Value of a tag", 0, kMaxTagValueBytes);
    }
    return Tag{*key, std::move(text)};
}

StatusOr<Filter> filter_in(const json::value& value, std::size_t position) {
    const json::object* object = value.if_object();
    const auto word = object != nullptr ? member_text(*object, "Key") : std::nullopt;
    if (!word) return Status::invalid("Invalid filter key");
    const auto key = filter_key(*word);
    if (!key) {
        return Status(StatusCode::failed_precondition,
                      "1 validation error detected: Value " + in_quotes(*word) + " at 'filters." +
                          std::to_string(position) +
                          ".member.key' failed to satisfy constraint: Member must satisfy enum "
                          "value set: [all, name, tag-key, description, tag-value]");
    }
    const json::value* values = object->if_contains("Values");
    const json::array* list = values != nullptr ? values->if_array() : nullptr;
    const Status bad_values = Status::invalid("Invalid filter values for key: " + *word);
    if (list == nullptr || list->empty() || list->size() > kMaxFilterValues) return bad_values;
    Filter filter{*key, {}};
    for (const json::value& each : *list) {
        const json::string* text = each.if_string();
        if (text == nullptr || text->size() > kMaxFilterBytes) return bad_values;
        filter.values.emplace_back(text->data(), text->size());
    }
    return filter;
}

}  // namespace

StatusOr<RequestFields> RequestFields::parse(std::span<const std::byte> body,
                                             std::size_t value_bytes) {
    auto parsed = parse_with_value(body, value_bytes);
    if (!parsed) return parsed.status();
    RequestFields fields(std::move(parsed->fields));
    fields.string_ = std::move(parsed->string);
    fields.binary_ = std::move(parsed->binary);
    fields.wrong_ = parsed->wrong_value;
    return fields;
}

const json::value* RequestFields::find(std::string_view name) const {
    const json::value* value = fields_.if_contains(json::string_view(name.data(), name.size()));
    return value == nullptr || value->is_null() ? nullptr : value;
}

void RequestFields::fail(Status wrong) {
    if (wrong_.ok()) wrong_ = std::move(wrong);
}

std::optional<std::string> RequestFields::text(std::string_view name, std::size_t least,
                                               std::size_t most) {
    const json::value* value = find(name);
    if (value == nullptr) return std::nullopt;
    const json::string* text = value->if_string();
    if (text == nullptr) {
        fail(not_a(name, "a string"));
        return std::nullopt;
    }
    if (text->size() < least || text->size() > most) {
        fail(bad_length(name, least, most));
        return std::nullopt;
    }
    return std::string(text->data(), text->size());
}

std::string RequestFields::needed_text(std::string_view name, std::size_t least, std::size_t most) {
    if (find(name) == nullptr) {
        fail(Status::invalid("You must provide a value for the " + std::string(name) +
                             " parameter."));
    }
    return text(name, least, most).value_or("");
}

std::optional<bool> RequestFields::flag(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr) return std::nullopt;
    if (value->is_bool()) return value->get_bool();
    fail(not_a(name, "true or false"));
    return std::nullopt;
}

std::optional<std::int64_t> RequestFields::number(std::string_view name) {
    const json::value* value = find(name);
    if (value == nullptr) return std::nullopt;
    boost::system::error_code error;
    const auto number = value->to_number<std::int64_t>(error);
    if (!error) return number;
    fail(not_a(name, "a whole number"));
    return std::nullopt;
}

std::optional<std::vector<std::string>> RequestFields::texts(std::string_view name,
                                                             std::size_t most) {
    const json::value* value = find(name);
    if (value == nullptr) return std::nullopt;
    const json::array* list = value->if_array();
    const auto is_text = [](const json::value& each) { return each.is_string(); };
    if (list == nullptr || list->size() > most ||
        !std::all_of(list->begin(), list->end(), is_text)) {
        fail(not_a(name, "a list of at most " + std::to_string(most) + " strings"));
        return std::nullopt;
    }
    std::vector<std::string> texts;
    for (const json::value& each : *list) {
        texts.emplace_back(each.get_string().data(), each.get_string().size());
    }
    return texts;
}

std::optional<std::vector<Tag>> RequestFields::tags() {
    const json::value* value = find("Tags");
    if (value == nullptr) return std::nullopt;
    const json::array* list = value->if_array();
    if (list == nullptr || list->size() > kMaxTags) {
        fail(not_a("Tags", "a list of at most " + std::to_string(kMaxTags) + " tags"));
        return std::nullopt;
    }
    std::vector<Tag> tags;
    std::set<std::string> keys;
    for (const json::value& each : *list) {
        auto tag = tag_in(each);
        if (!tag || !keys.insert(tag->key).second) {
            fail(tag ? Status::invalid("duplicate tag " + in_quotes(tag->key)) : tag.status());
            return std::nullopt;
        }
        tags.push_back(std::move(tag).value());
    }
    return tags;
}

std::optional<std::vector<Filter>> RequestFields::filters() {
    const json::value* value = find("Filters");
    if (value == nullptr) return std::nullopt;
    const json::array* list = value->if_array();
    if (list == nullptr || list->size() > kMaxFilters) {
        fail(not_a("Filters", "a list of at most " + std::to_string(kMaxFilters) + " filters"));
        return std::nullopt;
    }
    std::vector<Filter> filters;
    for (const json::value& each : *list) {
        auto filter = filter_in(each, filters.size() + 1);
        if (!filter) {
            fail(filter.status());
            return std::nullopt;
        }
        filters.push_back(std::move(filter).value());
    }
    return filters;
}

std::optional<RequestValue> RequestFields::take_value() {
    if (string_ && binary_) {
        fail(Status::invalid("You can't specify both a SecretString and a SecretBinary."));
        return std::nullopt;
    }
    if (string_) return RequestValue{std::move(*std::exchange(string_, std::nullopt)), false};
    if (binary_) return RequestValue{std::move(*std::exchange(binary_, std::nullopt)), true};
    return std::nullopt;
}

}  // namespace secrets::aws
