// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/complete_names.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <sstream>

#include "ctl/client/answer.h"
#include "ctl/client/run_list.h"
#include "ctl/client/secret_paths.h"
#include "ctl/commands/help.h"

namespace secrets::ctl {
namespace {

bool is_any(const CLI::App*) {
    return true;
}

/// Returns the command that `words` name, as in "pki issue"; the program itself if `words` is
/// empty; null if no such command exists.
const CLI::App* find_command(const CLI::App& app, const std::string& words) {
    const CLI::App* found = &app;
    std::istringstream left(words);
    for (std::string word; found != nullptr && left >> word;) {
        const auto commands = found->get_subcommands(is_any);
        const auto named =
            std::find_if(commands.begin(), commands.end(),
                         [&](const CLI::App* command) { return command->get_name() == word; });
        found = named == commands.end() ? nullptr : *named;
    }
    return found;
}

void print_commands(const CLI::App& app, const std::string& of) {
    const CLI::App* found = find_command(app, of);
    if (found == nullptr) return;
    for (const CLI::App* command : found->get_subcommands(is_any)) {
        if (command->get_group().empty()) continue;  // a command for shells, like this one
        std::cout << command->get_name() << '\t' << command->get_description() << '\n';
    }
}

void print_options_of(const CLI::App& app) {
    for (const CLI::Option* option : own_options(app)) {
        if (option->get_positional()) continue;
        for (const std::string& name : option->get_lnames()) {
            std::cout << "--" << name << '\t' << option->get_description() << '\n';
        }
    }
}

void print_options(const CLI::App& app, const std::string& of) {
    const CLI::App* command = of.empty() ? nullptr : find_command(app, of);
    if (command != nullptr) print_options_of(*command);
    for (const CLI::Option* option : app.get_options()) {
        const bool of_commands_too = option->check_name("--socket") || option->check_name("--json");
        if (of.empty() || !of_commands_too) continue;
        std::cout << option->get_name() << '\t' << option->get_description() << '\n';
    }
    if (of.empty()) print_options_of(app);
}

void print_names(const boost::json::object& object, const char* list, const char* name) {
    for (const auto& element : array_of(object, list)) {
        std::cout << text_of(as_object(element), name) << '\n';
    }
}

void print_names(const Session& agent, const std::string& path, const char* list,
                 const char* name) {
    print_names(read_object(agent.ask_quietly({Method::get, path, {}})), list, name);
}

}  // namespace

ExitCode complete_names(const Session& agent, const CLI::App& app, const CompleteOptions& options) {
    if (options.kind == "commands") {
        print_commands(app, options.command);
    } else if (options.kind == "options") {
        print_options(app, options.command);
    } else if (options.kind == "runs") {
        print_names(read_all_runs(agent), "runs", "run");
    } else if (options.kind == "workspaces") {
        print_names(agent, "/v1/workspaces", "workspaces", "workspace");
    } else if (options.kind == "secrets") {
        print_names(agent, path_of_secrets(options.workspace), "secrets", "name");
    } else {
        throw CommandError(
            ExitCode::bad_input,
            "invalid kind of names; expected one of: secrets, runs, workspaces, commands, options");
    }
    return ExitCode::fine;
}

}  // namespace secrets::ctl
