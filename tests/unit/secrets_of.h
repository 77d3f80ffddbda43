// SPDX-License-Identifier: Apache-2.0
#pragma once
// Shorthands for secrets and ids in tests.

#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "agentd/vault/record_codec.h"
#include "tests/unit/bytes.h"

namespace secrets {

inline SecretBuffer buffer_of(std::string_view text) {
    SecretBuffer buffer(text.size());
    if (!text.empty()) std::memcpy(buffer.bytes().data(), text.data(), text.size());
    return buffer;
}

inline vault::NewSecret user_secret(std::string_view name, std::string_view value) {
    return {vault::Scope::user, std::string(name), buffer_of(value)};
}

inline vault::NewSecret workspace_secret(std::string_view name, std::string_view value) {
    return {vault::Scope::workspace, std::string(name), buffer_of(value)};
}

template <typename... Secret>
std::vector<vault::NewSecret> list_of(Secret&&... secrets) {
    std::vector<vault::NewSecret> list;
    (list.push_back(std::forward<Secret>(secrets)), ...);
    return list;
}

inline RunId run_id(std::string_view text) {
    return RunId::parse(text).value();
}

inline vault::Time at(long long seconds) {
    return vault::Time(std::chrono::seconds(seconds));
}

}  // namespace secrets
