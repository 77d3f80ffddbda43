// SPDX-License-Identifier: Apache-2.0
// The forked child of each task, still root: sets the variables directly from the delivery, only in
// the memory of this child; for files, which the step has written, sets the path. The hooks of a
// task are the only ones whose error costs no more than the task.

#include <algorithm>
#include <span>
#include <string>
#include <vector>

#include "common/base/names.h"
#include "common/secure_memory/delivery.h"
#include "spank/given_marker.h"
#include "spank/nextflow_agent.h"
#include "spank/plugin.h"
#include "spank/step_state.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// Only local task 0 prints, so that a message appears once per node, not once per task.
bool speaks(spank_t spank) {
    int local_task = 0;
    return spank_get_item(spank, S_TASK_ID, &local_task) != ESPANK_SUCCESS || local_task == 0;
}

/// Removes variables that an inner command could mistake for its own options or for variables of
/// this task.
void forget_inherited(spank_t spank) {
    for (const char* name : kOptionNames) {
        spank_unsetenv(spank, (std::string(kInheritedInJob) + name).c_str());
    }
    for (const char* name : {kSetVariable, kMarkerVariable, kOuterVariable}) {
        spank_unsetenv(spank, name);
    }
}

Status set(spank_t spank, const char* variable, const char* value) {
    const spank_err_t error = spank_setenv(spank, variable, value, 1);
    if (error == ESPANK_SUCCESS) return Status();
    return Status::failed("cannot set the variable " + in_quotes(variable) + ": " +
                          spank_strerror(error));
}

/// Removes the variables that the spec leaves alone, and adds its copies. A variable that is left
/// alone may have copies.
void apply_edits(const SecretSpec& spec, std::vector<GivenVariable>& given) {
    std::vector<GivenVariable> copies;
    for (const SpecCopy& copy : spec.copies) {
        for (const GivenVariable& original : given) {
            if (original.variable != copy.of) continue;
            copies.push_back(original);
            copies.back().variable = copy.variable;
        }
    }
    std::erase_if(given, [&](const GivenVariable& each) {
        return std::find(spec.without.begin(), spec.without.end(), each.variable) !=
               spec.without.end();
    });
    for (const GivenVariable& copy : copies) {
        const bool is_set = std::any_of(given.begin(), given.end(), [&](const GivenVariable& each) {
            return each.variable == copy.variable;
        });
        if (!is_set) given.push_back(copy);
    }
}

Status inject(spank_t spank, const StepState& state) {
    const auto view = RegionView::map(state.delivery->fd());
    if (!view) return view.status();
    const auto entries = read_delivery(view->bytes());
    if (!entries) return entries.status();
    std::vector<std::string> paths(entries->size());
    std::vector<GivenVariable> given;
    for (const DeliveryEntry& entry : *entries) {
        std::string& path = paths[given.size()];
        if (entry.is_file() && state.files) path = state.files->path_of(entry.secret);
        given.push_back({entry.variable, entry.value, entry.is_file()});
        if (!entry.is_file()) continue;
        given.back().value = SecretView(std::as_bytes(std::span(path)));
        given.back().content = entry.value;
    }
    apply_edits(state.spec, given);
    std::string names;
    for (const GivenVariable& each : given)
        names += (names.empty() ? "" : ",") + std::string(each.variable);
    char** environment = nullptr;
    if (spank_get_item(spank, S_JOB_ENV, &environment) != ESPANK_SUCCESS) environment = nullptr;
    const std::string marker =
        print_marker(marker_of(given, print_spec(state.spec), environment, state.outer));
    for (const GivenVariable& each : given) {
        // Variable and value are NUL-terminated, in the image and in a path.
        const auto* value = reinterpret_cast<const char*>(each.value.bytes().data());
        if (Status failure = set(spank, each.variable.data(), value); !failure.ok()) return failure;
    }
    if (Status failure = set(spank, kMarkerVariable, marker.c_str()); !failure.ok()) return failure;
    return set(spank, kSetVariable, names.c_str());
}

/// Prints the failure of the task, if it has one, and returns what the hook returns. `lack` is what
/// the task goes on without if on_error=continue.
int report(spank_t spank, const PluginArguments& arguments, const Status& failure,
           const char* lack) {
    if (failure.ok()) return ESPANK_SUCCESS;

    if (arguments.on_error_continue) {
        if (speaks(spank)) {
            slurm_spank_log("secrets: warning: the job continues without %s: %s", lack,
                            failure.message().c_str());
        }
        return ESPANK_SUCCESS;
    }
    if (speaks(spank)) slurm_error("secrets: %s", failure.message().c_str());
    return -1;
}

}  // namespace

int on_task(spank_t spank, const PluginArguments& arguments) {
    const StepState& state = step_state();
    forget_inherited(spank);
    if (!state.changed_variable.empty())
        spank_setenv(spank, state.changed_variable.c_str(), print_spec(state.spec).c_str(), 1);
    if (!state.note.empty() && speaks(spank)) slurm_spank_log("secrets: %s", state.note.c_str());

    Status failure;
    if (!state.refusal.empty()) failure = Status::failed(state.refusal);
    // Without its jar Nextflow refuses what the agent may still give to its tasks.
    const bool is_request = state.delivery || !state.spec.requests_nothing();
    update_nextflow_agent(spank, arguments, failure.ok() && is_request);
    if (failure.ok() && state.delivery) failure = inject(spank, state);
    return report(spank, arguments, failure, "secrets");
}

/// Fails the task if a namespace of its own hides its files: whichever plugin switched to that, in
/// this hook or before, if its line is above the one of this plugin.
int on_task_as_user(spank_t spank, const PluginArguments& arguments) {
    const StepState& state = step_state();
    return report(spank, arguments, state.files ? state.files->check_readable() : Status(),
                  "that file");
}

}  // namespace secrets::spank
