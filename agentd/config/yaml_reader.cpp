// SPDX-License-Identifier: Apache-2.0
#include "agentd/config/yaml_reader.h"

#include <algorithm>

#include "common/base/duration.h"
#include "common/base/names.h"

namespace secrets::yaml_reader {

std::string text_of(const YAML::Node& node) {
    if (!node.IsScalar()) throw Wrong{node.Mark(), "expected a text value"};
    return node.Scalar();
}

bool flag_of(const YAML::Node& node) {
    const std::string text = text_of(node);
    if (text == "true") return true;
    if (text == "false") return false;
    throw Wrong{node.Mark(), "invalid value " + in_quotes(text) + "; expected true or false"};
}

std::size_t number_of(const YAML::Node& node, std::size_t least, std::size_t most) {
    const std::string text = text_of(node);
    const bool digits = !text.empty() && text.size() <= 18 &&
                        text.find_first_not_of("0123456789") == std::string::npos;
    const std::size_t number = digits ? std::stoull(text) : 0;
    if (!digits || number < least || number > most) {
        throw Wrong{node.Mark(), "invalid value " + in_quotes(text) +
                                     "; expected a whole number from " + std::to_string(least) +
                                     " to " + std::to_string(most)};
    }
    return number;
}

std::chrono::seconds duration_of(const YAML::Node& node) {
    const auto duration = parse_duration(text_of(node));
    if (!duration) throw Wrong{node.Mark(), duration.status().message()};
    return *duration;
}

std::string path_of(const YAML::Node& node) {
    std::string path = text_of(node);
    if (!path.starts_with('/'))
        throw Wrong{node.Mark(), in_quotes(path) + " is not an absolute path"};
    return path;
}

std::string socket_path_of(const YAML::Node& node) {
    std::string path = path_of(node);
    if (path.size() > 107)
        throw Wrong{node.Mark(), "socket path is too long; the limit is 107 characters"};
    return path;
}

std::vector<std::string> texts_of(const YAML::Node& node) {
    if (!node.IsSequence()) throw Wrong{node.Mark(), "expected a list, as in [alice, bob]"};
    std::vector<std::string> texts;
    for (const YAML::Node& element : node) texts.push_back(text_of(element));
    return texts;
}

void read_mapping(const YAML::Node& node, const std::vector<Key>& keys) {
    if (!node.IsMap()) throw Wrong{node.Mark(), "expected keys and values"};
    std::vector<std::string> seen;
    for (const auto& entry : node) {
        const std::string name = text_of(entry.first);
        const auto key = std::find_if(keys.begin(), keys.end(),
                                      [&](const Key& known) { return known.name == name; });
        if (key == keys.end()) {
            std::string known;
            for (const Key& each : keys)
                known += (known.empty() ? "" : ", ") + std::string(each.name);
            throw Wrong{entry.first.Mark(),
                        "unknown key " + in_quotes(name) + "; expected one of: " + known};
        }
        if (std::find(seen.begin(), seen.end(), name) != seen.end()) {
            throw Wrong{entry.first.Mark(), "duplicate key " + in_quotes(name)};
        }
        seen.push_back(name);
        // Reported for the key: the parser reports a missing value at the position where it reads
        // on.
        if (entry.second.IsNull()) {
            throw Wrong{entry.first.Mark(), "key " + in_quotes(name) + " has no value"};
        }
        key->read(entry.second);
    }
}

}  // namespace secrets::yaml_reader
