// SPDX-License-Identifier: Apache-2.0
// secretctl: how the program runs and ends.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "common/base/errno_status.h"
#include "ctl/commands/command_line.h"
#include "ctl/commands/status.h"
#include "ctl/commands/watch.h"
#include "ctl/doctor/doctor.h"

namespace secrets::ctl {
namespace {

constexpr std::chrono::seconds kTimeout(30);
constexpr std::chrono::seconds kCompleteTimeout(1);  // a user waits at a prompt
constexpr std::chrono::seconds kWatchTimeout(5);     // Ctrl-C takes effect between two requests

/// The limit of core files with which the program started, for a command that it runs.
rlimit first_core_limit{};

/// Prevents core files, which would outlive the process with the values that it read.
Status forbid_core_dumps() {
    if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return errno_status("cannot forbid core files: prctl(PR_SET_DUMPABLE)");
    if (::getrlimit(RLIMIT_CORE, &first_core_limit) != 0)
        return errno_status("cannot forbid core files: getrlimit(RLIMIT_CORE)");
    const rlimit none{0, first_core_limit.rlim_max};
    if (::setrlimit(RLIMIT_CORE, &none) != 0)
        return errno_status("cannot forbid core files: setrlimit(RLIMIT_CORE)");
    return Status();
}

ExitCode run(const CLI::App& app, const CommandLine& line) {
    const Session agent(Client(line.socket, kTimeout), line.json, paint_for_output());
    const RunCommands runs(agent);
    const SecretCommands secrets(agent, line.workspace);
    const JobCommands jobs(line.job_socket, first_core_limit);
    const std::string command = command_of(app);
    if (command == "get") return jobs.get(line.get);
    if (command == "exec") return jobs.exec(line.exec);
    if (command == "set") return secrets.set(line.set);
    if (command == "ls") return secrets.list();
    if (command == "rm") return secrets.remove(line.names);
    if (command == "rename") return secrets.rename(line.from, line.to);
    if (command == "workspaces") return secrets.workspaces();
    if (command == "import") {
        ImportOptions options = line.import;
        options.workspace = line.workspace;
        return import_secrets(agent, options);
    }
    if (command == "push") return runs.push(line.push);
    if (command == "complete") return runs.complete(line.run);
    if (command == "runs") {
        return line.run.empty() ? runs.list_runs() : runs.show_run(line.run);
    }
    if (command == "web") return web::serve_page(agent, line.web);
    if (command == "watch") {
        return watch(Session(Client(line.socket, kWatchTimeout), line.json, agent.paint()));
    }
    if (command == "doctor") return doctor::examine(agent, line.submit_host);
    if (command == "pki init") return pki::init(line.pki, line.json);
    if (command == "pki issue") return pki::issue(line.pki, line.json);
    if (command == "complete-names") {
        const Session quick(Client(line.socket, kCompleteTimeout), false, Paint::no);
        return complete_names(quick, app,
                              {line.complete.kind, line.complete.command, line.workspace});
    }
    if (command == "check") return runs.check(line.ask);
    return show_status(agent);
}

int end(ExitCode code, const std::string& sentence) {
    std::cerr << "secretctl: " << sentence << '\n';
    return static_cast<int>(code);
}

int run_program(int argc, char** argv) {
    CLI::App app;
    CommandLine line;
    try {
        describe(app, line);
        app.parse(argc, argv);
        const ExitCode code = run(app, line);
        if (!std::cout.flush()) return end(ExitCode::bad_input, "cannot write to standard output");
        return static_cast<int>(code);
    } catch (const CommandError& error) {
        std::cout.flush();
        return end(error.code(), error.what());
    } catch (const CLI::Success& wanted) {  // --help and --version
        return app.exit(wanted);
    } catch (const CLI::ParseError& error) {
        return end(ExitCode::bad_input, usage_sentence(app, error, {argv + 1, argv + argc}));
    } catch (const std::exception& error) {
        return end(ExitCode::bad_input, std::string("internal error: ") + error.what());
    }
}

}  // namespace
}  // namespace secrets::ctl

int main(int argc, char** argv) {
    if (const auto failure = secrets::ctl::forbid_core_dumps(); !failure.ok())
        return secrets::ctl::end(secrets::ctl::ExitCode::bad_input, failure.message());
    return secrets::ctl::run_program(argc, argv);
}
