// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands of people's own secrets, and of the workspaces that they administer.

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

/// Answers go to standard output, notes to standard error, errors come as CommandError.
/// Where no workspace is named the caller's own secrets are meant.
class SecretCommands {
  public:
    SecretCommands(const Session& agent, std::optional<std::string> workspace)
        : agent_(agent), workspace_(std::move(workspace)) {}

    ExitCode set(const SetOptions& options) const;
    ExitCode list() const;
    /// Goes on after one that could not be removed; `refused` in the end.
    ExitCode remove(const std::vector<std::string>& names) const;
    ExitCode rename(const std::string& from, const std::string& to) const;
    ExitCode workspaces() const;

  private:
    const Session& agent_;
    std::optional<std::string> workspace_;
};

}  // namespace secrets::ctl
