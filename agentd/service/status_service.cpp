// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/status_service.h"

#include <algorithm>
#include <set>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/recent_events.h"
#include "agentd/service/secret_service.h"

namespace secrets::service {
namespace {

/// Limits the number of last errors in a status.
constexpr std::size_t kMostErrors = 5;

bool concerns(const audit::Event& event, const auth::Principal& caller) {
    if (!caller.uid()) return event.caller && event.caller->name == caller.name();
    return (event.owner && event.owner->uid == caller.uid()) ||
           (event.caller && event.caller->uid == caller.uid());
}

}  // namespace

std::optional<SlurmAccountsInfo> StatusService::describe_slurm_accounts() const {
    const std::set<std::string> named = slurm_accounts_in(context_.principals.workspaces());
    if (named.empty()) return std::nullopt;
    const auth::SlurmAccountMembers& accounts = context_.principals.slurm_accounts();
    SlurmAccountsInfo info{named.size(), 0, {}, accounts.trouble()};
    for (const std::string& account : named) {
        if (accounts.knows(account)) ++info.known;
        if (accounts.is_missing(account)) info.missing.push_back(account);
    }
    return info;
}

StatusInfo StatusService::status(const auth::Principal& caller) const {
    StatusInfo info{context_.vault.inventory(),
                    context_.vault.memory(),
                    context_.now() - context_.started,
                    audit::dropped(),
                    context_.bodies.used(),
                    std::nullopt,
                    context_.why_store_closed,
                    {},
                    0};
    info.hubs = context_.hubs;
    if (context_.store != nullptr) {
        info.store_file = context_.store->path();
        info.kept = context_.store->usage();
        info.store_owners = context_.store->owners();
        info.expiring = context_.store->expiring_before(context_.now() + kWarnBefore);
    }
    for (const vault::Hold* hold : context_.vault.holds()) {
        info.oldest_hold = std::max(info.oldest_hold, context_.now() - hold->since);
    }
    info.slurm_accounts = describe_slurm_accounts();
    info.tasks = sources_.tasks();
    info.cluster = sources_.cluster();
    info.config = sources_.config();
    info.openbao = sources_.openbao();
    info.lookups = auth::users().stats();
    info.audit_file = audit::audit_file_state();
    if (!caller.is_root()) {
        if (!info.lookups.trouble.empty()) {
            info.lookups.trouble = "the name service does not answer for some users or groups";
        }
        for (TaskStatus& task : info.tasks) task.last_error.clear();
        info.config = {info.config.file, info.config.state};
        return info;
    }
    const auto& entries = audit::recent().entries();
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        const audit::Event& event = entry->event;
        if (audit::info_of(event.kind).level != audit::Level::error) continue;
        info.last_errors.push_back(audit::time_text(entry->at) + " " + event.sentence);
        if (info.last_errors.size() == kMostErrors) break;
    }
    return info;
}

EventsInfo StatusService::events(const auth::Principal& caller,
                                 std::optional<std::uint64_t> after) const {
    EventsInfo info{audit::recent().last(), {}};
    if (!after) return info;
    for (const audit::RecentEvents::Entry& entry : audit::recent().entries()) {
        if (entry.number <= *after) continue;
        if (!caller.is_root() && !concerns(entry.event, caller)) continue;
        info.events.push_back(audit::audit_file_line(entry.event, entry.at));
        info.events.back().pop_back();  // the newline
    }
    return info;
}

}  // namespace secrets::service
