// SPDX-License-Identifier: Apache-2.0
#pragma once
// Readers for the keys of the configuration's YAML. For the configuration's own files.

#include <yaml-cpp/yaml.h>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "agentd/config/config.h"

namespace secrets::yaml_reader {

/// An error and its position in the file. Thrown by the functions below; parse_config() catches it.
struct Wrong {
    YAML::Mark mark;
    std::string sentence;
};

/// One key that a mapping may have, and the function that reads its value.
struct Key {
    std::string_view name;
    std::function<void(const YAML::Node&)> read;
};

std::string text_of(const YAML::Node& node);
bool flag_of(const YAML::Node& node);
std::size_t number_of(const YAML::Node& node, std::size_t least, std::size_t most);
std::chrono::seconds duration_of(const YAML::Node& node);
std::string path_of(const YAML::Node& node);
std::string socket_path_of(const YAML::Node& node);
std::vector<std::string> texts_of(const YAML::Node& node);

/// Reads each key once; a key that is not in `keys` is an error.
void read_mapping(const YAML::Node& node, const std::vector<Key>& keys);

void read_listen(const YAML::Node& node, Listen& listen);
void read_hub(const YAML::Node& node, Hub& hub);
void read_openbao(const YAML::Node& node, OpenBao& openbao);

}  // namespace secrets::yaml_reader
