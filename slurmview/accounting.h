// SPDX-License-Identifier: Apache-2.0
#pragma once
// Queries slurmctld for accounts.

#include "slurmview/query_queue.h"

namespace secrets::slurmview {

/// Returns the users for which slurmctld has an association with exactly that account: not with its
/// child accounts, nor of other clusters. slurmctld answers from memory, even if slurmdbd is down.
/// Blocks for as long as libslurm waits.
StatusOr<AccountUsers> users_of_account(const std::string& account);

}  // namespace secrets::slurmview
