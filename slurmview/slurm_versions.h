// SPDX-License-Identifier: Apache-2.0
#pragma once
// What of libslurm has another name or type in another version of Slurm, 22.05 to 26.05. The
// rest of slurmview/ uses only what all of them have. (libslurm's own wrappers for older callers,
// SLURM_BACKWARD_COMPAT, are for C: they need _Generic.)

#include <slurm/slurm.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>

namespace secrets::slurmview {

#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(26, 5, 0)

inline int load_job_info(job_info_msg_t** info, std::uint32_t job, std::uint16_t flags) {
    slurm_step_id_t id = SLURM_STEP_ID_INITIALIZER;
    id.job_id = job;
    return slurm_load_job(info, id, flags);
}
inline int job_of_pid(pid_t pid, std::uint32_t& job) {
    slurm_step_id_t id = SLURM_STEP_ID_INITIALIZER;
    const int outcome = slurm_pid2jobid(pid, &id);
    job = id.job_id;
    return outcome;
}
inline void free_controller_config(slurm_conf_t* config) {
    slurm_free_conf(config);
}

#else

inline int load_job_info(job_info_msg_t** info, std::uint32_t job, std::uint16_t flags) {
    return slurm_load_job(info, job, flags);
}
inline int job_of_pid(pid_t pid, std::uint32_t& job) {
    return slurm_pid2jobid(pid, &job);
}
inline void free_controller_config(slurm_conf_t* config) {
    slurm_free_ctl_conf(config);
}

#endif

using ControllerConfig = std::unique_ptr<slurm_conf_t, decltype(&free_controller_config)>;

}  // namespace secrets::slurmview
