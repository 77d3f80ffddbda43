// SPDX-License-Identifier: Apache-2.0
#include "slurmview/step_list.h"

#include <charconv>
#include <string>

namespace secrets::slurmview {

StatusOr<std::set<JobId>> jobs_in_step_list(std::string_view list) {
    constexpr std::string_view kSeparators = ", \t\n";
    std::set<JobId> jobs;
    if (list == "NONE") return jobs;
    while (!list.empty()) {
        const auto end = list.find_first_of(kSeparators);
        const std::string_view step = list.substr(0, end);
        list.remove_prefix(end == list.npos ? list.size() : end + 1);
        if (step.empty()) continue;
        JobId job;
        const auto [rest, error] =
            std::from_chars(step.data(), step.data() + step.size(), job.value);
        const std::string_view kind(rest, static_cast<std::size_t>(step.end() - rest));
        const bool is_step =
            error == std::errc() && (kind.empty() || kind[0] == '.' || kind[0] == '+');
        if (!is_step) {
            return Status::failed("cannot read slurmd's list of steps at " + std::string(step) +
                                  "; install a slurm-secrets-view that is built for this version "
                                  "of Slurm");
        }
        jobs.insert(job);
    }
    return jobs;
}

}  // namespace secrets::slurmview
