// SPDX-License-Identifier: Apache-2.0
#pragma once
// Asks slurmctld about accounts.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// The users of which slurmctld has an association with that very account: not with its child
/// accounts, nor of other clusters. slurmctld answers from memory, whether slurmdbd is there or
/// not. Blocks for as long as libslurm waits.
StatusOr<AccountUsers> users_of_account(const std::string& account);

}  // namespace secrets::slurmview
