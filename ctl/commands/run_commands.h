// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands for runs and secret specs: each makes one request and prints its answer, for users
// or (--json) for programs.

#include <optional>
#include <string>

#include "ctl/client/session.h"
#include "ctl/commands/push.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct PushOptions {
    std::string run;
    std::string from = "-";  ///< a file, or `-` for standard input
    std::string store;       ///< a store of Nextflow's, instead; empty: none
    bool remove = false;     ///< overwrite and remove the store
    bool is_new = false;     ///< only if the run is not there
    PushFields fields;
};

/// Prints answers to standard output and notes to standard error; throws errors as CommandError.
class RunCommands {
  public:
    explicit RunCommands(const Session& agent) : agent_(agent) {}

    ExitCode push(const PushOptions& options) const;
    ExitCode complete(const std::string& run) const;
    ExitCode list_runs() const;
    ExitCode show_run(const std::string& run) const;
    /// Returns `refused` if a job with this secret spec would be denied.
    ExitCode check(const std::string& ask) const;

  private:
    ExitCode push_body(const PushOptions& options, const PushBody& body) const;
    ExitCode push_store(const PushOptions& options) const;

    const Session& agent_;
};

}  // namespace secrets::ctl
