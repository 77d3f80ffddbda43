// SPDX-License-Identifier: Apache-2.0
#pragma once
// The run that a workflow platform names in its own variable or in a job's name.

#include <string>

#include "common/base/plugin_arguments.h"
#include "common/base/secret_spec.h"

namespace secrets::spank {

/// Returns the spec to send to the agent for `text`, which parses as `ask`. If `ask` names no run,
/// adds the run that one of the admin's variables holds, or else the job's name, as optional.
/// `variable` returns a variable's value, or an empty text.
template <typename Variable>
std::string with_run_of_platform(std::string text, const SecretSpec& ask,
                                 const PluginArguments& arguments, Variable variable) {
    if (ask.run || ask.none) return text;
    for (const std::string& name : arguments.run_id_variables) {
        const auto run = RunId::parse(variable(name.c_str()));
        if (run) return "run:" + run->text() + "?" + (text.empty() ? "" : "," + text);
    }
    const std::string name = variable("SLURM_JOB_NAME");
    const std::string& prefix = arguments.run_id_job_name;
    if (!prefix.empty() && name.starts_with(prefix)) {
        const auto run = RunId::parse(name.substr(prefix.size()));
        if (run) return "run:" + run->text() + "?" + (text.empty() ? "" : "," + text);
    }
    return text;
}

/// Returns the run of which the job is the head, if the job requests that run: the one that its
/// name holds. Empty: the job is no head. `ask`: the text of its request.
template <typename Variable>
std::string run_of_head(const std::string& ask, const PluginArguments& arguments,
                        Variable variable) {
    const std::string name = variable("SLURM_JOB_NAME");
    const std::string& prefix = arguments.run_id_job_name;
    if (prefix.empty() || !name.starts_with(prefix)) return "";
    const auto run = RunId::parse(name.substr(prefix.size()));
    const auto parsed = parse_spec(ask);
    const SecretSpec* spec = parsed.spec();
    if (!run || spec == nullptr || !spec->run || *spec->run != *run) return "";
    return run->text();
}

}  // namespace secrets::spank
