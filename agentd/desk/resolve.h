#pragma once
// From an ask and a run's secrets to what a step is given.

#include <span>
#include <string>
#include <vector>

#include "agentd/vault/records.h"
#include "common/ask.h"
#include "common/delivery.h"

namespace secrets::desk {

/// What became of one item of an ask. `secret` is valid as long as the stored secrets are.
struct ItemAnswer {
    AskItem item;
    bool found = false;
    vault::StoredSecret secret;  ///< when found
    std::string reason;          ///< when not: why, as a sentence

    bool failed() const { return !found && !item.optional; }
};

/// Answers each item, the user's secret before the workspace's. An ask for all of a run has an item
/// for each variable that the run can set.
std::vector<ItemAnswer> resolve(const Ask& ask, std::span<const vault::StoredSecret> stored);

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

}  // namespace secrets::desk
