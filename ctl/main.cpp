// secretctl: the command line, and how the program ends.

#include <sys/prctl.h>
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "ctl/commands.h"

namespace secrets::ctl {
namespace {

constexpr const char* kDefaultSocket = "/run/slurm-secrets/control.sock";
constexpr std::chrono::seconds kTimeout(30);

constexpr const char* kFooter = R"(Examples:
  printf 'HF_TOKEN=%s\n' "$TOKEN" | secretctl push demo-1 --ttl 12h
  secretctl push demo-1 --owner alice --from secrets.json
  secretctl check run:demo-1,HF_TOKEN,DB=PGPASSWORD

Exit codes: 0 fine; 1 refused, missing or not found; 2 wrong usage, or input or
output that cannot be used; 3 no agent answers)";

constexpr const char* kPushFooter =
    R"(Input is NAME=VALUE lines (the value is exact to the end of its line; empty
lines and lines that begin with '#' are skipped), or JSON: an object of names
and values, or {"workspace":{...},"user":{...}}. A value in JSON is a string or
{"base64":"..."}. Values are never given on the command line.)";

/// Nothing that this process reads may outlive it in a core file.
void forbid_core_dumps() {
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
}

struct CommandLine {
    std::string socket = kDefaultSocket;
    bool json = false;
    PushOptions push;
    std::string run;
    std::string ask;
};

void describe(CLI::App& app, CommandLine& line) {
    app.name("secretctl");
    app.footer(kFooter);
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", "secretctl " SLURM_SECRETS_VERSION);
    app.add_option("--socket", line.socket, "The agent's control socket")
        ->envname("SLURM_SECRETS_SOCKET")
        ->option_text("PATH");
    app.add_flag("--json", line.json, "Print the agent's answer: one line of JSON");

    CLI::App* push = app.add_subcommand("push", "Give the agent a run's secrets");
    push->footer(kPushFooter);
    push->add_option("RUN", line.push.run, "The run's id")->required()->option_text(" ");
    push->add_option("--owner", line.push.fields.owner, "Whose run it is; yours if left out")
        ->option_text("USER");
    push->add_option("--ttl", line.push.fields.ttl, "How long the agent keeps it, such as 12h")
        ->option_text("TIME");
    push->add_option("--scope", line.push.fields.scope,
                     "For flat input: user (the default) or workspace")
        ->check(CLI::IsMember({"user", "workspace"}))
        ->option_text("SCOPE");
    push->add_option("--from", line.push.from, "The file to read; - (the default): standard input")
        ->option_text("FILE");

    app.add_subcommand("complete", "Say that a run is over: the agent wipes its secrets")
        ->add_option("RUN", line.run, "The run's id")
        ->required()
        ->option_text(" ");
    app.add_subcommand("runs", "List runs, or what one run has and who holds it")
        ->add_option("RUN", line.run, "The run's id")
        ->option_text(" ");
    app.add_subcommand("check", "Say what an ask would find, or why not")
        ->add_option("ASK", line.ask, "As in sbatch --secret: NAME[=VARIABLE][?],..., run:RUN")
        ->required()
        ->option_text(" ");
    app.add_subcommand("status", "Say how the agent is");
}

ExitCode run(const CLI::App& app, const CommandLine& line) {
    const Commands commands(Client(line.socket, kTimeout), line.json);
    if (app.got_subcommand("push")) return commands.push(line.push);
    if (app.got_subcommand("complete")) return commands.complete(line.run);
    if (app.got_subcommand("check")) return commands.check(line.ask);
    if (app.got_subcommand("status")) return commands.status();
    return line.run.empty() ? commands.list_runs() : commands.show_run(line.run);
}

/// CLI11's own sentence for arguments that are too many repeats them, and one may be a value.
std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        return "an argument is not understood; values are never given on the command line, and "
               "secretctl --help tells what is";
    }
    if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) {
        return "--scope is user or workspace; see secretctl --help";
    }
    if (app.get_subcommands().empty()) {
        return "name a command: push, complete, runs, check or status; see secretctl --help";
    }
    return std::string(error.what()) + "; see secretctl --help";
}

int end(ExitCode code, const std::string& sentence) {
    std::cerr << "secretctl: " << sentence << '\n';
    return static_cast<int>(code);
}

int run_program(int argc, char** argv) {
    CLI::App app(
        "Gives runs' secrets to the slurm-secrets agent of this machine. It shows names\n"
        "and sizes; no command shows a value.");
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
        return end(ExitCode::bad_input, usage_sentence(app, error));
    } catch (const std::exception& error) {
        return end(ExitCode::bad_input, std::string("this should not happen: ") + error.what());
    }
}

}  // namespace
}  // namespace secrets::ctl

int main(int argc, char** argv) {
    secrets::ctl::forbid_core_dumps();
    return secrets::ctl::run_program(argc, argv);
}
