// SPDX-License-Identifier: Apache-2.0
#pragma once
// The checks of an installation; each answers one question.

#include "ctl/doctor/finding.h"
#include "ctl/doctor/site.h"

namespace secrets::ctl::doctor {

// Checks of Slurm and the plugin: on every node, and on every host from which jobs are submitted.
Finding check_plugstack(const Site& site);
Finding check_line(const Site& site);
Finding check_plugin_arguments(const Site& site);
Finding check_plugin(const Site& site);
Finding check_slurm_version(const Site& site);

// Checks of the agent: on every node.
Finding check_unit(const Site& site);
Finding check_drop_ins(const Site& site);
Finding check_node_socket(const Site& site);
Finding check_job_socket(const Site& site);
Finding check_control_socket(const Site& site);
Finding check_answers(const Site& site);
Finding check_same_version(const Site& site);
Finding check_memory(const Site& site);
Finding check_memlock(const Site& site);
Finding check_store(const Site& site);
Finding check_audit_file(const Site& site);
Finding check_accounts(const Site& site);
Finding check_name_service(const Site& site);
Finding check_config(const Site& site);
Finding check_named_accounts(const Site& site);

// Checks of what a node and a hub need.
Finding check_hub(const Site& site);
Finding check_hub_clock(const Site& site);
Finding check_certificates(const Site& site);
Finding check_munge(const Site& site);
Finding check_openbao(const Site& site);

// Checks of the host.
Finding check_swap(const Site& site);
Finding check_clock(const Site& site);

}  // namespace secrets::ctl::doctor
