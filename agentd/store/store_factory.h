// SPDX-License-Identifier: Apache-2.0
#pragma once
// Opens the store that the configuration and systemd name together.

#include <memory>
#include <string>

#include "agentd/config/config.h"
#include "agentd/store/secret_store.h"

namespace secrets::store {

/// Returns the path of the store's file: store.file, or a file in the directory that systemd made
/// (StateDirectory=). An empty path: this agent stores no secrets of users and workspaces.
std::string store_file_of(const Config& config);

struct OpenedStore {
    std::unique_ptr<SecretStore> store;  ///< null if none is configured, or if it is closed
    std::string why_closed;  ///< why the store can't be opened; empty if it is not closed
};

/// Opens the store. If the store is OpenBao, creates an empty one in memory for the local copy of
/// it. Otherwise opens the file with the key of store.key_file, or of the credential `store.key`
/// that systemd passed; a file that can't be opened is a closed store, and no error, because runs
/// need no store.
///
/// Waits some seconds for a process that has locked the file. A node of a hub has no store, because
/// its hub has it.
StatusOr<OpenedStore> open_store(const Config& config, MemoryKind memory);

/// Opens a store that open_store() left closed; hardly waits, because all requests do meanwhile.
OpenedStore reopen_store(const Config& config, MemoryKind memory);

/// Commands on a store, for which no agent needs to be stopped. Each returns a sentence about its
/// result.
StatusOr<std::string> rekey_store(const Config& config, const std::string& key_file,
                                  const std::string& new_key_file);
StatusOr<std::string> back_up_store(const Config& config, const std::string& to);

/// Settles whose the stored secrets of a uid are whose user has another name now: keeps them for
/// the user who has the name now, or removes them.
StatusOr<std::string> settle_user(const Config& config, Uid uid, bool keeps);

}  // namespace secrets::store
