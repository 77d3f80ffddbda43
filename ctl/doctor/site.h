// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the checks look at, gathered once.

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "ctl/client/session.h"
#include "ctl/doctor/plugin_version.h"
#include "ctl/doctor/plugstack.h"

namespace secrets::ctl::doctor {

struct Site {
    bool is_root = false;

    std::string slurm_conf;      ///< empty: none was found
    bool is_configless = false;  ///< slurmd fetched it from slurmctld
    std::string plugstack_path;  ///< where Slurm reads it
    std::optional<Plugstack> plugstack;
    std::optional<PluginLine>
        line;  ///< the one that loads the plugin, else one that is commented out
    std::optional<SlurmVersion> slurm;

    std::string node_socket;
    std::string job_socket;
    std::string control_socket;
    std::string ping;  ///< the agent's version, as the job door says it; empty: no answer
    std::string why_no_ping;
    std::optional<boost::json::object> status;  ///< the control door's
    std::string why_no_status;
    pid_t agent_pid = 0;  ///< 0: not known
};

/// Asks the agent and Slurm; takes a few seconds at most, whoever does not answer.
Site look_around(const Session& agent);

}  // namespace secrets::ctl::doctor
