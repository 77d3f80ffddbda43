// What the desk of a node does with the grants of its hub.

#include "agentd/service/grant_service.h"
#include "common/base/limits.h"

namespace secrets::desk {

using namespace asks;

namespace {

/// What a node keeps of a hub's answers for one job; further ones are given to their steps, which
/// then need the hub.
constexpr std::size_t kMaxHubGrantBytesOfJob = 4 * kMaxDeliveryBytes;

}  // namespace

std::optional<AskAnswer> Desk::ask_before_hub(const wire::AskRequest& request) const {
    auto read = read_ask(request);
    if (auto* refusal = std::get_if<Refusal>(&read)) {
        return refused(request, "", nullptr, std::move(*refusal));
    }
    const Ask& ask = std::get<Ask>(read);
    if (ask.none) return Nothing{};
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    if (!has_room_for(vault_.find_hold(request.job), grant)) {
        return refused(request, "", &ask, too_many_asks());
    }
    return std::nullopt;
}

const vault::HubGrant* Desk::find_hub_grant(const wire::AskRequest& request) const {
    const vault::HubGrant* grant = vault_.find_hub_grant(request.job, request.ask);
    return grant != nullptr && grant->owner == request.uid ? grant : nullptr;
}

AskAnswer Desk::take_hub_grant(const wire::AskRequest& request, const std::string& tag,
                               SecretView image, std::string note) {
    const auto entries = read_delivery(image.bytes());
    if (!entries) return refuse_ask(request, "", {Reason::unavailable, entries.error().sentence});
    auto read = read_ask(request);
    const Ask& ask = std::get<Ask>(read);
    const vault::Grant grant{request.ask, ask.run ? ask.run->text() : "", 0};
    const bool is_first = vault_.find_hold(request.job) == nullptr;
    const auto refuse = [&](std::string why) {
        return refused(request, "", &ask, {Reason::unavailable, std::move(why)});
    };
    auto delivery = vault_.deliver(*entries);
    if (!delivery) return refuse(delivery.error().sentence);
    audit::Event event =
        event_of(audit::Kind::ask, request, "",
                 "was granted " + audit::counted(entries->size(), "secret", "secrets") +
                     " by the hub" + (grant.run.empty() ? "" : " of run " + grant.run));
    event.run = grant.run;
    for (const AskItem& item : ask.items) event.names.push_back(item.name);
    if (auto wrong = audit::write_ahead(event)) return refuse(wrong->sentence);
    if (auto wrong = vault_.hold(request.job, request.uid, grant, now_())) {
        audit::take_back(event, *wrong);
        return refuse(wrong->sentence);
    }
    audit::tell(event);
    keep_hub_grant({request.job, request.uid, request.ask, grant.run, tag}, image);
    granted_in_round_.insert(request.job);
    on_change_();
    return Granted{std::move(delivery).value(), is_first ? std::move(note) : ""};
}

/// A grant that can't be kept is good for its step all the same.
void Desk::keep_hub_grant(const vault::HubGrant& grant, SecretView image) {
    vault_.wipe_hub_grant(grant.job, grant.ask);
    if (vault_.hub_grant_bytes_of(grant.job) + image.size() > kMaxHubGrantBytesOfJob) return;
    if (const auto wrong = vault_.put_hub_grant(grant, image)) {
        audit::trouble("what the hub granted to job " + std::to_string(grant.job.value) +
                       " is not kept for its next steps: " + wrong->sentence);
    }
}

AskAnswer Desk::give_hub_grant(const wire::AskRequest& request, const std::string& why) {
    auto delivery = vault_.deliver_hub_grant(request.job, request.ask);
    if (!delivery) {
        return refuse_ask(request, "", {Reason::unavailable, delivery.error().sentence});
    }
    audit::Event event =
        event_of(audit::Kind::ask, request, "", "was given what it had been granted" + why);
    event.run = vault_.find_hub_grant(request.job, request.ask)->run;
    if (auto wrong = audit::write_ahead(event)) {
        return refuse_ask(request, "", {Reason::unavailable, wrong->sentence});
    }
    audit::tell(event);
    granted_in_round_.insert(request.job);
    return Granted{std::move(delivery).value(), ""};
}

Refusal Desk::refused_by_hub(const wire::AskRequest& request, Refusal refusal) {
    vault_.wipe_hub_grant(request.job, request.ask);
    on_change_();
    return refuse_ask(request, "", std::move(refusal));
}

void Desk::revoke_hub_grant(JobId job, const std::string& ask) {
    const vault::HubGrant* grant = vault_.find_hub_grant(job, ask);
    if (grant == nullptr) return;
    audit::Event event{.kind = audit::Kind::wipe, .job = job};
    event.run = grant->run;
    event.owner = audit::Account{grant->owner, ""};
    event.sentence = "what job " + std::to_string(job.value) + " was granted" +
                     (grant->run.empty() ? "" : " of run " + grant->run) +
                     " was wiped: at the hub it has ended or changed";
    const vault::Wiped wiped = vault_.wipe_hub_grant(job, ask);
    on_change_();
    event.records = wiped.records;
    event.bytes = wiped.bytes;
    audit::record(event);
}

}  // namespace secrets::desk
