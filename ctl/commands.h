#pragma once
// The commands: each makes one request and prints its answer, for people or (--json) for programs.

#include <optional>
#include <string>

#include "ctl/client.h"
#include "ctl/exit_codes.h"
#include "ctl/push.h"

namespace secrets::ctl {

struct PushOptions {
    std::string run;
    std::string from = "-";  ///< a file, or `-` for standard input
    PushFields fields;
};

/// Answers go to standard output, notes to standard error, errors come as CommandError.
class Commands {
  public:
    Commands(Client client, bool json) : client_(std::move(client)), json_(json) {}

    ExitCode push(const PushOptions& options) const;
    ExitCode complete(const std::string& run) const;
    ExitCode list_runs() const;
    ExitCode show_run(const std::string& run) const;
    /// `refused` when a job with this ask would be refused.
    ExitCode check(const std::string& ask) const;
    ExitCode status() const;

  private:
    /// Sends it; prints the answer as it is when that is wanted. Throws unless it is a success.
    Answer ask_agent(const Request& request) const;

    Client client_;
    bool json_;
};

}  // namespace secrets::ctl
