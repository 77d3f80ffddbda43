// SPDX-License-Identifier: Apache-2.0
#pragma once
// Resolves a secret spec against a run's secrets and the user's stored secrets.

#include <span>
#include <string>
#include <vector>

#include "agentd/store/secret_store.h"
#include "agentd/vault/record_codec.h"
#include "common/base/secret_spec.h"
#include "common/secure_memory/delivery.h"

namespace secrets::service {

/// The source of a secret. If several sources have the name, the first in this order wins. A random
/// value is made for the job, whatever the others have.
enum class Source { run, user, workspace, random };
const char* source_word(Source source);

/// A workspace for which the user's membership is not known, and why.
struct Undecided {
    std::string workspace;
    Status why;
};

/// The stored secrets that a user's jobs may be granted.
struct AvailableSecrets {
    const store::SecretStore* store = nullptr;  ///< null if this agent stores none
    Uid uid;
    std::string user;                     ///< the user's name, for messages
    std::vector<std::string> workspaces;  ///< those that the user may use, or the one that the
                                          ///< secret spec names
    std::vector<Undecided> undecided;
    store::Time now;       ///< secrets that expired before count as missing
    Status other_owner{};  ///< why the user's own stored secrets are another's; mostly ok
    bool closed = false;   ///< whether there is a store that can't be opened
    bool can_make = true;  ///< whether this agent makes random values
};

/// The answer to one item of a secret spec. `value` points into the run's secrets or the opened
/// values, and must not outlive them.
struct ItemAnswer {
    SpecItem item;
    bool found = false;
    Source source = Source::run;
    std::string workspace;                 ///< if the source is a workspace
    SecretView value;                      ///< if found, and of a run or opened
    std::size_t bytes = 0;                 ///< the value's length
    std::optional<store::Time> expires{};  ///< of a stored secret, on the wall clock
    std::optional<store::Time> due{};      ///< the same on the agent's clock
    std::string reason;                    ///< if not found: why, as a sentence
    Status unknown{};                      ///< why it can't be told if it is found; mostly ok

    bool is_stored() const { return source == Source::user || source == Source::workspace; }
    bool failed() const { return !found && !item.optional; }
    store::Owner owner(Uid uid) const {
        return source == Source::workspace ? store::Owner::workspace_named(workspace)
                                           : store::Owner::user(uid);
    }
};

/// Answers each item from the run (the user's secret in the run before the workspace's), then from
/// the user's own secrets, then from the user's workspaces. A spec for all of a run has an item for
/// each variable that the run can set. Values of stored secrets are not opened.
std::vector<ItemAnswer> resolve(const SecretSpec& ask, std::span<const vault::RunSecret> stored,
                                const AvailableSecrets& kept);

/// Opens the values of the stored secrets among the answers and returns the values. The answers'
/// views point at them.
StatusOr<std::vector<SecretBuffer>> open_stored(std::span<ItemAnswer> answers,
                                                const AvailableSecrets& kept);

/// Returns why items that were not optional could not be answered, as one sentence; empty if there
/// are no such items.
std::string failures_of(std::span<const ItemAnswer> answers);

/// Returns the names of the secrets that were found, in the order of the items.
std::vector<std::string> names_of(std::span<const ItemAnswer> answers);

/// Returns the same names as text for a person. A name is followed by its variable if the variable
/// is not the usual one or is of a file, and by `held` if none is set.
std::string listed(std::span<const ItemAnswer> answers);

/// Returns the delivery's entries for the secrets that were found.
std::vector<DeliveryEntry> entries_of(std::span<const ItemAnswer> answers);

}  // namespace secrets::service
