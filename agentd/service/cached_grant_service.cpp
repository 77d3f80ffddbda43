// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/cached_grant_service.h"

#include "agentd/audit/audit_log.h"
#include "agentd/base/without_memory.h"
#include "agentd/service/grant_requests.h"
#include "common/base/limits.h"

namespace secrets::service {

using namespace grant_requests;

namespace {

/// Limits the bytes of the hub's grants that a node caches for one job. Further grants are
/// delivered to their steps without being cached, so that a repeated request needs the hub.
constexpr std::size_t kMaxHubGrantBytesOfJob = 4 * kMaxDeliveryBytes;

}  // namespace

std::optional<GrantAnswer> CachedGrantService::check_before_hub(
    const plugin_protocol::GrantRequest& request) const {
    auto read = read_spec(request);
    if (!read.ok()) {
        return refused(request, "", nullptr, read.status());
    }
    const SecretSpec& ask = *read;
    if (ask.none) return Nothing{};
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    if (!has_room_for(context_.vault.find_hold(request.job), grant)) {
        return refused(request, "", &ask, too_many_asks());
    }
    return std::nullopt;
}

const vault::CachedGrant* CachedGrantService::find_cached_grant(
    const plugin_protocol::GrantRequest& request) const {
    const vault::CachedGrant* grant = context_.vault.find_cached_grant(request.job, request.ask);
    return grant != nullptr && grant->owner == request.uid ? grant : nullptr;
}

GrantAnswer CachedGrantService::accept_cached_grant(const plugin_protocol::GrantRequest& request,
                                                    const std::string& tag, SecretView image,
                                                    std::string note) {
    const auto entries = read_delivery(image.bytes());
    if (!entries) return deny(request, "", entries.status());
    auto read = read_spec(request);
    const SecretSpec& ask = *read;
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    const bool is_first = context_.vault.find_hold(request.job) == nullptr;
    const auto refuse = [&](Status refusal) {
        return refused(request, "", &ask, std::move(refusal));
    };
    auto delivery = context_.vault.deliver(without_held(*entries));
    if (!delivery) return refuse(delivery.status());
    audit::Event event =
        event_of(audit::Kind::grant, request, "",
                 "was granted " + audit::counted(entries->size(), "secret", "secrets") +
                     " by the hub" + (grant.run.empty() ? "" : " of run " + grant.run));
    event.run = grant.run;
    for (const SpecItem& item : ask.items) event.names.push_back(item.name);
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) return refuse(std::move(wrong));
    if (Status wrong = context_.vault.hold(request.job, request.uid, grant, context_.now());
        !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse(std::move(wrong));
    }
    cache_grant({request.job, request.uid, request.ask, grant.run, tag}, image);
    context_.granted_in_round.insert(request.job);
    context_.events->held_changed();
    return Granted{std::move(delivery).value(), is_first ? std::move(note) : "", std::move(event)};
}

/// Caches a grant. A grant that cannot be cached is valid for its step all the same.
void CachedGrantService::cache_grant(const vault::CachedGrant& grant, SecretView image) {
    context_.vault.wipe_cached_grant(grant.job, grant.ask);
    if (context_.vault.cached_grant_bytes_of(grant.job) + image.size() > kMaxHubGrantBytesOfJob ||
        !context_.vault.may_cache_grant(grant.ask)) {
        return;
    }
    if (const Status wrong = context_.vault.put_cached_grant(grant, image); !wrong.ok()) {
        audit::report_problem("cannot cache the hub's grant for job " +
                              std::to_string(grant.job.value) + ": " + wrong.message() +
                              "; its next steps need the hub");
    }
}

/// Delivers the values that a step is given of a cached grant.
StatusOr<vault::Delivery> CachedGrantService::deliver_to_step(JobId job,
                                                              const std::string& ask) const {
    auto whole = context_.vault.deliver_cached_grant(job, ask);
    if (!whole) return whole;
    const auto view = RegionView::map(whole->fd.get());
    if (!view) return view.status();
    const auto entries = read_delivery(view->bytes());
    if (!entries) return entries.status();
    const auto given = without_held(*entries);
    if (given.size() == entries->size()) return whole;
    return context_.vault.deliver(given);
}

GrantAnswer CachedGrantService::deliver_cached_grant_again(
    const plugin_protocol::GrantRequest& request, const std::string& why) {
    auto delivery = deliver_to_step(request.job, request.ask);
    if (!delivery) {
        return deny(request, "", delivery.status());
    }
    audit::Event event =
        event_of(audit::Kind::grant, request, "", "was granted its cached secrets" + why);
    event.run = context_.vault.find_cached_grant(request.job, request.ask)->run;
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return deny(request, "", std::move(wrong));
    }
    context_.granted_in_round.insert(request.job);
    return Granted{std::move(delivery).value(), "", std::move(event)};
}

StatusOr<vault::Delivery> CachedGrantService::renew(const plugin_protocol::GrantRequest& request,
                                                    const std::string& tag, SecretView image) {
    const auto entries = read_delivery(image.bytes());
    if (!entries) return entries.status();
    auto read = read_spec(request);
    if (!read.ok()) return read.status();
    if (context_.vault.find_hold(request.job) != nullptr) {
        const std::string run = read->run ? read->run->text() : "";
        cache_grant({request.job, request.uid, request.ask, run, tag}, image);
        context_.events->held_changed();
    }
    return context_.vault.deliver(*entries);
}

StatusOr<vault::Delivery> CachedGrantService::read(
    const plugin_protocol::GrantRequest& request) const {
    if (find_cached_grant(request) == nullptr) {
        return Status(StatusCode::not_found, "job " + std::to_string(request.job.value) +
                                                 " has nothing of this grant any more");
    }
    return context_.vault.deliver_cached_grant(request.job, request.ask);
}

Status CachedGrantService::denied_by_hub(const plugin_protocol::GrantRequest& request,
                                         const std::string& tag, Status refusal) {
    const vault::CachedGrant* grant = find_cached_grant(request);
    // Another step of the job may have been granted a newer one meanwhile.
    if (grant != nullptr && grant->tag == tag) wipe_and_record(*grant, refusal.message());
    return deny(request, "", std::move(refusal));
}

void CachedGrantService::revoke_cached_grant(JobId job, const std::string& ask) {
    const vault::CachedGrant* grant = context_.vault.find_cached_grant(job, ask);
    if (grant != nullptr) wipe_and_record(*grant, "");
}

/// Wipes a grant that the hub revoked. `why`: the hub's reason, if it is known.
void CachedGrantService::wipe_and_record(const vault::CachedGrant& grant, const std::string& why) {
    audit::Event event{.kind = audit::Kind::wipe, .job = grant.job};
    event.owner = audit::Account{grant.owner, ""};
    if_memory_allows([&] { event.run = grant.run; });
    const vault::WipeReceipt wiped = context_.vault.wipe_cached_grant(grant.job, grant.ask);
    context_.events->held_changed();
    event.sentence = "the cached grant of job " + std::to_string(event.job->value) +
                     (event.run.empty() ? "" : " of run " + event.run) +
                     " was wiped: the hub revoked it" + (why.empty() ? "" : ": " + why);
    event.reason = why;
    event.records = wiped.records;
    event.bytes = wiped.bytes;
    audit::record(event);
}

}  // namespace secrets::service
