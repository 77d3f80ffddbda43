// SPDX-License-Identifier: Apache-2.0
#pragma once
// A store in a directory of its own, for tests.

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "agentd/store/secret_store.h"
#include "tests/unit/secrets_of.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::store {

inline void write_file(const std::string& path, const std::string& content) {
    std::ofstream(path, std::ios::binary) << content;
    std::filesystem::permissions(path, std::filesystem::perms(0400));
}

inline std::string content_of(const std::string& path) {
    std::stringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
}

/// Makes a key that consists of `letter` 32 times.
inline StoreKey key_of(const TemporaryFolder& folder, char letter) {
    const std::string path = folder.file(std::string("key.") + letter);
    if (!std::filesystem::exists(path)) write_file(path, std::string(32, letter));
    return StoreKey::read(path, false, best_memory_kind()).value();
}

inline SecretView view_of(std::string_view text) {
    return SecretView(std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace secrets::store
