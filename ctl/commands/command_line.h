// SPDX-License-Identifier: Apache-2.0
#pragma once
// What can be said on secretctl's command line.

#include <CLI/App.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "ctl/commands/complete_names.h"
#include "ctl/commands/import.h"
#include "ctl/commands/run_commands.h"
#include "ctl/commands/secret_commands.h"
#include "ctl/pki/pki.h"

namespace secrets::ctl {

inline constexpr const char* kDefaultSocket = "/run/slurm-secrets/control.sock";

/// What was said; which command it was, CLI::App tells.
struct CommandLine {
    std::string socket = kDefaultSocket;
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
    bool submit_host = false;
    pki::Options pki;
    CompleteOptions complete;
};

/// Tells `app` all commands and options; what is said goes to `line`, which must outlive it.
void describe(CLI::App& app, CommandLine& line);

/// The command that was said, as in "ls" or "pki init".
std::string command_of(const CLI::App& app);

/// What is wrong with a command line, as a sentence that repeats nothing which may be a value.
/// `words` is what was said, without the program's name.
std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error,
                           const std::vector<std::string>& words);

}  // namespace secrets::ctl
