// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/grant_requests.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"

namespace secrets::service::grant_requests {
namespace {

/// Limits the distinct secret specs of one job on a node. Without the limit, a job with a new spec
/// for every step would fill memory that other jobs need.
constexpr std::size_t kMaxGrantsPerHold = 256;

}  // namespace

audit::Event event_of(audit::Kind kind, const plugin_protocol::GrantRequest& request,
                      const std::string& node, const std::string& what_happened) {
    const bool is_step = request.step != kNoStep;
    const std::string job = "job " + std::to_string(request.job.value);
    audit::Event event{.kind = kind, .job = request.job};
    event.sentence = (is_step ? job + " step " + step_word(request.step) : "a process of " + job) +
                     " of uid " + std::to_string(request.uid.value) +
                     (node.empty() ? "" : " on node " + node) + " " + what_happened;
    if (is_step) event.step = request.step;
    event.owner = audit::Account{request.uid, ""};
    return event;
}

Status refused(const plugin_protocol::GrantRequest& request, const std::string& node,
               const SecretSpec* ask, Status refusal) {
    if (auth::is_pending(refusal)) return refusal;
    audit::Event event = event_of(audit::Kind::deny_grant, request, node,
                                  "was refused its secrets: " + refusal.message());
    if (ask != nullptr && ask->run) event.run = ask->run->text();
    if (ask != nullptr) {
        for (const SpecItem& item : ask->items) event.names.push_back(item.name);
    }
    event.reason = refusal.message();
    audit::record(event);
    return refusal;
}

bool has_room_for(const vault::Hold* hold, const vault::Grant& grant) {
    if (hold == nullptr || hold->grants.size() < kMaxGrantsPerHold) return true;
    return std::any_of(hold->grants.begin(), hold->grants.end(), [&](const vault::Grant& other) {
        return other.ask == grant.ask && other.run == grant.run;
    });
}

Status too_many_asks() {
    return {StatusCode::resource_exhausted,
            "this job has requested " + std::to_string(kMaxGrantsPerHold) +
                " different secret specs on this node, which is the limit"};
}

StatusOr<SecretSpec> read_spec(const plugin_protocol::GrantRequest& request) {
    auto parsed = parse_spec(request.ask);
    if (!parsed.ok()) return parsed.status("SLURM_SECRETS");
    return *parsed.spec();
}

bool may_wait(const plugin_protocol::GrantRequest& request, const SecretSpec& ask) {
    return ask.run && !ask.run_optional && request.wait_milliseconds > 0;
}

Status deny(const plugin_protocol::GrantRequest& request, const std::string& node, Status refusal) {
    const auto parsed = parse_spec(request.ask);
    return refused(request, node, parsed.spec(), std::move(refusal));
}

}  // namespace secrets::service::grant_requests
