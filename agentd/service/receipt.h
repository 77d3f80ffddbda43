// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parts of the audit events of runs and stored secrets, for the services that record them.

#include <string>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/store/owner.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// Adds the counts of overwritten records and bytes to the event of a wiped run.
void add_receipt(audit::Event& event, const vault::WipeReceipt& wiped);

/// Names the owner of stored secrets in a sentence.
std::string owner_words(const store::Owner& owner);

/// Returns an event about stored secrets, with the fields that all such events have.
audit::Event secret_event(audit::Kind kind, const store::Owner& owner,
                          std::vector<std::string> names, std::string sentence);

}  // namespace secrets::service
