// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agentd/service/resolver.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// The random values of one job: those made before, and new ones.
struct MadeValues {
    struct Value {
        std::string name;
        SecretBuffer digits;  ///< hexadecimal
    };
    std::vector<Value> values{};
    bool has_new = false;

    /// Returns why a process that reads what its job was given is not given the values: some were
    /// made now, so that the job's own are lost.
    Status why_lost(JobId job) const;
};

/// Returns whether the spec has an item `:random`.
bool requests_random(const SecretSpec& spec);

/// Makes random values for jobs (`NAME:random`), and keeps them in the vault with the job's hold,
/// so that all steps and nodes of the job have the same, and the end of the hold wipes them. A name
/// with two lengths has two values. The vault must outlive the object.
class JobRandoms {
  public:
    explicit JobRandoms(vault::Vault& vault) : vault_(vault) {}

    /// Points the answers that are random at the job's values, which live in the result. Makes
    /// those that the job does not have yet, up to kMaxSpecItems; keep() must follow before they
    /// are given to anybody.
    StatusOr<MadeValues> values_for(JobId job, std::span<ItemAnswer> answers) const;

    /// Keeps new values. The job must have a hold.
    Status keep(JobId job, Uid owner, const MadeValues& made);

    /// Returns what a hub's hold for a job on its nodes consists of, and whether a hold is one.
    static vault::Grant hold_of_hub();
    static bool is_of_hub(const vault::Hold& hold);

  private:
    StatusOr<MadeValues> read(JobId job) const;

    vault::Vault& vault_;
};

}  // namespace secrets::service
