// SPDX-License-Identifier: Apache-2.0
// What the desk of a node does with the grants of its hub.

#include "agentd/service/grant_service.h"
#include "common/base/limits.h"

namespace secrets::service {

using namespace asks;

namespace {

/// What a node keeps of a hub's answers for one job; further ones are given to their steps, which
/// then need the hub.
constexpr std::size_t kMaxHubGrantBytesOfJob = 4 * kMaxDeliveryBytes;

}  // namespace

std::optional<GrantAnswer> Desk::check_before_hub(
    const plugin_protocol::GrantRequest& request) const {
    auto read = read_ask(request);
    if (!read.ok()) {
        return refused(request, "", nullptr, read.status());
    }
    const SecretSpec& ask = *read;
    if (ask.none) return Nothing{};
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    if (!has_room_for(vault_.find_hold(request.job), grant)) {
        return refused(request, "", &ask, too_many_asks());
    }
    return std::nullopt;
}

const vault::CachedGrant* Desk::find_cached_grant(
    const plugin_protocol::GrantRequest& request) const {
    const vault::CachedGrant* grant = vault_.find_cached_grant(request.job, request.ask);
    return grant != nullptr && grant->owner == request.uid ? grant : nullptr;
}

GrantAnswer Desk::accept_cached_grant(const plugin_protocol::GrantRequest& request,
                                      const std::string& tag, SecretView image, std::string note) {
    const auto entries = read_delivery(image.bytes());
    if (!entries) return deny(request, "", {StatusCode::unavailable, entries.status().message()});
    auto read = read_ask(request);
    const SecretSpec& ask = *read;
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    const bool is_first = vault_.find_hold(request.job) == nullptr;
    const auto refuse = [&](std::string why) {
        return refused(request, "", &ask, {StatusCode::unavailable, std::move(why)});
    };
    auto delivery = vault_.deliver(*entries);
    if (!delivery) return refuse(delivery.status().message());
    audit::Event event =
        event_of(audit::Kind::grant, request, "",
                 "was granted " + audit::counted(entries->size(), "secret", "secrets") +
                     " by the hub" + (grant.run.empty() ? "" : " of run " + grant.run));
    event.run = grant.run;
    for (const SpecItem& item : ask.items) event.names.push_back(item.name);
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) return refuse(wrong.message());
    if (Status wrong = vault_.hold(request.job, request.uid, grant, now_()); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse(wrong.message());
    }
    audit::publish(event);
    cache_grant({request.job, request.uid, request.ask, grant.run, tag}, image);
    granted_in_round_.insert(request.job);
    on_change_();
    return Granted{std::move(delivery).value(), is_first ? std::move(note) : ""};
}

/// A grant that can't be kept is good for its step all the same.
void Desk::cache_grant(const vault::CachedGrant& grant, SecretView image) {
    vault_.wipe_cached_grant(grant.job, grant.ask);
    if (vault_.cached_grant_bytes_of(grant.job) + image.size() > kMaxHubGrantBytesOfJob) return;
    if (const Status wrong = vault_.put_cached_grant(grant, image); !wrong.ok()) {
        audit::report_problem("what the hub granted to job " + std::to_string(grant.job.value) +
                              " is not kept for its next steps: " + wrong.message());
    }
}

GrantAnswer Desk::deliver_cached_grant_again(const plugin_protocol::GrantRequest& request,
                                             const std::string& why) {
    auto delivery = vault_.deliver_cached_grant(request.job, request.ask);
    if (!delivery) {
        return deny(request, "", {StatusCode::unavailable, delivery.status().message()});
    }
    audit::Event event =
        event_of(audit::Kind::grant, request, "", "was given what it had been granted" + why);
    event.run = vault_.find_cached_grant(request.job, request.ask)->run;
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return deny(request, "", {StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    granted_in_round_.insert(request.job);
    return Granted{std::move(delivery).value(), ""};
}

Status Desk::denied_by_hub(const plugin_protocol::GrantRequest& request, Status refusal) {
    vault_.wipe_cached_grant(request.job, request.ask);
    on_change_();
    return deny(request, "", std::move(refusal));
}

void Desk::revoke_cached_grant(JobId job, const std::string& ask) {
    const vault::CachedGrant* grant = vault_.find_cached_grant(job, ask);
    if (grant == nullptr) return;
    audit::Event event{.kind = audit::Kind::wipe, .job = job};
    event.run = grant->run;
    event.owner = audit::Account{grant->owner, ""};
    event.sentence = "what job " + std::to_string(job.value) + " was granted" +
                     (grant->run.empty() ? "" : " of run " + grant->run) +
                     " was wiped: at the hub it has ended or changed";
    const vault::WipeReceipt wiped = vault_.wipe_cached_grant(job, ask);
    on_change_();
    event.records = wiped.records;
    event.bytes = wiped.bytes;
    audit::record(event);
}

}  // namespace secrets::service
