// SPDX-License-Identifier: Apache-2.0
#pragma once
// Files that hold a key or a credential: systemd's, or an admin's own.

#include <cstddef>
#include <span>
#include <string>

#include "common/base/status.h"
#include "common/secure_memory/wipe.h"

namespace secrets {

/// `configured`, or where it is empty the credential that systemd passed under `name`. The Error
/// says `key`, which names the file in the configuration.
struct CredentialPath {
    std::string path;
    bool is_credential = false;
};
StatusOr<CredentialPath> credential_path(const std::string& configured, const std::string& name,
                                         const std::string& key);

/// Reads the beginning of a file, as much as `out` takes; how much it was. One that systemd made a
/// credential is as private as systemd left it; any other must be its owner's alone to read.
/// `which`: what the Status calls it.
StatusOr<std::size_t> read_private_file(const CredentialPath& file, const std::string& which,
                                        std::span<std::byte> out);

/// A line of text, without the newline at its end; not empty.
StatusOr<SecretBuffer> read_private_line(const CredentialPath& file, const std::string& which);

}  // namespace secrets
