// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/revocation_log.h"

#include <functional>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/denial_rate_limit.h"

namespace secrets::service {
namespace {

/// The most grants of a reporter that are remembered: no more are recorded one by one within a
/// minute.
constexpr std::size_t kMostRemembered = audit::kDenialBurst;

std::size_t hash_of(const vault::CachedGrant& held) {
    return std::hash<std::string>()(std::to_string(held.job.value) + " " + held.tag + held.ask);
}

}  // namespace

bool RevocationLog::record(const Reporter& from, const vault::CachedGrant& held,
                           const std::string& run, const std::string& why) {
    auto& recorded = recorded_[from.name()];
    const Hash grant = hash_of(held);
    const Hash reason = std::hash<std::string>()(why);
    const auto known = recorded.find(grant);
    if (known != recorded.end() && known->second == reason) return false;
    if (known != recorded.end() || recorded.size() < kMostRemembered) recorded[grant] = reason;
    audit::record({.kind = audit::Kind::revoke,
                   .sentence = "the grant of job " + std::to_string(held.job.value) + " on node " +
                               from.node +
                               (from.address.empty() ? "" : ", as " + from.name() + " says,") +
                               (run.empty() ? "" : " of run " + run) + " was revoked: " + why,
                   .job = held.job,
                   .run = run,
                   .owner = audit::Account{held.owner, ""},
                   .caller = audit::Account{std::nullopt, from.name()},
                   .reason = why});
    return true;
}

void RevocationLog::end_report(const Reporter& from, const std::vector<vault::CachedGrant>& held,
                               const std::vector<std::size_t>& revoked) {
    const auto found = recorded_.find(from.name());
    if (found == recorded_.end()) return;
    std::map<Hash, Hash> still;
    for (const std::size_t which : revoked) {
        const auto known = found->second.find(hash_of(held[which]));
        if (known != found->second.end()) still.insert(*known);
    }
    found->second = std::move(still);
    if (found->second.empty()) recorded_.erase(found);
}

}  // namespace secrets::service
