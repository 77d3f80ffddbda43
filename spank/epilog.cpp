// The helper process at the job's end: tells the agent to wipe what the job held. While it runs the
// node is "completing" and takes no other job, so it does not wait long; nothing it meets may fail
// the epilog.

#include "spank/agent.h"
#include "spank/plugin.h"

namespace secrets::spank {
namespace {

constexpr auto kPatience = std::chrono::milliseconds(2000);

}  // namespace

void on_epilog(spank_t spank, const Arguments& arguments) {
    std::uint32_t job = 0;
    if (spank_get_item(spank, S_JOB_ID, &job) != ESPANK_SUCCESS) {
        slurm_error("secrets: Slurm does not say which job ended; what it held is not wiped now");
        return;
    }
    const auto receipt = wipe_job(arguments.node_socket, kPatience, JobId{job});
    if (receipt) {
        slurm_verbose("secrets: %s", receipt->c_str());
    } else {
        slurm_error("secrets: what job %u held was not wiped: %s", job,
                    receipt.error().sentence.c_str());
    }
}

}  // namespace secrets::spank
