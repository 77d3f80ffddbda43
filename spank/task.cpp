// SPDX-License-Identifier: Apache-2.0
// The forked child of each task, still root: sets the variables directly from the delivery, only in
// the memory of this child; for files, which the step has written, sets the path. This is the only
// hook whose error costs no more than its task.

#include "common/base/names.h"
#include "common/secure_memory/delivery.h"
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
    spank_unsetenv(spank, kSetVariable);
}

Status set(spank_t spank, const char* variable, const char* value) {
    const spank_err_t error = spank_setenv(spank, variable, value, 1);
    if (error == ESPANK_SUCCESS) return Status();
    return Status::failed("cannot set the variable " + quoted(variable) + ": " +
                          spank_strerror(error));
}

Status inject(spank_t spank, const StepState& state) {
    const auto view = RegionView::map(state.delivery->fd());
    if (!view) return view.status();
    const auto entries = read_delivery(view->bytes());
    if (!entries) return entries.status();
    std::string names;
    for (const DeliveryEntry& entry : *entries) {
        const std::string path =
            entry.is_file() && state.files ? state.files->path_of(entry.secret) : "";
        // Variable and value are NUL-terminated in the image.
        const char* value = entry.is_file()
                                ? path.c_str()
                                : reinterpret_cast<const char*>(entry.value.bytes().data());
        if (Status failure = set(spank, entry.variable.data(), value); !failure.ok())
            return failure;
        names += (names.empty() ? "" : ",") + std::string(entry.variable);
    }
    return set(spank, kSetVariable, names.c_str());
}

}  // namespace

int on_task(spank_t spank, const Arguments& arguments) {
    const StepState& state = step_state();
    forget_inherited(spank);
    if (!state.note.empty() && speaks(spank)) slurm_spank_log("secrets: %s", state.note.c_str());

    Status failure;
    if (!state.refusal.empty()) failure = Status::failed(state.refusal);
    if (failure.ok() && state.delivery) failure = inject(spank, state);
    if (failure.ok()) return ESPANK_SUCCESS;

    if (arguments.on_error_continue) {
        if (speaks(spank)) {
            slurm_spank_log("secrets: warning: the job continues without secrets: %s",
                            failure.message().c_str());
        }
        return ESPANK_SUCCESS;
    }
    if (speaks(spank)) slurm_error("secrets: %s", failure.message().c_str());
    return -1;
}

}  // namespace secrets::spank
