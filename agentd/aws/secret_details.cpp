// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/secret_details.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serializer.hpp>
#include <boost/json/value.hpp>

#include "agentd/base/base64.h"
#include "agentd/base/json_members.h"

namespace secrets::aws {
namespace {

namespace json = boost::json;

constexpr std::int64_t kFormat = 1;

bool is_current(const Version& version) {
    return std::find(version.stages.begin(), version.stages.end(), kCurrent) !=
           version.stages.end();
}

std::int64_t number_of(Milliseconds time) {
    return time.time_since_epoch().count();
}

json::object to_json(const Version& version, bool has_value) {
    json::array stages;
    for (const std::string& stage : version.stages) stages.emplace_back(stage);
    json::object object{{"id", version.id},
                        {"created", number_of(version.created)},
                        {"stages", std::move(stages)},
                        {"binary", version.is_binary}};
    if (!has_value) return object;
    const SecretBuffer text = encode_base64(version.value.view());
    const auto bytes = text.view().bytes();
    object["value"].emplace_string().assign(reinterpret_cast<const char*>(bytes.data()),
                                            bytes.size());
    return object;
}

/// Serializes straight into a buffer, so that no text with values is left in a string.
SecretBuffer text_of(const json::value& value) {
    json::serializer measure;
    measure.reset(&value);
    std::size_t length = 0;
    char piece[4096];
    while (!measure.done()) length += measure.read(piece, sizeof(piece)).size();
    wipe(std::as_writable_bytes(std::span(piece)));
    SecretBuffer text(length);
    json::serializer writer;
    writer.reset(&value);
    std::size_t written = 0;
    while (!writer.done()) {
        written +=
            writer.read(reinterpret_cast<char*>(text.bytes().data()) + written, length - written)
                .size();
    }
    return text;
}

Status malformed(const std::string& what) {
    return Status::failed("the details of a secret are malformed: " + what);
}

/// Returns a time of the object, before the year 10000.
std::optional<Milliseconds> time_in(const json::object& object, std::string_view name) {
    constexpr std::int64_t kEnd = 253402300800'000;
    const std::int64_t* number = find_number(&object, name);
    if (number == nullptr || *number < 0 || *number >= kEnd) return std::nullopt;
    return Milliseconds(std::chrono::milliseconds(*number));
}

StatusOr<Version> version_in(const json::value& value, bool store_has_current) {
    const json::object* object = value.if_object();
    const json::array* stages = find_array(object, "stages");
    if (stages == nullptr) return malformed("a version has no stages");
    Version version;
    version.id = text_or_empty(object, "id");
    version.is_binary = is_true(object, "binary");
    const auto created = time_in(*object, "created");
    if (!created || version.id.empty()) return malformed("a version has no id or time");
    version.created = *created;
    for (const json::value& stage : *stages) {
        const json::string* text = stage.if_string();
        if (text == nullptr) return malformed("a stage is not a text");
        version.stages.emplace_back(text->data(), text->size());
    }
    const json::string* text = find_text(object, "value");
    if (text == nullptr && store_has_current && is_current(version)) return version;
    auto bytes =
        text != nullptr ? decode_base64(std::as_bytes(std::span<const char>(*text))) : std::nullopt;
    if (!bytes) return malformed("a version has no value");
    version.value = std::move(*bytes);
    return version;
}

StatusOr<std::vector<Tag>> tags_in(const json::array& list) {
    std::vector<Tag> tags;
    for (const json::value& each : list) {
        const json::string* key = find_text(each.if_object(), "key");
        const json::string* value = find_text(each.if_object(), "value");
        if (key == nullptr || value == nullptr) return malformed("a tag has no key or value");
        tags.push_back(
            {std::string(key->data(), key->size()), std::string(value->data(), value->size())});
    }
    return tags;
}

}  // namespace

SecretBuffer encode_details(const SecretDetails& details) {
    json::array versions;
    for (const Version& version : details.versions) {
        versions.push_back(to_json(version, !details.generation || !is_current(version)));
    }
    json::object object{{"format", kFormat},
                        {"description", details.description},
                        {"kms_key", details.kms_key},
                        {"created", number_of(details.created)},
                        {"changed", number_of(details.changed)},
                        {"versions", std::move(versions)}};
    if (details.tags) {
        json::array& tags = object["tags"].emplace_array();
        for (const Tag& tag : *details.tags) {
            tags.push_back(json::object{{"key", tag.key}, {"value", tag.value}});
        }
    }
    if (details.deletion) object["deletion"] = number_of(*details.deletion);
    if (details.generation) object["generation"] = static_cast<std::int64_t>(*details.generation);
    return text_of(object);
}

StatusOr<SecretDetails> decode_details(SecretView text) {
    const json::value parsed = parse_json(text.bytes());
    const json::object* object = parsed.if_object();
    const std::int64_t* format = find_number(object, "format");
    if (format == nullptr) return malformed("they have no format");
    if (*format != kFormat) {
        return Status::failed(
            "the details of a secret were written by a later version of "
            "slurm-secretsd; update this one");
    }
    SecretDetails details;
    details.description = text_or_empty(object, "description");
    details.kms_key = text_or_empty(object, "kms_key");
    const auto created = time_in(*object, "created"), changed = time_in(*object, "changed");
    if (!created || !changed) return malformed("they have no time");
    details.created = *created;
    details.changed = *changed;
    if (object->contains("deletion")) {
        details.deletion = time_in(*object, "deletion");
        if (!details.deletion) return malformed("the time of the deletion is invalid");
    }
    if (object->contains("generation")) {
        const std::int64_t* generation = find_number(object, "generation");
        if (generation == nullptr || *generation < 1) return malformed("the generation is invalid");
        details.generation = static_cast<std::uint64_t>(*generation);
    }
    if (const json::array* list = find_array(object, "tags")) {
        auto tags = tags_in(*list);
        if (!tags) return tags.status();
        details.tags = std::move(tags).value();
    }
    const json::array* versions = find_array(object, "versions");
    if (versions == nullptr) return malformed("they have no versions");
    for (const json::value& each : *versions) {
        auto version = version_in(each, details.generation.has_value());
        if (!version) return version.status();
        details.versions.push_back(std::move(version).value());
    }
    return details;
}

}  // namespace secrets::aws
