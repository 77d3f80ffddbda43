// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words for the completion of shells, one a line. Not for users: no help names the command.

#include <CLI/App.hpp>
#include <optional>
#include <string>

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct CompleteOptions {
    std::string kind;
    std::string command;
    std::optional<std::string> workspace;
};

/// Prints names that the agent knows: `secrets` of the caller or a workspace, `runs`, `workspaces`.
/// For `commands`, and `options` of a command or (empty) of secretctl itself, prints word, tab,
/// meaning.
ExitCode complete_names(const Session& agent, const CLI::App& app, const CompleteOptions& options);

}  // namespace secrets::ctl
