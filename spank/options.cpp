// SPDX-License-Identifier: Apache-2.0
#include "spank/options.h"

#include <errno.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/names.h"
#include "spank/plugin.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// What the callbacks have collected of one component.
struct Collected {
    Options options;
    std::vector<std::string_view> repeated;  ///< options of which a repetition was left out
};

/// One process runs one command: filled by the callbacks. Not destroyed at exit, since Slurm may
/// unload the plugin before.
Collected& collected() {
    static auto* collected = new Collected();
    return *collected;
}

Options& options() {
    return collected().options;
}

/// Tells whether sbatch repeats an option of the component before, as it does once for each
/// component of a heterogeneous job but the first: it puts each option that was used into its own
/// environment, and reads it from there for the next component.
bool is_repeated(std::string_view option, const std::string& value) {
    const char* earlier = getenv((kInheritedInJob + std::string(option)).c_str());
    if (earlier == nullptr || value != earlier) return false;
    std::vector<std::string_view>& repeated = collected().repeated;
    if (std::find(repeated.begin(), repeated.end(), option) != repeated.end()) return false;
    repeated.push_back(option);
    return true;
}

/// Tells whether the command passes the plugin's options on. scrontab calls the callbacks, but then
/// submits a job that knows nothing of them.
bool is_accepted(const char* option) {
    if (std::string_view(program_invocation_short_name) != "scrontab") return true;
    slurm_error(
        "secrets: %s cannot be used in a crontab: scrontab does not pass it to the job; write "
        "SLURM_SECRETS=NAME before the command, as in: SLURM_SECRETS=NAME srun COMMAND",
        option);
    return false;
}

int on_secret_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;  // slurmstepd uses only the variable
    if (!is_accepted("--secret")) return -1;
    const std::string items = value != nullptr ? value : "";
    if (is_repeated("secret", items)) return ESPANK_SUCCESS;
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
    if (!ask.without.empty() || !ask.copies.empty()) {
        say("--secret", items, {"only names of secrets are accepted", 0, items.size()});
        return -1;
    }
    std::string& all = options().items;
    all += (all.empty() ? "" : ",") + items;
    return ESPANK_SUCCESS;
}

int on_run_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    if (!is_accepted("--secrets-run")) return -1;
    const std::string run = value != nullptr ? value : "";
    if (is_repeated("secrets_run", run)) return ESPANK_SUCCESS;
    if (const auto parsed = RunId::parse(run); !parsed) {
        say("--secrets-run", run, {parsed.status().message(), 0, run.size()});
        return -1;
    }
    options().run = run;
    return ESPANK_SUCCESS;
}

int on_workspace_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    if (!is_accepted("--workspace")) return -1;
    const std::string workspace = value != nullptr ? value : "";
    if (is_repeated("workspace", workspace)) return ESPANK_SUCCESS;
    if (const Status why = check_workspace_name(workspace); !why.ok()) {
        say("--workspace", workspace, {why.message(), 0, workspace.size()});
        return -1;
    }
    options().workspace = workspace;
    return ESPANK_SUCCESS;
}

int on_none_option(int, const char* value, int remote) {
    if (remote != 0) return ESPANK_SUCCESS;
    if (!is_accepted("--secrets")) return -1;
    const std::string word = value != nullptr ? value : "";
    if (is_repeated("secrets", word)) return ESPANK_SUCCESS;
    if (word != "none") {
        say("--secrets", word,
            {"the only accepted value is 'none'; request secrets with --secret", 0, word.size()});
        return -1;
    }
    options().none = true;
    return ESPANK_SUCCESS;
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

void say(const char* option, const std::string& text, const SpecError& error) {
    slurm_error("secrets: %s: %s", option, error.message.c_str());
    const std::string place = mark_place(text, error);
    const auto newline = place.find('\n');
    slurm_error("%s", place.substr(0, newline).c_str());
    slurm_error("%s", place.substr(newline + 1).c_str());
}

Options take_options() {
    return std::exchange(collected(), Collected()).options;
}

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
        option("secret", "NAME[=VAR][:file|:hold|:random][?][,...]",
               "give the job these secrets as environment variables, as files, or to be read by "
               "secretctl get (see also --secrets-run); random ones are made for it",
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

}  // namespace secrets::spank
