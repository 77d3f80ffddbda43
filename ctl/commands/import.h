// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl import: makes secrets of the agent from files of users.

#include <optional>
#include <string>
#include <vector>

#include "ctl/client/session.h"
#include "ctl/import/import_choice.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct ImportOptions {
    std::string from;  ///< a file, or `-` for standard input
    std::optional<std::string> workspace;
    std::optional<std::string> expires;  ///< a duration, such as 30d
    ImportChoice choice;
    bool dry_run = false;  ///< print the names and what would be replaced, and set nothing
};

/// Reads and checks the whole input before the first secret is set. If the agent rejects a secret,
/// the error names the secrets that are set.
ExitCode import_secrets(const Session& agent, const ImportOptions& options);

}  // namespace secrets::ctl
