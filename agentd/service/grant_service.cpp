// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/grant_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/grant_requests.h"

namespace secrets::service {

using namespace grant_requests;

namespace {

Status has_no_jobs(const auth::Principal& caller) {
    return {StatusCode::permission_denied, caller.name() +
                                               " is not a user and has no jobs or secrets; it can "
                                               "only query runs"};
}

/// Returns the run of the hold's grants; empty if the grants are of several runs, or of none.
std::string run_of(const vault::Hold& hold) {
    if (hold.grants.empty()) return "";
    const std::string& first = hold.grants.front().run;
    const bool same = std::all_of(hold.grants.begin(), hold.grants.end(),
                                  [&](const vault::Grant& grant) { return grant.run == first; });
    return same ? first : "";
}

std::vector<ItemAnswer> without_values(std::vector<ItemAnswer> answers) {
    for (ItemAnswer& answer : answers) answer.value = {};
    return answers;
}

bool has_grant_of(const vault::Hold& hold, const std::string& ask) {
    return std::any_of(hold.grants.begin(), hold.grants.end(),
                       [&](const vault::Grant& grant) { return grant.ask == ask; });
}

}  // namespace

GrantAnswer GrantService::grant_step(const plugin_protocol::GrantRequest& request) {
    expiry_.expire();
    auto read = read_spec(request);
    if (!read.ok()) {
        return refused(request, "", nullptr, read.status());
    }
    const SecretSpec& ask = *read;
    if (ask.none) return Nothing{};
    if (may_wait(request, ask) && resolver_.may_be_pushed(*ask.run, request.uid))
        return WaitForRun{*ask.run};
    GrantAnswer answer = grant(request, ask);
    if (auto* refusal = std::get_if<Status>(&answer)) {
        return refused(request, "", &ask, std::move(*refusal));
    }
    return answer;
}

GrantAnswer GrantService::grant(const plugin_protocol::GrantRequest& request,
                                const SecretSpec& ask) {
    const vault::Hold* const held = context_.vault.find_hold(request.job);
    const bool is_first = held == nullptr;
    const bool had_it = !is_first && has_grant_of(*held, request.ask);
    auto answer = resolver_.prepare(request, ask, had_it);
    if (!answer.ok()) return answer.status();
    const PreparedGrant& prepared = answer.value();
    if (prepared.entries.empty()) return Nothing{};
    const vault::RunHead* const run = prepared.run;
    const vault::Grant grant{request.ask, run != nullptr ? run->id.text() : "",
                             run != nullptr ? run->generation : 0};
    if (!has_room_for(context_.vault.find_hold(request.job), grant)) return too_many_asks();
    // Each job gets the note once on a node.
    std::string note = context_.vault.find_hold(request.job) == nullptr
                           ? secrets_.expiry_note(prepared.answers)
                           : "";
    // The delivery comes first: it reads the run's record, which the hold's record may move.
    auto delivery = context_.vault.deliver(without_held(prepared.entries));
    if (!delivery) return delivery.status();
    audit::Event event = event_of(
        audit::Kind::grant, request, "",
        "was granted " + listed(prepared.answers) + (run != nullptr ? " of run " + grant.run : ""));
    event.run = grant.run;
    event.names = names_of(prepared.answers);
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return wrong;
    }
    if (Status wrong = context_.vault.hold(request.job, request.uid, grant, context_.now());
        !wrong.ok()) {
        audit::revert(event, wrong);
        return wrong;
    }
    if (Status wrong = randoms_.keep(request.job, request.uid, prepared.made); !wrong.ok()) {
        if (is_first) context_.vault.wipe_hold(request.job);
        audit::revert(event, wrong);
        return wrong;
    }
    context_.granted_in_round.insert(request.job);
    context_.events->held_changed();
    return Granted{std::move(delivery).value(), std::move(note), std::move(event),
                   without_values(std::move(answer->answers))};
}

void GrantService::record_handed_over(const plugin_protocol::GrantRequest& request,
                                      const Granted& granted) {
    audit::publish(granted.event);
    secrets_.note_uses(granted.answers, request.uid, request.job);
}

Status GrantService::record_lost(const plugin_protocol::GrantRequest& request,
                                 const Granted& granted, Status why) {
    audit::revert(granted.event, why);
    return deny(request, "", std::move(why));
}

Status GrantService::deny_unpushed(const plugin_protocol::GrantRequest& request,
                                   const std::string& node, const RunId& run) const {
    std::string why = "run " + run.text() + " was not pushed within " +
                      std::to_string(request.wait_milliseconds / 1000) + " s";
    if (const EndedRun* ended = resolver_.find_ended(run, request.uid)) {
        why += "; an earlier " + EndedRuns::sentence(*ended, context_.wall_of(ended->at));
    }
    return deny(request, node, {StatusCode::not_found, std::move(why)});
}

std::string GrantService::wipe(JobId job) {
    std::string receipt = wipe_hold(job, audit::Kind::wipe, "ended");
    context_.events->job_may_have_ended(job);
    return receipt;
}

std::vector<JobId> GrantService::begin_reaping(std::chrono::seconds age) {
    context_.granted_in_round.clear();
    std::vector<JobId> jobs;
    for (const vault::Hold* hold : context_.vault.holds()) {
        if (hold->since + age <= context_.now()) jobs.push_back(hold->job);
    }
    return jobs;
}

bool GrantService::reap(JobId job) {
    if (context_.granted_in_round.contains(job)) return false;
    const vault::Hold* hold = context_.vault.find_hold(job);
    // The epilog of a hub's node does not reach the hub.
    const bool is_of_node = hold != nullptr && JobRandoms::is_of_hub(*hold);
    wipe_hold(job, is_of_node ? audit::Kind::wipe : audit::Kind::reap,
              is_of_node ? "ended" : "ended without an epilog");
    context_.events->job_may_have_ended(job);
    return true;
}

/// Wipes a hold; all that needs memory comes after the wipe. `what` says in the event what happened
/// to the job. Returns the receipt as a sentence.
std::string GrantService::wipe_hold(JobId job, audit::Kind kind, std::string_view what) {
    const vault::WipedHold wiped = context_.vault.take_hold(job);
    if (!wiped.hold) return "job " + std::to_string(job.value) + " held nothing";
    context_.events->held_changed();
    const vault::Hold& hold = *wiped.hold;
    std::string receipt = "job " + std::to_string(job.value) + " " + std::string(what) +
                          ": its hold with " +
                          audit::counted(hold.grants.size(), "grant", "grants") + " was wiped";
    audit::Event event{.kind = kind, .job = job};
    event.run = run_of(hold);
    event.owner = audit::Account{hold.owner, ""};
    event.sentence = receipt + " (uid " + std::to_string(hold.owner.value) + ", " +
                     audit::counted(wiped.receipt.bytes, "byte", "bytes") + ")";
    event.records = wiped.receipt.records;
    event.bytes = wiped.receipt.bytes;
    audit::record(event);
    return receipt;
}

Status GrantService::check_submission(const auth::Principal& caller, const std::string& text) {
    auto answer = check(caller, text);
    if (!answer.ok()) {
        return answer.status().code() == StatusCode::unavailable ? Status() : answer.status();
    }
    const SpecCheck& info = answer.value();
    if (info.ok || info.awaits_push) return Status();
    std::string reasons = info.reason;
    if (reasons.empty()) reasons = failures_of(info.items);
    return Status(StatusCode::not_found, std::move(reasons));
}

StatusOr<SpecCheck> GrantService::check(const auth::Principal& caller, const std::string& text) {
    expiry_.expire();
    if (!caller.uid()) return has_no_jobs(caller);
    const auto parsed = parse_spec(text);
    if (!parsed.ok()) return parsed.status("the secret spec");
    const SecretSpec& ask = *parsed.spec();
    const vault::RunHead* const run = ask.run ? context_.vault.find_run(*ask.run) : nullptr;
    const bool has_run = run != nullptr && run->owner == *caller.uid();
    SpecCheck info{print_spec(ask), true, ask.run && !has_run, "", {}};
    if (ask.none) return info;
    auto resolved = resolver_.resolve_or_deny(*caller.uid(), ask, auth::Permission::read_run,
                                              auth::Certainty::plausible);
    if (!resolved.ok()) {
        const Status& wrong = resolved.status();
        if (wrong.code() == StatusCode::unavailable || auth::is_pending(wrong)) return wrong;
        info.ok = false;
        info.reason = resolved.status().message();
        return info;
    }
    info.items = without_values(std::move(resolved).value());
    for (const ItemAnswer& answer : info.items) {
        if (answer.failed()) info.ok = false;
    }
    return info;
}

}  // namespace secrets::service
