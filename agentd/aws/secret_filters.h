// SPDX-License-Identifier: Apache-2.0
#pragma once
// The filters of ListSecrets and BatchGetSecretValue. A secret is listed if every filter matches; a
// filter matches if one of its values does, and a value that begins with `!` matches what the rest
// of it does not. How AWS compares:
//
//     name, tag-key, tag-value  the secret's text begins with the value, in the same case
//     description, all          each word of the value begins a word of the secret, in any case
//
// AWS replicates no secret of this agent and no service of AWS owns one: filters by primary-region
// and owning-service match nothing.

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace secrets::aws {

enum class FilterKey { all, name, description, tag_key, tag_value, primary_region, owning_service };

struct Filter {
    FilterKey key = FilterKey::all;
    std::vector<std::string> values;
};

/// Returns nothing if `word` is none of the keys of AWS's API.
std::optional<FilterKey> filter_key(std::string_view word);

struct Tag {
    std::string key;
    std::string value;
    bool operator==(const Tag&) const = default;
};

/// What filters compare: all that a list shows of a secret in words.
struct Listed {
    std::string name;
    std::string description;
    std::vector<Tag> tags;
};

/// Returns whether every filter matches; none always does.
bool matches(std::span<const Filter> filters, const Listed& secret);

/// Splits a text into words: at each byte that is no ASCII letter or digit, and before a capital
/// letter that follows a small one or a digit or is followed by a small one. "MyTest" has two
/// words; "COMPANYthings" has COMPAN and Ythings. Bytes above 127 are letters.
std::vector<std::string_view> words_of(std::string_view text);

}  // namespace secrets::aws
