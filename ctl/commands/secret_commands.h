// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands for users' own secrets, and for the workspaces that the user administers.

#include <optional>
#include <string>
#include <vector>

#include "ctl/client/session.h"
#include "ctl/io/exit_codes.h"
#include "ctl/io/value_input.h"

namespace secrets::ctl {

struct SetOptions {
    std::string name;
    ValueSource source;
    std::optional<std::string> expires;  ///< a duration, such as 30d
};

/// Prints answers to standard output and notes to standard error; throws errors as CommandError.
/// Without a workspace, commands apply to the caller's own secrets.
class SecretCommands {
  public:
    SecretCommands(const Session& agent, std::optional<std::string> workspace)
        : agent_(agent), workspace_(std::move(workspace)) {}

    ExitCode set(const SetOptions& options) const;
    ExitCode list() const;
    /// Continues after a name that could not be removed, and then returns `refused`.
    ExitCode remove(const std::vector<std::string>& names) const;
    ExitCode rename(const std::string& from, const std::string& to) const;
    ExitCode workspaces() const;

  private:
    const Session& agent_;
    std::optional<std::string> workspace_;
};

}  // namespace secrets::ctl
