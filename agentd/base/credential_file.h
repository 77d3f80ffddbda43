// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files that hold a key or a credential, provided by systemd or by an admin.

#include <cstddef>
#include <span>
#include <string>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets {

/// Returns `configured`, or if that is empty the credential that systemd passed under `name`. The
/// Status mentions `key`, which names the file in the configuration.
struct CredentialPath {
    std::string path;
    bool is_credential = false;
};
StatusOr<CredentialPath> credential_path(const std::string& configured, const std::string& name,
                                         const std::string& key);

/// Reads the beginning of a file, at most as much as `out` holds, and returns the bytes read. A
/// systemd credential is as private as systemd left it; any other file must be readable only by its
/// owner. `which` names the file in the Status.
StatusOr<std::size_t> read_private_file(const CredentialPath& file, const std::string& which,
                                        std::span<std::byte> out);

/// Reads one line of text, without the newline at its end; an empty line is an error.
StatusOr<SecretBuffer> read_private_line(const CredentialPath& file, const std::string& which);

}  // namespace secrets
