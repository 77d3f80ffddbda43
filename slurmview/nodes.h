// SPDX-License-Identifier: Apache-2.0
#pragma once
// What Slurm and the system know of nodes.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Blocks for as long as libslurm waits.
StatusOr<NodeAddresses> addresses_of_all_nodes();

std::vector<std::string> names_in_list(const std::string& list);

/// Empty where the host has none. Blocks for as long as the resolver waits.
std::vector<std::string> addresses_of_host(const std::string& host);

}  // namespace secrets::slurmview
