// SPDX-License-Identifier: Apache-2.0
#include "agentd/hub/agent_account.h"

#include <unistd.h>

#include <charconv>

#include "agentd/auth/lookup_attempts.h"
#include "agentd/auth/user_database.h"
#include "common/base/names.h"

namespace secrets::hub {
namespace {

std::optional<Uid> number_in(const std::string& text) {
    uid_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return Uid{number};
}

}  // namespace

/// Returns nothing if there certainly is no such account on this host: a name service that is away
/// often finds nobody.
StatusOr<std::optional<Uid>> AgentAccount::uid() const {
    if (configured_.empty()) return std::optional(Uid{geteuid()});
    if (const auto number = number_in(configured_)) return std::optional(*number);
    auto found = auth::users().find_uid(configured_, auth::Certainty::current);
    if (!found || *found) return found;
    return auth::users().find_uid(configured_, auth::Certainty::established);
}

Status AgentAccount::check(const auth::Principal& caller, const std::string& address) {
    const auto account = uid();
    if (auth::is_pending(account)) return account.status();
    if (!account) {
        const std::string why =
            "cannot tell whether " + caller.name() +
            " is the account that the nodes' agents run as: " + account.status().message() +
            "; if it stays so, set listen.agents on the hub to a user or a uid there";
        denials_.note(address, why);
        return Status::unavailable(why);
    }
    if (*account && caller.uid() == *account) return Status();
    std::string sentence = caller.name() + " is not the account that the nodes' agents run as: ";
    if (caller.uid()) sentence += "it has uid " + std::to_string(caller.uid()->value) + ", but ";
    const std::string name = configured_.empty() ? auth::user_name(**account) : configured_;
    sentence += *account ? "agents run as uid " + std::to_string((*account)->value) + " (" + name +
                               " on the hub)"
                         : "the hub has no user " + in_quotes(name);
    sentence +=
        "; give the agents' account the same uid on all hosts, or set listen.agents on the hub";
    denials_.note(address, sentence);
    return {StatusCode::permission_denied, std::move(sentence)};
}

}  // namespace secrets::hub
