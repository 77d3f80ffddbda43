// SPDX-License-Identifier: Apache-2.0
#pragma once
// The commands and options of secretctl's command line.

#include <CLI/App.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctl/commands/complete_names.h"
#include "ctl/commands/import.h"
#include "ctl/commands/job_commands.h"
#include "ctl/commands/run_commands.h"
#include "ctl/commands/secret_commands.h"
#include "ctl/pki/pki.h"
#include "ctl/web/web.h"

namespace secrets::ctl {

inline constexpr const char* kDefaultSocket = "/run/slurm-secrets/control.sock";
inline constexpr const char* kDefaultJobSocket = "/run/slurm-secrets/job.sock";

/// The parsed options; CLI::App tells which command was given.
struct CommandLine {
    std::string socket = kDefaultSocket;
    std::string job_socket = kDefaultJobSocket;
    bool json = false;
    std::optional<std::string> workspace;
    PushOptions push;
    SetOptions set;
    ImportOptions import;
    std::vector<std::string> names;
    std::string from;
    std::string to;
    std::string run;
    std::string ask;
    GetOptions get;
    ExecOptions exec;
    bool submit_host = false;
    pki::Options pki;
    CompleteOptions complete;
    web::Options web;
};

/// Declares all commands and options on `app`; parsing fills `line`, which must outlive `app`.
void describe(CLI::App& app, CommandLine& line);

/// Returns the command that was given, as in "ls" or "pki init".
std::string command_of(const CLI::App& app);

/// Returns an error message for a command line, which repeats nothing that may be a value. `words`
/// are the arguments without the program's name.
std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error,
                           const std::vector<std::string>& words);

}  // namespace secrets::ctl
