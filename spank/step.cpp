// SPDX-License-Identifier: Apache-2.0
// slurmstepd, as root, before it forks a step's tasks: requests one grant for the step on this
// node, and writes its files. This file reports errors only through step_state(): a non-zero return
// would drain the node.

#include <array>

#include "common/base/limits.h"
#include "common/base/secret_spec.h"
#include "common/secure_memory/delivery.h"
#include "spank/agent_client.h"
#include "spank/platform_run_id.h"
#include "spank/plugin.h"
#include "spank/step_state.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// Returns a variable of the job's environment. Empty if unset; sets `too_long` if it does not fit.
std::string job_variable(spank_t spank, const char* name, bool& too_long) {
    std::array<char, kMaxSpecBytes + 1> value{};
    const spank_err_t error =
        spank_getenv(spank, name, value.data(), static_cast<int>(value.size()));
    too_long = error == ESPANK_NOSPACE;
    return error == ESPANK_SUCCESS ? std::string(value.data()) : std::string();
}

/// Returns the secret spec of this step; empty if the step requests nothing. A malformed spec is
/// returned unchanged: the agent reports the error.
std::string ask_of(spank_t spank, const Arguments& arguments, bool& too_long) {
    std::string text = job_variable(spank, kSpecVariable, too_long);
    if (too_long) return {};
    const auto parsed = text.empty() ? ParsedSpec(SecretSpec()) : parse_spec(text);
    const SecretSpec* ask = parsed.spec();
    if (ask == nullptr) return text;
    if (ask->none) return {};
    return with_run_of_platform(std::move(text), *ask, arguments, [&](const char* name) {
        bool run_too_long = false;
        return job_variable(spank, name, run_too_long);
    });
}

template <typename Number>
Number item_of(spank_t spank, spank_item_t item) {
    Number value = 0;
    if (spank_get_item(spank, item, &value) != ESPANK_SUCCESS) return 0;
    return value;
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

void on_step(spank_t spank, const Arguments& arguments) {
    bool too_long = false;
    plugin_protocol::GrantRequest request;
    request.ask = ask_of(spank, arguments, too_long);
    if (too_long) {
        step_state().refusal = std::string(kSpecVariable) +
                               " is too long: a secret spec has at most " +
                               std::to_string(kMaxSpecBytes) + " characters";
        return;
    }
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

    GrantOutcome outcome =
        request_grant(arguments.node_socket, arguments.timeout, std::move(request));
    step_state().refusal = std::move(outcome.refusal);
    step_state().note = std::move(outcome.note);
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
