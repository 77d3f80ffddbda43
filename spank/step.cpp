// slurmstepd, as root, before it forks a step's tasks: asks once for the step on this node. Nothing
// is reported from here but through step_state(): an error would drain the node.

#include <array>

#include "common/ask.h"
#include "common/limits.h"
#include "spank/agent.h"
#include "spank/plugin.h"
#include "spank/step_state.h"
#include "spank/variables.h"

namespace secrets::spank {
namespace {

/// A variable of the job's environment. Empty when it is not set; `too_long` when it does not fit.
std::string job_variable(spank_t spank, const char* name, bool& too_long) {
    std::array<char, kMaxAskBytes + 1> value{};
    const spank_err_t error =
        spank_getenv(spank, name, value.data(), static_cast<int>(value.size()));
    too_long = error == ESPANK_NOSPACE;
    return error == ESPANK_SUCCESS ? std::string(value.data()) : std::string();
}

/// The run id that one of the admin's variables holds, if one does.
std::optional<RunId> run_from_platform(spank_t spank, const Arguments& arguments) {
    for (const std::string& name : arguments.run_id_variables) {
        bool too_long = false;
        auto run = RunId::parse(job_variable(spank, name.c_str(), too_long));
        if (run && !too_long) return std::move(run).value();
    }
    return std::nullopt;
}

/// The ask of this step; empty when it wants nothing. What is malformed stays as it is: the agent
/// says what is wrong.
std::string ask_of(spank_t spank, const Arguments& arguments, bool& too_long) {
    std::string text = job_variable(spank, kAskVariable, too_long);
    if (too_long) return {};
    const auto parsed = text.empty() ? Ask() : parse_ask(text);
    const Ask* ask = std::get_if<Ask>(&parsed);
    if (ask == nullptr || ask->run) return text;
    if (ask->none) return {};
    if (const auto run = run_from_platform(spank, arguments)) {
        text = "run:" + run->text() + "?" + (text.empty() ? "" : "," + text);
    }
    return text;
}

template <typename Number>
Number item_of(spank_t spank, spank_item_t item) {
    Number value = 0;
    if (spank_get_item(spank, item, &value) != ESPANK_SUCCESS) return 0;
    return value;
}

void take_delivery(UniqueFd fd) {
    if (auto region = LockedRegion::adopt(std::move(fd))) {
        step_state().delivery.emplace(std::move(region).value());
    } else {
        step_state().refusal = region.error().sentence;
    }
}

}  // namespace

StepState& step_state() {
    static auto* state = new StepState();
    return *state;
}

void on_step(spank_t spank, const Arguments& arguments) {
    bool too_long = false;
    wire::AskRequest request;
    request.ask = ask_of(spank, arguments, too_long);
    if (too_long) {
        step_state().refusal = std::string(kAskVariable) + " is longer than the " +
                               std::to_string(kMaxAskBytes) + " characters that an ask may have";
        return;
    }
    if (request.ask.empty()) return;
    request.job.value = item_of<std::uint32_t>(spank, S_JOB_ID);
    request.step.value = item_of<std::uint32_t>(spank, S_JOB_STEPID);
    uid_t uid = static_cast<uid_t>(-1);
    if (spank_get_item(spank, S_JOB_UID, &uid) != ESPANK_SUCCESS) {
        step_state().refusal = "Slurm does not say whose job this is";
        return;
    }
    request.uid.value = uid;
    request.wait_milliseconds =
        static_cast<std::uint32_t>(std::chrono::milliseconds(arguments.wait).count());

    AskOutcome outcome = ask_agent(arguments.node_socket, arguments.timeout, std::move(request));
    step_state().refusal = std::move(outcome.refusal);
    step_state().note = std::move(outcome.note);
    if (outcome.delivery) take_delivery(std::move(outcome.delivery));
}

void on_step_exit() {
    step_state().delivery.reset();
}

}  // namespace secrets::spank
