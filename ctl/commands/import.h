// SPDX-License-Identifier: Apache-2.0
#pragma once
// secretctl import: what people have today becomes secrets of the agent.

#include <optional>
#include <string>
#include <vector>

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct ImportOptions {
    std::string from;  ///< a file, or `-` for standard input
    std::optional<std::string> workspace;
    std::optional<std::string> expires;  ///< a duration, such as 30d
    std::vector<std::string> only;       ///< these names; all when it is empty
    bool dry_run = false;                ///< say the names and ask nobody
};

/// All is read and checked before the first secret is set. Where the agent refuses one, the error
/// says which are set and which are not.
ExitCode import_secrets(const Session& agent, const ImportOptions& options);

}  // namespace secrets::ctl
