// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/receipt.h"

#include "agentd/auth/user_database.h"

namespace secrets::service {

void add_receipt(audit::Event& event, const vault::WipeReceipt& wiped) {
    event.sentence += ": " + audit::listed(event.names) + " (" +
                      audit::counted(wiped.bytes, "byte", "bytes") + ")";
    event.records = wiped.records;
    event.bytes = wiped.bytes;
}

std::string owner_words(const store::Owner& owner) {
    return owner.is_workspace() ? "workspace " + owner.workspace() : auth::user_name(owner.uid());
}

audit::Event secret_event(audit::Kind kind, const store::Owner& owner,
                          std::vector<std::string> names, std::string sentence) {
    audit::Event event{.kind = kind, .sentence = std::move(sentence), .names = std::move(names)};
    event.workspace = owner.workspace();
    if (!owner.is_workspace()) event.owner = {owner.uid(), auth::user_name(owner.uid())};
    return event;
}

}  // namespace secrets::service
