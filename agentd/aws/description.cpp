// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/description.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <utility>

namespace secrets::aws {
namespace {

namespace json = boost::json;

constexpr auto kSortWords = std::to_array<std::pair<std::string_view, SortBy>>({
    {"created-date", SortBy::created},
    {"last-changed-date", SortBy::changed},
    {"last-accessed-date", SortBy::used},
    {"name", SortBy::name},
});

/// Returns a time as AWS writes it: seconds since 1970, with a fraction.
double seconds_of(Milliseconds time) {
    return static_cast<double>(time.time_since_epoch().count()) / 1000;
}

json::array stages_json(const VersionDescription& version) {
    json::array stages;
    for (const std::string& stage : version.stages) stages.emplace_back(stage);
    return stages;
}

/// Returns the fields of a secret. `versions_field`: how the answer calls its versions.
json::object fields_of(const Description& secret, std::string_view versions_field) {
    json::object fields{{"ARN", secret.arn},
                        {"Name", secret.name},
                        {"CreatedDate", seconds_of(secret.created)},
                        {"LastChangedDate", seconds_of(secret.changed)}};
    if (!secret.text.empty()) fields["Description"] = secret.text;
    if (!secret.kms_key.empty()) fields["KmsKeyId"] = secret.kms_key;
    if (secret.used) fields["LastAccessedDate"] = seconds_of(*secret.used);
    if (secret.deletion) fields["DeletedDate"] = seconds_of(*secret.deletion);
    if (secret.tags) {
        json::array& tags = fields["Tags"].emplace_array();
        for (const Tag& tag : *secret.tags) {
            tags.push_back(json::object{{"Key", tag.key}, {"Value", tag.value}});
        }
    }
    if (secret.versions.empty()) return fields;
    const json::string_view name(versions_field.data(), versions_field.size());
    json::object& versions = fields[name].emplace_object();
    for (const VersionDescription& version : secret.versions) {
        versions[version.id] = stages_json(version);
    }
    return fields;
}

bool comes_before(const Description& one, const Description& other, SortBy by) {
    switch (by) {
        case SortBy::created:
            if (one.created != other.created) return one.created < other.created;
            break;
        case SortBy::changed:
            if (one.changed != other.changed) return one.changed < other.changed;
            break;
        case SortBy::used:
            if (one.used != other.used) return one.used < other.used;
            break;
        case SortBy::name:
            break;
    }
    return one.name < other.name;
}

}  // namespace

json::object describe_json(const Description& secret) {
    return fields_of(secret, "VersionIdsToStages");
}

std::optional<SortBy> sort_by(std::string_view word) {
    for (const auto& [text, by] : kSortWords) {
        if (text == word) return by;
    }
    return std::nullopt;
}

void sort(std::span<Description> secrets, SortBy by, bool descending) {
    std::sort(secrets.begin(), secrets.end(),
              [&](const Description& one, const Description& other) {
                  return descending ? comes_before(other, one, by) : comes_before(one, other, by);
              });
}

json::object list_json(std::span<const Description> secrets, const std::string& next_token) {
    json::array list;
    for (const Description& secret : secrets) {
        list.push_back(fields_of(secret, "SecretVersionsToStages"));
    }
    json::object answer{{"SecretList", std::move(list)}};
    if (!next_token.empty()) answer["NextToken"] = next_token;
    return answer;
}

json::object versions_json(const Description& secret) {
    json::array versions;
    for (const VersionDescription& version : secret.versions) {
        versions.push_back(json::object{{"VersionId", version.id},
                                        {"VersionStages", stages_json(version)},
                                        {"CreatedDate", seconds_of(version.created)}});
    }
    return {{"ARN", secret.arn}, {"Name", secret.name}, {"Versions", std::move(versions)}};
}

}  // namespace secrets::aws
