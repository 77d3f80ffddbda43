// SPDX-License-Identifier: Apache-2.0
// The submit side: sbatch, srun and salloc, running as the user. Merges options into the one
// variable SLURM_SECRETS. Syntax errors end the command, and so does a secret spec that the agent
// reports can't be granted.

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <string>

#include "common/base/names.h"
#include "common/base/secret_spec.h"
#include "spank/platform_run_id.h"
#include "spank/plugin.h"
#include "spank/submit_check.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// The values of this command's own options.
struct Options {
    std::string items;  ///< of all --secret options, separated by commas
    std::string run;
    std::string workspace;
    bool none = false;
};

/// One process runs one command: filled by the callbacks, used by on_submit(). Not destroyed at
/// exit, since Slurm may unload the plugin before.
Options& options() {
    static auto* options = new Options();
    return *options;
}

void say(const char* option, const std::string& text, const SpecError& error) {
    slurm_error("secrets: %s: %s", option, error.message.c_str());
    const std::string place = mark_place(text, error);
    const auto newline = place.find('\n');
    slurm_error("%s", place.substr(0, newline).c_str());
    slurm_error("%s", place.substr(newline + 1).c_str());
}

int on_secret_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;  // slurmstepd uses only the variable
    const std::string items = value != nullptr ? value : "";
    const auto parsed = parse_spec(items);
    if (const SpecError* error = parsed.error()) {
        say("--secret", items, *error);
        return -1;
    }
    const SecretSpec& ask = *parsed.spec();
    if (ask.none || ask.run) {
        const char* instead = ask.none ? "--secrets=none" : "--secrets-run=RUN";
        say("--secret", items,
            {std::string("only names of secrets are accepted; use ") + instead + " instead", 0,
             items.size()});
        return -1;
    }
    std::string& all = options().items;
    all += (all.empty() ? "" : ",") + items;
    return ESPANK_SUCCESS;
}

int on_run_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    const std::string run = value != nullptr ? value : "";
    if (const auto parsed = RunId::parse(run); !parsed) {
        say("--secrets-run", run, {parsed.status().message(), 0, run.size()});
        return -1;
    }
    options().run = run;
    return ESPANK_SUCCESS;
}

int on_workspace_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    const std::string workspace = value != nullptr ? value : "";
    if (const Status why = check_workspace_name(workspace); !why.ok()) {
        say("--workspace", workspace, {why.message(), 0, workspace.size()});
        return -1;
    }
    options().workspace = workspace;
    return ESPANK_SUCCESS;
}

int on_none_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    const std::string word = value != nullptr ? value : "";
    if (word != "none") {
        say("--secrets", word,
            {"the only accepted value is 'none'; request secrets with --secret", 0, word.size()});
        return -1;
    }
    options().none = true;
    return ESPANK_SUCCESS;
}

/// Removes injected values from this environment before Slurm captures it: otherwise an inner
/// sbatch would have slurmctld write the values to its disk. The inner job gets its own.
void scrub() {
    const char* set = getenv(kSetVariable);
    if (set == nullptr) return;
    std::string names(set);
    for (std::size_t begin = 0; begin <= names.size();) {
        const std::size_t end = std::min(names.find(',', begin), names.size());
        const std::string name = names.substr(begin, end - begin);
        // Even a forged list removes no variable that a secret could not have set.
        if (check_variable_name(name).ok()) unsetenv(name.c_str());
        begin = end + 1;
    }
    unsetenv(kSetVariable);
}

/// Merges this command's options with the inherited secret spec. An inner command that names
/// secrets narrows what its job's run and workspace give.
std::string combine(const Options& own, const char* inherited) {
    if (own.none) return "none";
    const auto parsed = inherited != nullptr ? parse_spec(inherited) : ParsedSpec(SecretSpec());
    const SecretSpec* outer = parsed.spec();
    if (own.items.empty() && own.run.empty()) {
        if (own.workspace.empty()) return inherited != nullptr ? inherited : "";
        if (outer == nullptr) return inherited;  // an error in it is reported
        SecretSpec ask = *outer;
        ask.workspace = own.workspace;
        return print_spec(ask);
    }
    std::string text;
    const auto add = [&text](const std::string& part) {
        if (!part.empty()) text += (text.empty() ? "" : ",") + part;
    };
    if (!own.run.empty()) {
        add("run:" + own.run);
    } else if (outer != nullptr && outer->run) {
        add("run:" + outer->run->text() + (outer->run_optional ? "?" : ""));
    }
    if (!own.workspace.empty()) {
        add("workspace:" + own.workspace);
    } else if (outer != nullptr && outer->workspace &&
               own.items.find("workspace:") == own.items.npos) {
        add("workspace:" + *outer->workspace);
    }
    add(own.items);
    return text;
}

/// Asks the agent whether it would grant the job's secret spec; returns false if the command must
/// end. Skipped for root, who may submit for others.
bool check(const SecretSpec& ask, const Arguments& arguments) {
    if (arguments.check_at_submit == SubmitCheck::off || ask.none || getuid() == 0) return true;
    const auto why =
        why_not_submit(arguments.job_socket,
                       with_run_of_platform(print_spec(ask), ask, arguments, [](const char* name) {
                           const char* value = getenv(name);
                           return std::string(value != nullptr ? value : "");
                       }));
    if (!why) return true;
    if (arguments.check_at_submit == SubmitCheck::warn) {
        slurm_info("warning: %s", why->c_str());
        return true;
    }
    slurm_error("%s", why->c_str());
    return false;
}

spank_option option(const char* name, const char* argument, const char* usage,
                    spank_opt_cb_f callback) {
    // spank.h wants char*, but only reads.
    return {const_cast<char*>(name),
            const_cast<char*>(argument),
            const_cast<char*>(usage),
            1,
            0,
            callback};
}

}  // namespace

int register_options(spank_t spank) {
    const spank_context_t context = spank_context();
    if (context == S_CTX_LOCAL || context == S_CTX_ALLOCATOR) {
        // Otherwise Slurm would call the callbacks for an outer command's options as if they were
        // this one's.
        for (const char* name : kOptionNames) {
            unsetenv((std::string(kInheritedInJob) + name).c_str());
            unsetenv((std::string(kInheritedInShell) + name).c_str());
        }
    }
    auto all = std::to_array({
        option("secret", "NAME[=VAR][:file][?][,...]",
               "give the job these secrets as environment variables, or as files (see also "
               "--secrets-run)",
               on_secret_option),
        option("secrets-run", "RUN",
               "use the secrets of this pushed run; without --secret, all of them", on_run_option),
        option("workspace", "W", "use this workspace's secret if several workspaces have the name",
               on_workspace_option),
        option("secrets", "none", "give this command no secrets, even if its job has some",
               on_none_option),
    });
    for (spank_option& each : all) {
        if (spank_option_register(spank, &each) != ESPANK_SUCCESS) {
            slurm_error("secrets: cannot register the option --%s", each.name);
        }
    }
    return ESPANK_SUCCESS;
}

int on_submit(const Arguments& arguments) {
    const char* inherited = getenv(kSpecVariable);
    const std::string text = combine(options(), inherited);
    scrub();
    if (text.empty()) return ESPANK_SUCCESS;
    const auto parsed = parse_spec(text);
    if (const SpecError* error = parsed.error()) {
        say(options().items.empty() ? kSpecVariable : "--secret", text, *error);
        return -1;
    }
    const SecretSpec& ask = *parsed.spec();
    if (setenv(kSpecVariable, print_spec(ask).c_str(), 1) != 0) {
        slurm_error("secrets: cannot set the variable %s", kSpecVariable);
        return -1;
    }
    return check(ask, arguments) ? ESPANK_SUCCESS : -1;
}

}  // namespace secrets::spank
