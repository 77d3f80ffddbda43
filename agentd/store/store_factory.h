// SPDX-License-Identifier: Apache-2.0
#pragma once
// The store that a configuration and systemd name together.

#include <memory>
#include <string>

#include "agentd/config/config.h"
#include "agentd/store/secret_store.h"

namespace secrets::store {

/// The store's file: store.file, or what systemd made a directory for (StateDirectory=); empty:
/// this agent keeps no secrets of people.
std::string store_file_of(const Config& config);

/// Where the store is OpenBao: an empty one in memory, for what is here of that. Else opens the
/// file with the key of store.key_file, or the credential `store.key` that systemd passed. Null
/// where there is none to open; an Status where it can't be.
StatusOr<std::unique_ptr<store::SecretStore>> open_store(const Config& config, MemoryKind memory);

/// The commands on a store that no agent needs to be stopped for. What was done, as a sentence.
StatusOr<std::string> rekey_store(const Config& config, const std::string& key_file,
                                  const std::string& new_key_file);
StatusOr<std::string> back_up_store(const Config& config, const std::string& to);

}  // namespace secrets::store
