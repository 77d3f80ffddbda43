// SPDX-License-Identifier: Apache-2.0
#pragma once
// What shells offer to complete, a line each. Not for people: no help names it.

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

/// `secrets` of the caller or a workspace, `runs` and `workspaces`: names that the agent tells.
/// `commands`, and `options` of a command or (empty) of all: a word, a tab, and what it means.
ExitCode complete_names(const Session& agent, const CLI::App& app, const CompleteOptions& options);

}  // namespace secrets::ctl
