// SPDX-License-Identifier: Apache-2.0
#pragma once
// The facts about the installation that the checks use, gathered once.

#include <sys/types.h>

#include <boost/json/object.hpp>
#include <optional>
#include <string>

#include "ctl/client/session.h"
#include "ctl/doctor/plugin_version.h"
#include "ctl/doctor/plugstack.h"
#include "ctl/doctor/service_unit.h"

namespace secrets::ctl::doctor {

struct Site {
    bool is_root = false;

    std::string slurm_conf;      ///< empty: none found
    bool is_configless = false;  ///< slurmd fetched it from slurmctld
    std::string plugstack_path;  ///< the path from which Slurm reads the file
    std::optional<Plugstack> plugstack;
    std::optional<PluginLine>
        line;                 ///< the line that loads the plugin, else one that is commented out
    std::string plugin_path;  ///< that Slurm loads by the line; empty: no such file
    std::optional<SlurmVersion> slurm;

    std::optional<ServiceUnit> unit;  ///< nothing: systemd does not know it

    std::string node_socket;
    std::string job_socket;
    std::string control_socket;
    std::string ping;  ///< the agent's version, from the job socket; empty: no answer
    std::string why_no_ping;
    std::optional<boost::json::object> status;  ///< from the control socket
    /// Why the agent has not asked hubs, munged and OpenBao for that status; empty if it has.
    std::string why_not_checked;
    std::string why_no_status;
    pid_t agent_pid = 0;  ///< 0: unknown
};

/// Asks the agent and Slurm; takes less than 3 s if only the agent does not answer.
Site look_around(const Session& agent);

}  // namespace secrets::ctl::doctor
