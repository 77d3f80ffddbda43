// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands for processes of a job: they read secrets that the job requested.

#include <sys/resource.h>

#include <string>
#include <vector>

#include "ctl/io/exit_codes.h"

namespace secrets::ctl {

struct GetOptions {
    std::string name;
    bool show = false;  ///< also to a terminal
};

struct ExecOptions {
    std::vector<std::string> items;  ///< of secret specs; none: all that the job requested
    std::vector<std::string> command;
};

/// Throws errors as CommandError.
class JobCommands {
  public:
    /// `core_limit`: of core files, as it was when the program started.
    JobCommands(std::string job_socket, rlimit core_limit)
        : job_socket_(std::move(job_socket)), core_limit_(core_limit) {}

    /// Writes a value to standard output, byte for byte.
    ExitCode get(const GetOptions& options) const;
    /// Becomes the command, with the values in its environment. Does not return.
    ExitCode exec(const ExecOptions& options) const;

  private:
    std::string job_socket_;
    rlimit core_limit_;
};

}  // namespace secrets::ctl
