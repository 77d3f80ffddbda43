// SPDX-License-Identifier: Apache-2.0
#include "ctl/commands/command_line.h"

#include <CLI/CLI.hpp>

#include "ctl/client/secret_paths.h"
#include "ctl/commands/help.h"
#include "ctl/import/nearest.h"

namespace secrets::ctl {
namespace {

constexpr const char* kYours = "Your secrets, or a workspace's with --workspace NAME";
constexpr const char* kRuns = "Runs of a workflow platform, or of your own";
constexpr const char* kJobs = "Inside a job, which must have requested the secrets";
constexpr const char* kAgent = "The agent, and certificates for it";

constexpr const char* kSetFooter =
    R"(At a terminal you enter the value twice, and it is not shown. Otherwise it is
standard input, without one trailing newline, or a file's exact bytes. It is
never an argument.

Examples:
  secretctl set HF_TOKEN
  secretctl set DB_PASSWORD --expires 30d < password.txt
  secretctl set GCP_KEY --file service-account.json
  secretctl set LICENSE --workspace lab --file license.dat)";

constexpr const char* kListFooter = R"(Examples:
  secretctl ls
  secretctl ls --workspace lab
  secretctl ls --json | jq -r '.secrets[].name')";

constexpr const char* kRemoveFooter = R"(Examples:
  secretctl rm HF_TOKEN
  secretctl rm OLD_KEY OLDER_KEY --workspace lab)";

constexpr const char* kRenameFooter = R"(Example:
  secretctl rename HF_TOKEN HUGGINGFACE_TOKEN)";

constexpr const char* kImportFooter =
    R"(FILE is an .env file, export NAME=value lines (read, never run), or Nextflow's
store.json; - is standard input. Text that a shell would expand or run is
refused, unless it is in single quotes. Names without a value are left out. At
the end other copies are listed.

Examples:
  secretctl import .env --dry-run --skip ENV
  secretctl import ~/.nextflow/secrets/store.json
  secretctl import ~/.bashrc --only HF_TOKEN --expires 90d)";

constexpr const char* kWorkspacesFooter =
    R"(Admins set and remove a workspace's secrets; jobs of its members use them.

Example:
  secretctl workspaces)";

constexpr const char* kWebFooter =
    R"(The page is your own: served by this command, at 127.0.0.1, to your processes
only, after the link that is printed was opened. Values are set there, and never
shown. On a cluster, from your computer:

  ssh -t -L 8123:127.0.0.1:8123 login.example.org secretctl web --port 8123

and open the link there.

Examples:
  secretctl web
  secretctl web --port 8123 --no-browser --idle 8h)";

constexpr const char* kPushFooter =
    R"(Input is NAME=VALUE lines (the value is exact to the end of its line, quotes
included; empty lines, lines that begin with '#' and names without a value are
skipped), or JSON: an object of names and values, or {"workspace":{...},
"user":{...}}. A value in JSON is a string or {"base64":"..."}. Values are never
given on the command line.

Examples:
  printf 'HF_TOKEN=%s\n' "$TOKEN" | secretctl push demo-1 --ttl 12h
  secretctl push demo-1 --owner alice --from secrets.json
  secretctl push demo-1 --until-job "$SLURM_JOB_ID" --from secrets.json
  secretctl push demo-1 --store ~/.nextflow/secrets/store.json --remove)";

constexpr const char* kCompleteFooter = R"(Example:
  secretctl complete demo-1)";

constexpr const char* kRunsFooter = R"(Examples:
  secretctl runs
  secretctl runs demo-1)";

constexpr const char* kGetFooter =
    R"(The value is what it is now, also if it was set again since the job started.

Examples:
  secretctl get DB_PASSWORD | psql-login
  secretctl get HF_TOKEN --show)";

constexpr const char* kExecFooter =
    R"(Without --secret the command gets all that the job requested, :hold included.
NAME:file sets NAME_FILE to a path that lasts as long as the command.

Examples:
  secretctl exec -- psql -h db
  secretctl exec --secret DB=PGPASSWORD -- psql -h db)";

constexpr const char* kCheckFooter =
    R"(If several secrets have the name, the run's is used, else yours, else a
workspace's.

Examples:
  secretctl check HF_TOKEN,KEY:file
  secretctl check run:demo-1,HF_TOKEN,DB=PGPASSWORD,NGC?
  secretctl check workspace:lab,LICENSE)";

constexpr const char* kStatusFooter = R"(Examples:
  secretctl status
  secretctl status --json)";

constexpr const char* kWatchFooter =
    R"(Runs until Ctrl-C. root sees all events, a user only their own.

Examples:
  secretctl watch
  secretctl watch --json | jq -r .message)";

constexpr const char* kDoctorFooter =
    R"(Each check is ok, warn, FAIL or skipped, with what to do; the exit code is 0
only if no check fails. Run it as root: a user cannot see everything.

Examples:
  sudo secretctl doctor
  secretctl doctor --submit-host)";

constexpr const char* kPkiFooter =
    R"(For sites without a CA: one in a directory, which needs no agent. Whoever has
its ca.key can impersonate anyone to those who trust its ca.crt.

Examples:
  secretctl pki init /root/ca
  secretctl pki issue /root/ca hub.example.org)";

constexpr const char* kPkiInitFooter =
    R"(Creates ca.key and ca.crt in DIR, valid for ten years. Nothing is overwritten.

Example:
  secretctl pki init /root/ca)";

constexpr const char* kPkiIssueFooter =
    R"(Creates NAME.key and NAME.crt in DIR: a new key, and its certificate followed
by the CA's. Without --dns, --ip and --uri it is for the DNS name NAME; without
--client and --server it is for both. Nothing is overwritten.

Examples:
  secretctl pki issue /root/ca hub --dns hub.example.org --ip 10.0.0.1 --server
  secretctl pki issue /root/ca tower --uri spiffe://example.org/tower --client)";

CLI::App* add_command(CLI::App& app, const char* group, const char* name, const char* what,
                      const char* footer) {
    CLI::App* command = app.add_subcommand(name, what);
    command->group(group);
    command->footer(footer);
    return command;
}

void add_name(CLI::App* command, const char* word, std::string& target, const char* what) {
    command->add_option(word, target, what)->required()->option_text(" ");
}

void add_workspace(CLI::App* command, CommandLine& line) {
    command->add_option("--workspace", line.workspace, "A workspace that you administer")
        ->option_text("NAME");
}

void describe_secrets(CLI::App& app, CommandLine& line) {
    CLI::App* set =
        add_command(app, kYours, "set", "Set a secret for your jobs, or replace it", kSetFooter);
    add_name(set, "NAME", line.set.name, "The secret's name");
    set->add_option("--file", line.set.source.file, "Read the value from a file, byte for byte")
        ->option_text("PATH");
    set->add_flag("--keep-newline", line.set.source.keep_newline,
                  "Keep the newline at the end of standard input");
    set->add_option("--expires", line.set.expires, "Remove it after this time, such as 30d")
        ->option_text("TIME");
    add_workspace(set, line);

    add_workspace(
        add_command(app, kYours, "ls", "List names, sizes, dates and last use", kListFooter), line);

    CLI::App* remove = add_command(app, kYours, "rm", "Remove secrets", kRemoveFooter);
    remove->add_option("NAME", line.names, "Their names")->required()->option_text("...");
    add_workspace(remove, line);

    CLI::App* rename = add_command(app, kYours, "rename", "Rename a secret", kRenameFooter);
    add_name(rename, "OLD", line.from, "The secret's name");
    add_name(rename, "NEW", line.to, "Its new name");
    add_workspace(rename, line);

    CLI::App* import =
        add_command(app, kYours, "import", "Set secrets from a .env file, or Nextflow's store.json",
                    kImportFooter);
    add_name(import, "FILE", line.import.from, "The file to read; -: standard input");
    CLI::Option* only =
        import
            ->add_option("--only", line.import.choice.only, "Import only this one; may be repeated")
            ->allow_extra_args(false)
            ->option_text("NAME");
    import->add_option("--skip", line.import.choice.skip, "Leave this one out; may be repeated")
        ->allow_extra_args(false)
        ->option_text("NAME")
        ->excludes(only);
    import->add_flag("--dry-run", line.import.dry_run, "Show what would be set, and set nothing");
    import->add_option("--expires", line.import.expires, "Remove them after this time, such as 30d")
        ->option_text("TIME");
    add_workspace(import, line);

    add_command(app, kYours, "workspaces", "List the workspaces that you are in",
                kWorkspacesFooter);

    CLI::App* web =
        add_command(app, kYours, "web", "Show your secrets and runs in your browser", kWebFooter);
    CLI::Option* port =
        web->add_option("--port", line.web.port, "Serve it at this port; a free one if omitted")
            ->option_text("PORT");
    web->add_option("--unix-socket", line.web.unix_socket,
                    "Serve it at a Unix socket, for a proxy of yours")
        ->option_text("PATH")
        ->excludes(port);
    web->add_flag("--no-browser", line.web.no_browser, "Print the link only");
    web->add_option("--idle", line.web.idle, "End after this time without use; 1h if omitted")
        ->option_text("TIME");
}

void describe_runs(CLI::App& app, CommandLine& line) {
    CLI::App* push = add_command(app, kRuns, "push", "Give the agent a run's secrets", kPushFooter);
    add_name(push, "RUN", line.push.run, "The run's id");
    push->add_option("--owner", line.push.fields.owner, "The run's owner; you if omitted")
        ->option_text("USER");
    push->add_option("--ttl", line.push.fields.ttl, "How long the agent keeps it, such as 12h")
        ->option_text("TIME");
    push->add_option("--until-job", line.push.fields.until_job, "The run ends with this job")
        ->option_text("JOB");
    push->add_option("--scope", line.push.fields.scope,
                     "For flat input: user (the default) or workspace")
        ->check(CLI::IsMember({"user", "workspace"}))
        ->option_text("SCOPE");
    CLI::Option* from = push->add_option("--from", line.push.from,
                                         "The file to read; - (the default): standard input")
                            ->option_text("FILE");
    CLI::Option* store =
        push->add_option("--store", line.push.store, "Read Nextflow's store.json instead")
            ->option_text("FILE")
            ->excludes(from);
    push->add_flag("--new", line.push.is_new, "Push only if there is no such run");
    push->add_flag("--remove", line.push.remove, "Overwrite and remove the store after the push")
        ->needs(store);

    CLI::App* complete = add_command(
        app, kRuns, "complete", "Mark a run as complete: its secrets are wiped", kCompleteFooter);
    add_name(complete, "RUN", line.run, "The run's id");

    add_command(app, kRuns, "runs", "List runs, or one run's secrets and holds", kRunsFooter)
        ->add_option("RUN", line.run, "The run's id")
        ->option_text(" ");
}

void describe_jobs(CLI::App& app, CommandLine& line) {
    CLI::App* get = add_command(app, kJobs, "get", "Write a secret to standard output", kGetFooter);
    add_name(get, "NAME", line.get.name, "The secret's name");
    get->add_flag("--show", line.get.show, "Write it to a terminal, too");

    CLI::App* exec = add_command(app, kJobs, "exec", "Run a command with secrets", kExecFooter);
    exec->add_option("--secret", line.exec.items, "NAME[=VAR][:file][?],...; may be repeated")
        ->allow_extra_args(false)
        ->option_text("ITEM");
    exec->add_option("COMMAND", line.exec.command, "The command, after --")
        ->required()
        ->option_text("...");
}

void describe_agent(CLI::App& app, CommandLine& line) {
    CLI::App* check =
        add_command(app, kAgent, "check", "Show what a job with this spec would get", kCheckFooter);
    add_name(check, "SPEC", line.ask, "As in sbatch --secret: NAME[=VAR][:file][?],...");
    add_command(app, kAgent, "status", "Show the agent's status", kStatusFooter);
    add_command(app, kAgent, "watch", "Show events as they happen", kWatchFooter);
    add_command(app, kAgent, "doctor", "Check this installation", kDoctorFooter)
        ->add_flag("--submit-host", line.submit_host,
                   "Check only the plugin: this host has no agent");
}

void add_alt_names(CLI::App* command, const char* option, std::vector<std::string>& target,
                   const char* word, const char* what) {
    command->add_option(option, target, what)->allow_extra_args(false)->option_text(word);
}

void describe_pki(CLI::App& app, pki::Options& options) {
    CLI::App* pki =
        add_command(app, kAgent, "pki", "Create a small CA, and certificates", kPkiFooter);
    pki->require_subcommand(1);

    CLI::App* init = add_command(*pki, "Commands", "init", "Create a CA", kPkiInitFooter);
    add_name(init, "DIR", options.directory, "Its directory; created if missing");

    CLI::App* issue =
        add_command(*pki, "Commands", "issue", "Create a key and a certificate", kPkiIssueFooter);
    add_name(issue, "DIR", options.directory, "The CA's directory");
    add_name(issue, "NAME", options.name, "The name of the files, and the common name");
    add_alt_names(issue, "--dns", options.dns, "NAME", "For this DNS name; may be repeated");
    add_alt_names(issue, "--ip", options.ip, "ADDRESS", "For this IP address; may be repeated");
    add_alt_names(issue, "--uri", options.uri, "URI", "For this URI; may be repeated");
    issue->add_option("--days", options.days, "Validity in days; 825 if omitted")
        ->option_text("DAYS");
    CLI::Option* client = issue->add_flag("--client", options.client, "For clients only");
    issue->add_flag("--server", options.server, "For servers only")->excludes(client);
}

void describe_completion(CLI::App& app, CommandLine& line) {
    CLI::App* names = add_command(app, "", "complete-names", "Words for shell completion", "");
    names->add_option("KIND", line.complete.kind)->required();
    names->add_option("COMMAND", line.complete.command);
    add_workspace(names, line);
}

bool takes_values(const CLI::App& app) {
    for (const CLI::App* command : app.get_subcommands()) {
        for (const char* name : {"set", "push", "import"}) {
            if (command->get_name() == name) return true;
        }
    }
    return false;
}

/// Returns the first word that is not an option: the position of the command.
std::string command_word(const std::vector<std::string>& words) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--socket" || words[i] == "--job-socket") {
            ++i;
        } else if (!words[i].starts_with('-')) {
            return words[i];
        }
    }
    return {};
}

std::string unknown_command_sentence(const CLI::App& app, const std::vector<std::string>& words) {
    const std::string word = command_word(words);
    if (word.find('=') != word.npos) return value_as_argument_sentence();
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!command->get_group().empty()) names.push_back(command->get_name());
    }
    if (word.empty()) return "name a command, such as ls; see secretctl --help";
    const std::string guess = nearest(word, names);
    if (guess.empty()) return "unknown command; see secretctl --help";
    return "unknown command; did you mean 'secretctl " + guess + "'? see secretctl --help";
}

/// Returns what is wrong with the number of values that an option of the command was given. CLI11's
/// words differ between its versions; they begin with the option's name.
std::string wrong_count_sentence(const CLI::App& app, const std::string& words_of_cli11) {
    const std::string name = words_of_cli11.substr(0, words_of_cli11.find(':'));
    for (const CLI::App* said = &app;; said = said->get_subcommands().front()) {
        const CLI::Option* option = said->get_option_no_throw(name);
        const bool is_single = option != nullptr && option->get_items_expected_max() == 1;
        if (is_single && option->count() > 1) return name + " may be given only once";
        if (said->get_subcommands().empty()) return name + " requires a value";
    }
}

}  // namespace

void describe(CLI::App& app, CommandLine& line) {
    app.name("secretctl");
    app.formatter(std::make_shared<Help>());
    app.require_subcommand(1);
    app.fallthrough();
    app.set_version_flag("--version", "secretctl " SLURM_SECRETS_VERSION);
    app.add_option("--socket", line.socket, "The agent's control socket")
        ->envname("SLURM_SECRETS_SOCKET")
        ->option_text("PATH");
    app.add_option("--job-socket", line.job_socket, "The agent's job socket, for get and exec")
        ->envname("SLURM_SECRETS_JOB_SOCKET")
        ->option_text("PATH");
    app.add_flag("--json", line.json, "Print the agent's response as one line of JSON");
    describe_secrets(app, line);
    describe_runs(app, line);
    describe_jobs(app, line);
    describe_agent(app, line);
    describe_pki(app, line.pki);
    describe_completion(app, line);
}

std::string command_of(const CLI::App& app) {
    std::string words;
    for (const CLI::App* said = &app; !said->get_subcommands().empty();) {
        said = said->get_subcommands().front();
        words += (words.empty() ? "" : " ") + said->get_name();
    }
    return words;
}

std::string usage_sentence(const CLI::App& app, const CLI::ParseError& error,
                           const std::vector<std::string>& words) {
    if (app.get_subcommands().empty()) return unknown_command_sentence(app, words);
    const std::string see = "see secretctl " + command_of(app) + " --help";
    // CLI11's own sentence repeats the surplus argument, which may be a value.
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        if (takes_values(app)) return value_as_argument_sentence();
        return "unexpected argument; values are never given on the command line; " + see;
    }
    if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) {
        return "--scope must be user or workspace; " + see;
    }
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
        return wrong_count_sentence(app, error.what()) + "; " + see;
    }
    // Only a flag's value is converted. CLI11's own sentence repeats it.
    if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr) {
        return "an option that takes no value was given one; " + see;
    }
    return std::string(error.what()) + "; " + see;
}

}  // namespace secrets::ctl
