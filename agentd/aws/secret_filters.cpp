// SPDX-License-Identifier: Apache-2.0
#include "agentd/aws/secret_filters.h"

#include <algorithm>
#include <utility>

#include "common/base/names.h"

namespace secrets::aws {
namespace {

constexpr auto kKeys = std::to_array<std::pair<std::string_view, FilterKey>>({
    {"all", FilterKey::all},
    {"name", FilterKey::name},
    {"description", FilterKey::description},
    {"tag-key", FilterKey::tag_key},
    {"tag-value", FilterKey::tag_value},
    {"primary-region", FilterKey::primary_region},
    {"owning-service", FilterKey::owning_service},
});

constexpr bool is_small(char c) {
    return c >= 'a' && c <= 'z';
}
constexpr bool is_capital(char c) {
    return c >= 'A' && c <= 'Z';
}
constexpr bool is_of_word(char c) {
    return is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) > 127;
}
constexpr char to_small(char c) {
    return is_capital(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

bool begins_in_any_case(std::string_view word, std::string_view beginning) {
    return word.size() >= beginning.size() &&
           std::equal(beginning.begin(), beginning.end(), word.begin(),
                      [](char a, char b) { return to_small(a) == to_small(b); });
}

/// Returns whether each word of `value` begins one of `words`; a value without words matches
/// nothing.
bool words_match(std::span<const std::string_view> words, std::string_view value) {
    const auto wanted = words_of(value);
    return !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](std::string_view each) {
        return std::any_of(words.begin(), words.end(),
                           [&](std::string_view word) { return begins_in_any_case(word, each); });
    });
}

bool any_begins(const std::vector<Tag>& tags, std::string Tag::*text, std::string_view value) {
    return std::any_of(tags.begin(), tags.end(),
                       [&](const Tag& tag) { return (tag.*text).starts_with(value); });
}

std::vector<std::string_view> all_words(const Listed& secret) {
    std::vector<std::string_view> words = words_of(secret.name);
    const auto add = [&](std::string_view text) {
        const auto more = words_of(text);
        words.insert(words.end(), more.begin(), more.end());
    };
    add(secret.description);
    for (const Tag& tag : secret.tags) {
        add(tag.key);
        add(tag.value);
    }
    return words;
}

bool value_matches(FilterKey key, std::string_view value, const Listed& secret) {
    if (value.starts_with('!')) return !value_matches(key, value.substr(1), secret);
    switch (key) {
        case FilterKey::all:
            return words_match(all_words(secret), value);
        case FilterKey::name:
            return secret.name.starts_with(value);
        case FilterKey::description:
            return words_match(words_of(secret.description), value);
        case FilterKey::tag_key:
            return any_begins(secret.tags, &Tag::key, value);
        case FilterKey::tag_value:
            return any_begins(secret.tags, &Tag::value, value);
        case FilterKey::primary_region:
        case FilterKey::owning_service:
            break;
    }
    return false;
}

}  // namespace

std::optional<FilterKey> filter_key(std::string_view word) {
    for (const auto& [text, key] : kKeys) {
        if (text == word) return key;
    }
    return std::nullopt;
}

bool matches(std::span<const Filter> filters, const Listed& secret) {
    return std::all_of(filters.begin(), filters.end(), [&](const Filter& filter) {
        return std::any_of(
            filter.values.begin(), filter.values.end(),
            [&](const std::string& value) { return value_matches(filter.key, value, secret); });
    });
}

std::vector<std::string_view> words_of(std::string_view text) {
    std::vector<std::string_view> words;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        const bool is_end = i == text.size() || !is_of_word(text[i]);
        const bool is_begin =
            !is_end && i > begin && is_capital(text[i]) &&
            (!is_capital(text[i - 1]) || (i + 1 < text.size() && is_small(text[i + 1])));
        if (!is_end && !is_begin) continue;
        if (i > begin) words.push_back(text.substr(begin, i - begin));
        begin = is_end ? i + 1 : i;
    }
    return words;
}

}  // namespace secrets::aws
