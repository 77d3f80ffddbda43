// SPDX-License-Identifier: Apache-2.0
// slurmstepd, as root, before it forks a step's tasks: requests one grant for the step on this
// node, and writes its files. This file reports errors only through step_state(): a non-zero return
// would drain the node.

#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/limits.h"
#include "common/base/secret_spec.h"
#include "common/secure_memory/delivery.h"
#include "spank/agent_client.h"
#include "spank/het_groups.h"
#include "spank/inherited_spec.h"
#include "spank/platform_run_id.h"
#include "spank/plugin.h"
#include "spank/step_state.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// Time for ending the run with its head job; without an answer, the run ends with its expiry.
constexpr auto kPatienceToBind = std::chrono::milliseconds(2000);

template <typename Number>
Number item_of(spank_t spank, spank_item_t item) {
    Number value = 0;
    if (spank_get_item(spank, item, &value) != ESPANK_SUCCESS) return 0;
    return value;
}

/// Returns the environment of the step, which ends with a null pointer.
const char* const* environment_of(spank_t spank) {
    char** environment = nullptr;
    if (spank_get_item(spank, S_JOB_ENV, &environment) != ESPANK_SUCCESS) return nullptr;
    return environment;
}

/// Returns a variable's value; null if unset.
const char* find_variable(const char* const* environment, std::string_view name) {
    for (; environment != nullptr && *environment != nullptr; ++environment) {
        const std::string_view entry(*environment);
        if (entry.starts_with(name) && entry.substr(name.size()).starts_with('='))
            return *environment + name.size() + 1;
    }
    return nullptr;
}

/// Returns the variable that holds the secret spec: of a heterogeneous job's component its own, if
/// it has one.
std::string spec_variable(spank_t spank, const char* const* environment) {
    const std::string job = std::to_string(item_of<std::uint32_t>(spank, S_JOB_ID));
    if (find_variable(environment, "SLURM_HET_SIZE") == nullptr) return kSpecVariable;
    for (unsigned group = 0; group < kMaxHetGroups; ++group) {
        for (const char* prefix : {"SLURM_JOB_ID_HET_GROUP_", "SLURM_JOB_ID_PACK_GROUP_"}) {
            const char* id = find_variable(environment, prefix + std::to_string(group));
            if (id == nullptr || id != job) continue;
            const bool has_own = find_variable(environment, group_variable(group)) != nullptr;
            return has_own ? group_variable(group) : kSpecVariable;
        }
    }
    return kSpecVariable;
}

/// Removes from the spec the variables that the command inherited and --export set all the same.
/// Returns whether there are any.
bool leave_out_exported(SecretSpec& spec, const char* const* environment) {
    std::vector<std::string> exported;
    for (const OuterMark& mark : step_state().outer) {
        if (mark.is_removed && may_set(spec, mark.variable) &&
            find_variable(environment, mark.variable) != nullptr) {
            exported.push_back(mark.variable);
        }
    }
    if (exported.empty()) return false;
    leave_out(spec, exported);
    shorten(spec);
    std::string& note = step_state().note;
    for (const std::string& variable : exported) note += (note.empty() ? "" : ", ") + variable;
    note += ": set by --export; that value is used, not the secret";
    return true;
}

/// Returns why a spec can't be granted to this step; empty if it can.
std::string why_not_here(const SecretSpec& spec, const char* const* environment) {
    if (spec.none || spec.requests_nothing()) return {};
    const char* container = find_variable(environment, kContainerVariable);
    if (container == nullptr || *container == '\0') return {};
    return "cannot give secrets to a container of --container: Slurm would write their values to "
           "its disk or leave them out; start the container inside the step, or use "
           "--secrets=none";
}

/// Returns why the request of the command did not arrive, if so: Slurm passed its options, but not
/// the variable that the plugin made of them.
std::string why_lost(const char* const* environment) {
    for (const char* option : kOptionNames) {
        if (find_variable(environment, kInheritedInJob + std::string(option)) == nullptr) continue;
        return std::string(
                   "the request for secrets was lost, as --export-file replaced the "
                   "variable that holds it; add SLURM_SECRETS=NAME to the file instead") +
               kWithExportFile;
    }
    return {};
}

/// Returns the secret spec of this step; empty if the step requests nothing, or if refused, which
/// sets the refusal. A malformed spec is returned unchanged: the agent reports the error.
std::string ask_of(spank_t spank, const PluginArguments& arguments) {
    const char* const* environment = environment_of(spank);
    StepState& state = step_state();
    const char* outer = find_variable(environment, kOuterVariable);
    state.outer = parse_outer_marks(outer != nullptr ? outer : "");
    const std::string variable = spec_variable(spank, environment);
    const char* text = find_variable(environment, variable);
    if (text == nullptr) {
        state.refusal = why_lost(environment);
        if (!state.refusal.empty()) return {};
        text = "";
    }
    if (std::strlen(text) > kMaxSpecBytes) {
        state.refusal = std::string(kSpecVariable) + " is too long: a secret spec has at most " +
                        std::to_string(kMaxSpecBytes) + " characters";
        return {};
    }
    auto parsed = *text == '\0' ? ParsedSpec(SecretSpec()) : parse_spec(text);
    if (!parsed.ok()) return text;
    SecretSpec spec = *parsed.spec();
    const auto with_run = [&](const std::string& request) {
        return with_run_of_platform(request, spec, arguments, [&](const char* name) -> std::string {
            const char* run = find_variable(environment, name);
            return run != nullptr ? run : "";
        });
    };
    if (spec.none || with_run(print_spec(spec.request())).empty()) return {};
    if (leave_out_exported(spec, environment)) state.changed_variable = variable;
    state.refusal = why_not_here(spec, environment);
    state.spec = spec;
    if (spec.none || !state.refusal.empty()) return {};
    return with_run(print_spec(spec.request()));
}

/// Whether the job is a task of an array. slurmd says it of a batch step by the task's number,
/// which is NO_VAL otherwise; a step of srun has the task's variable.
bool is_of_array(spank_t spank, const char* const* environment) {
    constexpr std::uint32_t kNoTask = 0xfffffffe;
    std::uint32_t task = kNoTask;
    if (spank_get_item(spank, S_JOB_ARRAY_TASK_ID, &task) != ESPANK_SUCCESS) task = kNoTask;
    return task != kNoTask || find_variable(environment, "SLURM_ARRAY_TASK_ID") != nullptr;
}

/// Ends the run of a platform with the job, if the job is the run's head. No task of an array is,
/// and of a heterogeneous job only the first part.
void bind_head(spank_t spank, const PluginArguments& arguments,
               const plugin_protocol::GrantRequest& request) {
    const char* const* environment = environment_of(spank);
    const auto variable = [&](const char* name) -> std::string {
        const char* value = find_variable(environment, name);
        return value != nullptr ? value : "";
    };
    const std::string run = run_of_head(request.ask, arguments, variable);
    if (run.empty() || is_of_array(spank, environment)) return;
    const std::string first = variable("SLURM_JOB_ID_HET_GROUP_0");
    if (!variable("SLURM_HET_SIZE").empty() && first != std::to_string(request.job.value)) return;
    const Status failure =
        bind_run(arguments.node_socket, kPatienceToBind, {request.job, request.uid, run});
    if (!failure.ok()) {
        slurm_info("secrets: run %s does not end with job %u: %s", run.c_str(), request.job.value,
                   failure.message().c_str());
    }
}

/// Writes the files that the delivery holds.
Status write_files(const LockedRegion& delivery, StepFiles files) {
    const auto entries = read_delivery(delivery.bytes());
    if (!entries) return entries.status();
    if (Status failure = files.write(*entries); !failure.ok()) return failure;
    step_state().files.emplace(std::move(files));
    return Status();
}

Status take_delivery(UniqueFd fd, StepFiles files) {
    auto region = LockedRegion::adopt(std::move(fd));
    if (!region) return region.status();
    if (Status failure = write_files(*region, std::move(files)); !failure.ok()) return failure;
    step_state().delivery.emplace(std::move(region).value());
    return Status();
}

}  // namespace

StepState& step_state() {
    static auto* state = new StepState();
    return *state;
}

void on_step(spank_t spank, const PluginArguments& arguments) {
    plugin_protocol::GrantRequest request;
    request.ask = ask_of(spank, arguments);
    if (request.ask.empty()) return;
    const JobId job{item_of<std::uint32_t>(spank, S_JOB_ID)};
    const StepId step{item_of<std::uint32_t>(spank, S_JOB_STEPID)};
    request.job = job;
    request.step = step;
    uid_t uid = static_cast<uid_t>(-1);
    if (spank_get_item(spank, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
        step_state().refusal = "cannot request secrets: Slurm does not provide the job's user";
        return;
    }
    request.uid.value = uid;
    request.wait_milliseconds =
        static_cast<std::uint32_t>(std::chrono::milliseconds(arguments.wait).count());

    // slurmd sets it for slurmstepd; the job's own variable of that name may be anything.
    const char* const node = getenv("SLURMD_NODENAME");
    if (node != nullptr && strlen(node) <= kMaxNodeNameBytes) request.node = node;

    GrantOutcome outcome = request_grant(arguments.node_socket, arguments.timeout, request);
    step_state().refusal = std::move(outcome.refusal);
    std::string& note = step_state().note;
    note += (note.empty() || outcome.note.empty() ? "" : "; ") + outcome.note;
    if (!step_state().refusal.empty()) return;
    // Also a head that is given nothing: its run may have what only the tasks request.
    bind_head(spank, arguments, request);
    if (!outcome.delivery) return;
    StepFiles files(arguments.files_directory, job, step, {uid, item_of<gid_t>(spank, S_JOB_GID)});
    if (const Status failure = take_delivery(std::move(outcome.delivery), std::move(files));
        !failure.ok()) {
        step_state().refusal = failure.message();
    }
}

void on_step_exit() {
    if (step_state().files) step_state().files->remove();
    step_state().delivery.reset();
}

}  // namespace secrets::spank
