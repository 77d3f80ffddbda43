// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands of runs and asks: each makes one request and prints its answer, for people or
// (--json) for programs.

#include <optional>
#include <string>

#include "ctl/client/session.h"
#include "ctl/commands/push.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct PushOptions {
    std::string run;
    std::string from = "-";  ///< a file, or `-` for standard input
    PushFields fields;
};

/// Answers go to standard output, notes to standard error, errors come as CommandError.
class RunCommands {
  public:
    explicit RunCommands(const Session& agent) : agent_(agent) {}

    ExitCode push(const PushOptions& options) const;
    ExitCode complete(const std::string& run) const;
    ExitCode list_runs() const;
    ExitCode show_run(const std::string& run) const;
    /// `refused` when a job with this ask would be refused.
    ExitCode check(const std::string& ask) const;

  private:
    const Session& agent_;
};

}  // namespace secrets::ctl
