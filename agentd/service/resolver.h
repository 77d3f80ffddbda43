// SPDX-License-Identifier: Apache-2.0
#pragma once
// From an ask, a run's secrets and what is kept for the user, to what a step is given.

#include <span>
#include <string>
#include <vector>

#include "agentd/store/secret_store.h"
#include "agentd/vault/record_codec.h"
#include "common/base/secret_spec.h"
#include "common/secure_memory/delivery.h"

namespace secrets::service {

/// Where a secret comes from; where several have the name, the first of these is taken.
enum class Source { run, user, workspace };
const char* source_word(Source source);

/// A workspace of which it is not known whether the user is in it, and the Slurm account that
/// decides that.
struct Undecided {
    std::string workspace;
    std::string account;
};

/// The kept secrets that a user's jobs may be given.
struct AvailableSecrets {
    const store::SecretStore* store = nullptr;  ///< null: this agent keeps none
    Uid uid;
    std::string user;                     ///< the user's name, for sentences
    std::vector<std::string> workspaces;  ///< those that the user may use, or the one that is asked
                                          ///< for
    std::vector<Undecided> undecided;
    store::Time now;  ///< what has expired is not there
};

/// What became of one item of an ask. `value` is valid as long as the run's secrets and the
/// Resolved are.
struct ItemAnswer {
    SpecItem item;
    bool found = false;
    Source source = Source::run;
    std::string workspace;                 ///< where the source is one
    SecretView value;                      ///< when found, and of a run or opened
    std::size_t bytes = 0;                 ///< its length
    std::optional<store::Time> expires{};  ///< of a kept secret
    std::string reason;                    ///< when not found: why, as a sentence
    std::optional<Undecided> hangs_on{};   ///< without that nobody can tell; it is not found then

    bool failed() const { return !found && !item.optional; }
    store::Owner owner(Uid uid) const {
        return source == Source::workspace ? store::Owner::workspace_named(workspace)
                                           : store::Owner::user(uid);
    }
};

/// Answers each item: from the run (there the user's secret before the workspace's), from the
/// user's own, from the user's workspaces. An ask for all of a run has an item for each variable
/// that the run can set. Values of kept secrets are not opened.
std::vector<ItemAnswer> resolve(const SecretSpec& ask, std::span<const vault::RunSecret> stored,
                                const AvailableSecrets& kept);

/// The values of the kept secrets among the answers, opened; the answers' views point at them.
StatusOr<std::vector<SecretBuffer>> open_stored(std::span<ItemAnswer> answers,
                                                const AvailableSecrets& kept);

/// The items that could not be answered and were not optional, as one sentence; empty when there is
/// none.
std::string failures_of(std::span<const ItemAnswer> answers);

/// The names of the secrets that were found, in the order of the items.
std::vector<std::string> names_of(std::span<const ItemAnswer> answers);

/// The same as text for a person, a name with its variable where that is not the usual one, or
/// is of a file.
std::string listed(std::span<const ItemAnswer> answers);

/// The entries of the delivery that gives what was found.
std::vector<DeliveryEntry> entries_of(std::span<const ItemAnswer> answers);

}  // namespace secrets::service
