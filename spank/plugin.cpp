// SPDX-License-Identifier: Apache-2.0
// The dispatcher: passes each of Slurm's hooks to the file of its context. A job_prolog is omitted
// on purpose: a plugin that has one makes slurmd fork a helper before every job (measured: 12 ms a
// job).

#include "spank/plugin.h"

#include "common/base/names.h"

using secrets::PluginArguments;

extern "C" {

extern __attribute__((visibility("default"))) const char plugin_name[];
extern __attribute__((visibility("default"))) const char plugin_type[];
extern __attribute__((visibility("default"))) const unsigned int plugin_version;
extern __attribute__((visibility("default"))) const unsigned int spank_plugin_version;

SPANK_PLUGIN(secrets, 1)

}  // extern "C"

namespace {

/// Logs an invalid line of plugstack.conf in Slurm's log; such a line never costs a job or a node.
PluginArguments arguments_of(int count, char** values) {
    PluginArguments arguments;
    if (const secrets::Status wrong = secrets::read_plugin_arguments(count, values, arguments);
        !wrong.ok()) {
        slurm_error("secrets: %s", wrong.message().c_str());
    }
    return arguments;
}

bool on_submit_side() {
    const spank_context_t context = spank_context();
    return context == S_CTX_LOCAL || context == S_CTX_ALLOCATOR;
}

}  // namespace

int slurm_spank_init(spank_t spank, int, char**) {
    // slurmstepd must register the options too: Slurm passes it those that were used.
    if (!on_submit_side() && spank_context() != S_CTX_REMOTE) return ESPANK_SUCCESS;
    if (on_submit_side()) secrets::spank::before_options();
    return secrets::spank::register_options(spank);
}

int slurm_spank_init_post_opt(spank_t spank, int argument_count, char** arguments) {
    if (on_submit_side()) {
        // Errors in the line concern the admin and are logged on the nodes, not shown to submitting
        // users.
        PluginArguments known;
        (void)secrets::read_plugin_arguments(argument_count, arguments, known);
        return secrets::spank::on_submit(known);
    }
    if (spank_context() == S_CTX_REMOTE) {
        secrets::spank::on_step(spank, arguments_of(argument_count, arguments));
    }
    return ESPANK_SUCCESS;
}

int slurm_spank_task_init_privileged(spank_t spank, int argument_count, char** arguments) {
    return secrets::spank::on_task(spank, arguments_of(argument_count, arguments));
}

int slurm_spank_task_init(spank_t spank, int argument_count, char** arguments) {
    PluginArguments known;  // the hook before has logged what is wrong with the line
    (void)secrets::read_plugin_arguments(argument_count, arguments, known);
    return secrets::spank::on_task_as_user(spank, known);
}

int slurm_spank_exit(spank_t, int, char**) {
    if (spank_context() == S_CTX_REMOTE) secrets::spank::on_step_exit();
    return ESPANK_SUCCESS;
}

int slurm_spank_job_epilog(spank_t spank, int argument_count, char** arguments) {
    secrets::spank::on_epilog(spank, arguments_of(argument_count, arguments));
    return ESPANK_SUCCESS;
}
