// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries Slurm and the system for nodes.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Returns NodeAddr and NodeHostName of all nodes. Blocks for as long as libslurm waits.
StatusOr<NodeAddresses> addresses_of_all_nodes();

StatusOr<std::vector<std::string>> names_in_list(const std::string& list);

/// Returns the host's addresses, at least one. Blocks for as long as the resolver waits.
StatusOr<std::vector<std::string>> addresses_of_host(const std::string& host);

}  // namespace secrets::slurmview
