// SPDX-License-Identifier: Apache-2.0
#pragma once
// What events say of runs and stored secrets, for the services that write them down.

#include <string>
#include <vector>

#include "agentd/audit/event.h"
#include "agentd/store/owner.h"
#include "agentd/vault/vault.h"

namespace secrets::service {

/// Adds to the event of a wiped run what was overwritten.
void add_receipt(audit::Event& event, const vault::WipeReceipt& wiped);

/// Names the owner of stored secrets in a sentence.
std::string owner_words(const store::Owner& owner);

/// An event about stored secrets, with what all of them say.
audit::Event secret_event(audit::Kind kind, const store::Owner& owner,
                          std::vector<std::string> names, std::string sentence);

}  // namespace secrets::service
