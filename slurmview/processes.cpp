// SPDX-License-Identifier: Apache-2.0
#include "slurmview/processes.h"

#include <errno.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <stdlib.h>

#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "common/ipc/slurm_query_protocol.h"
#include "slurmview/slurm_versions.h"
#include "slurmview/step_list.h"

namespace secrets::slurmview {
namespace {

/// libslurm queries the slurmd of the node that this variable names.
constexpr char kNodeVariable[] = "SLURMD_NODENAME";

using SlurmdStatus = std::unique_ptr<slurmd_status_t, decltype(&slurm_free_slurmd_status)>;

Status slurmd_cannot_be_asked(int code) {
    const char* const node = getenv(kNodeVariable);
    return Status::failed("cannot query slurmd" +
                          (node != nullptr ? std::string(" of ") + node : "") + ": " +
                          slurm_strerror(code));
}

/// Returns the nodes of this host, of which each has a slurmd; one without a name if the
/// environment names none.
const std::vector<std::string>& nodes_of_host() {
    static const auto nodes = [] {
        std::vector<std::string> names;
        const char* const listed = getenv(kNodeVariable);
        std::istringstream in(listed != nullptr ? listed : "");
        for (std::string name; std::getline(in, name, ',');) {
            std::erase(name, ' ');
            if (!name.empty()) names.push_back(name);
        }
        if (names.empty()) names.emplace_back();
        return names;
    }();
    return nodes;
}

/// Makes libslurm query the slurmd of one node. The variable is replaced, never added, so that
/// getenv() of another thread finds the earlier text or the new one.
void choose_slurmd(const std::string& node) {
    if (nodes_of_host().size() > 1) setenv(kNodeVariable, node.c_str(), 1);
}

StatusOr<JobId> job_at_slurmd(std::uint32_t pid) {
    std::uint32_t job = 0;
    if (job_of_pid(static_cast<pid_t>(pid), job) == SLURM_SUCCESS) return JobId{job};
    if (errno == ESLURM_INVALID_JOB_ID) return slurm_query::kNoJob;
    return slurmd_cannot_be_asked(errno);
}

StatusOr<std::set<JobId>> jobs_at_slurmd() {
    slurmd_status_t* raw = nullptr;
    if (slurm_load_slurmd_status(&raw) != SLURM_SUCCESS) return slurmd_cannot_be_asked(errno);
    const SlurmdStatus status(raw, &slurm_free_slurmd_status);
    if (status->step_list == nullptr) return Status::failed("slurmd sent no list of its steps");
    return jobs_in_step_list(status->step_list);
}

}  // namespace

StatusOr<JobId> job_of_process(std::uint32_t pid) {
    StatusOr<JobId> answer = slurm_query::kNoJob;
    for (const std::string& node : nodes_of_host()) {
        choose_slurmd(node);
        auto job = job_at_slurmd(pid);
        if (job && *job == slurm_query::kNoJob) continue;
        answer = std::move(job);
        if (answer) break;
    }
    return answer;
}

StatusOr<std::set<JobId>> jobs_with_steps() {
    std::set<JobId> all;
    for (const std::string& node : nodes_of_host()) {
        choose_slurmd(node);
        auto jobs = jobs_at_slurmd();
        if (!jobs) return jobs;
        all.insert(jobs->begin(), jobs->end());
    }
    return all;
}

}  // namespace secrets::slurmview
