// SPDX-License-Identifier: Apache-2.0
// The desk's answers about runs: push, read, list, complete; and their expiry.

#include <algorithm>
#include <set>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/base/duration.h"
#include "agentd/service/desk.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

std::string label(const vault::NewSecret& secret) {
    return std::string(vault::scope_word(secret.scope)) + " secret " + quoted(secret.name);
}

std::vector<std::string> names_of(const std::vector<vault::NewSecret>& secrets) {
    std::set<std::string> names;
    for (const vault::NewSecret& secret : secrets) names.insert(secret.name);
    return {names.begin(), names.end()};
}

/// What all events of a request about a run say of it.
audit::Event event_of(audit::Kind kind, const RunId& run, const auth::Principal& caller,
                      std::string sentence) {
    return {.kind = kind,
            .sentence = std::move(sentence),
            .run = run.text(),
            .caller = caller.account()};
}

/// Adds to the event of a wiped run what was overwritten.
void add_receipt(audit::Event& event, const vault::WipeReceipt& wiped) {
    event.sentence += ": " + audit::listed(event.names) + " (" +
                      audit::counted(wiped.bytes, "byte", "bytes") + ")";
    event.records = wiped.records;
    event.bytes = wiped.bytes;
}

/// Writes down that a request about a run was refused; `what` is "the push", or "the completion".
Status refused(audit::Kind kind, std::string_view what, const RunId& run,
               const auth::Principal& caller, Status refusal, std::vector<std::string> names = {}) {
    audit::Event event = event_of(kind, run, caller,
                                  caller.name() + " was refused " + std::string(what) + " of run " +
                                      run.text() + ": " + refusal.message());
    event.names = std::move(names);
    event.reason = refusal.message();
    audit::record(event);
    return refusal;
}

Status refused_push(const RunId& run, const auth::Principal& caller, Status refusal,
                    std::vector<std::string> names = {}) {
    return refused(audit::Kind::refuse_push, "the push", run, caller, std::move(refusal),
                   std::move(names));
}

Status refused_completion(const RunId& run, const auth::Principal& caller, Status refusal) {
    return refused(audit::Kind::refuse_complete, "the completion", run, caller, std::move(refusal));
}

}  // namespace

Status Desk::check_push(const auth::Principal& caller, const RunId& run) {
    expire();
    const vault::RunHead* existing = vault_.find_run(run);
    if (existing == nullptr) return Status();
    if (auth::may(principals_.role_of(caller, existing->owner), auth::Permission::push_run))
        return Status();
    return refused_push(run, caller, not_theirs(run, caller));
}

Status Desk::reject_unreadable_push(const auth::Principal& caller, const RunId& run,
                                    Status refusal) const {
    return refused_push(run, caller, std::move(refusal));
}

StatusOr<Uid> Desk::owner_of_push(const auth::Principal& caller, const PushRequest& request) const {
    if (!request.owner) {
        const bool is_user = caller.uid() && !caller.is_root() && !principals_.is_platform(caller);
        if (is_user) return *caller.uid();
        return Status(StatusCode::invalid_argument,
                      "\"owner\" is missing: name the user whose jobs may use the run");
    }
    const auto owner = auth::find_uid(*request.owner);
    if (!owner) {
        return Status(StatusCode::invalid_argument,
                      "\"owner\": there is no user " + quoted(*request.owner) + " on this machine");
    }
    if (!auth::may(principals_.role_of(caller, *owner), auth::Permission::push_run)) {
        return Status(StatusCode::permission_denied,
                      caller.name() + " may not push runs for " + auth::user_name(*owner) +
                          " (the agent's configuration lists who may, under "
                          "platforms)");
    }
    return *owner;
}

StatusOr<vault::Time> Desk::expiry_of_push(const PushRequest& request, vault::Time now) const {
    if (!request.ttl) return now + default_ttl_;
    const auto ttl = parse_duration(*request.ttl);
    if (!ttl) return Status(StatusCode::invalid_argument, "\"ttl\": " + ttl.status().message());
    if (*ttl > max_ttl_) {
        return Status(StatusCode::invalid_argument,
                      "\"ttl\": " + *request.ttl + " is longer than the " +
                          print_duration(max_ttl_) + " that this site allows");
    }
    return now + *ttl;
}

Status Desk::check_secrets(const std::vector<vault::NewSecret>& secrets) const {
    if (secrets.size() > kMaxSecretsPerRun) {
        return Status(StatusCode::too_large, "the run has " + std::to_string(secrets.size()) +
                                                 " secrets; at most " +
                                                 std::to_string(kMaxSecretsPerRun) + " are taken");
    }
    std::size_t total = 0;
    std::set<std::pair<vault::Scope, std::string>> names;
    std::set<std::pair<vault::Scope, std::string>> variables;
    for (const vault::NewSecret& secret : secrets) {
        if (Status why = check_secret_name(secret.name); !why.ok()) {
            return Status(StatusCode::invalid_argument,
                          std::string(vault::scope_word(secret.scope)) + ": " + why.message());
        }
        if (!names.emplace(secret.scope, secret.name).second) {
            return Status(StatusCode::invalid_argument, label(secret) + " stands twice");
        }
        if (!variables.emplace(secret.scope, variable_for(secret.name)).second) {
            return Status(StatusCode::conflict,
                          label(secret) + " would become the variable " +
                              variable_for(secret.name) +
                              ", as another secret of this scope does; rename one");
        }
        if (secret.value.size() > limits_.value_bytes) {
            return Status(StatusCode::too_large,
                          label(secret) + " has " + std::to_string(secret.value.size()) +
                              " bytes; at most " + std::to_string(limits_.value_bytes) +
                              " are taken");
        }
        total += secret.value.size();
    }
    if (total > limits_.run_bytes) {
        return Status(StatusCode::too_large, "the run's values have " + std::to_string(total) +
                                                 " bytes together; at most " +
                                                 std::to_string(limits_.run_bytes) + " are taken");
    }
    return Status();
}

Status Precondition::check(const std::string& what, std::optional<std::uint64_t> has) const {
    if (is_new && has) return Status(StatusCode::failed_precondition, what + " is there already");
    if (!has && (exists || generation))
        return Status(StatusCode::failed_precondition, what + " is not there");
    if (!generation || *generation == *has) return Status();
    return Status(StatusCode::failed_precondition,
                  what + " has generation " + std::to_string(*has) + ", not " +
                      std::to_string(*generation) + ": somebody changed it in between");
}

StatusOr<PushResult> Desk::push_run(const auth::Principal& caller, const RunId& run,
                                    const PushRequest& request, const Precondition& precondition) {
    std::vector<std::string> names;  // none before they are known to be good ones
    const auto refuse = [&](Status refusal) -> StatusOr<PushResult> {
        return refused_push(run, caller, std::move(refusal), names);
    };
    if (Status refusal = check_push(caller, run); !refusal.ok()) return refusal;
    const auto owner = owner_of_push(caller, request);
    if (!owner.ok()) return refuse(owner.status());
    const vault::Time now = now_();
    const auto expires = expiry_of_push(request, now);
    if (!expires.ok()) return refuse(expires.status());
    if (Status refusal = check_secrets(request.secrets); !refusal.ok())
        return refuse(std::move(refusal));
    names = names_of(request.secrets);

    vault::RunHead head{run, owner.value(), 1, now, expires.value()};
    if (principals_.role_of(caller, head.owner) == auth::Role::platform) {
        head.platform = principals_.find_platform(caller, head.owner)->name;
    }
    const vault::RunHead* existing = vault_.find_run(run);
    if (Status wrong = precondition.check(
            "run " + run.text(),
            existing != nullptr ? std::optional(existing->generation) : std::nullopt);
        !wrong.ok()) {
        return refuse(std::move(wrong));
    }
    if (existing != nullptr) {
        if (existing->owner != head.owner) {
            return refuse({StatusCode::conflict,
                           "run " + run.text() + " belongs to " + auth::user_name(existing->owner) +
                               "; complete it before it is pushed for another user"});
        }
        head.generation = existing->generation + 1;
        head.created = existing->created;
    } else if (vault_.runs_of(head.owner) >= limits_.runs_per_owner) {
        return refuse({StatusCode::resource_exhausted, auth::user_name(head.owner) + " owns " +
                                                           std::to_string(limits_.runs_per_owner) +
                                                           " runs already; complete some first"});
    }
    const bool counts_anew = existing == nullptr || existing->platform != head.platform;
    if (!head.platform.empty() && counts_anew &&
        vault_.runs_of_platform(head.platform) >= limits_.runs_per_platform) {
        return refuse(
            {StatusCode::resource_exhausted, "platform " + head.platform + " has " +
                                                 std::to_string(limits_.runs_per_platform) +
                                                 " runs here already; complete some first"});
    }
    const bool created = existing == nullptr;
    const std::string owner_name = auth::user_name(head.owner);
    audit::Event event =
        event_of(audit::Kind::push, run, caller,
                 "run " + run.text() + " of " + owner_name +
                     (created ? " was pushed by " : " was pushed again by ") + caller.name() +
                     (created ? "" : " (generation " + std::to_string(head.generation) + ")") +
                     " with " + audit::listed(names));
    event.names = names;
    event.owner = audit::Account{head.owner, owner_name};
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    if (Status wrong = vault_.put_run(head, request.secrets); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    on_change_();
    on_expiry_change_();
    ended_runs_.erase(run);
    on_push_(run);
    return PushResult{describe(head, holders()), created};
}

StatusOr<RunInfo> Desk::read_run(const auth::Principal& caller, const RunId& run) {
    expire();
    const vault::RunHead* head = vault_.find_run(run);
    if (head == nullptr) head = find_ended(run);
    if (head == nullptr)
        return Status(StatusCode::not_found, "run " + run.text() + " is not known here");
    if (!auth::may(principals_.role_of(caller, head->owner), auth::Permission::read_run)) {
        return not_theirs(run, caller);
    }
    return describe(*head, holders());
}

std::vector<RunInfo> Desk::list_runs(const auth::Principal& caller) {
    expire();
    const Holders all_holders = holders();
    std::vector<RunInfo> seen;
    for (const vault::RunHead* head : vault_.runs()) {
        if (auth::may(principals_.role_of(caller, head->owner), auth::Permission::read_run)) {
            seen.push_back(describe(*head, all_holders));
        }
    }
    return seen;
}

StatusOr<vault::WipeReceipt> Desk::complete_run(const auth::Principal& caller, const RunId& run,
                                                const Precondition& precondition) {
    expire();
    const vault::RunHead* head = vault_.find_run(run);
    if (head == nullptr) return vault::WipeReceipt{};  // whatever generation it had
    if (!auth::may(principals_.role_of(caller, head->owner), auth::Permission::complete_run)) {
        return refused_completion(run, caller, not_theirs(run, caller));
    }
    if (Status wrong = precondition.check("run " + run.text(), head->generation); !wrong.ok()) {
        return refused_completion(run, caller, std::move(wrong));
    }
    const std::string owner = auth::user_name(head->owner);
    audit::Event event =
        event_of(audit::Kind::complete, run, caller,
                 "run " + run.text() + " of " + owner + " was completed by " + caller.name());
    event.names = names_in(run);
    event.owner = audit::Account{head->owner, owner};
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refused_completion(run, caller, {StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    const vault::WipeReceipt wiped = end_run(*head);
    event.kind = audit::Kind::wipe;
    event.sentence = "run " + run.text() + " of " + owner + " was wiped";
    add_receipt(event, wiped);
    audit::record(event);
    return wiped;
}

std::optional<vault::Time> Desk::expire_runs() {
    while (const auto next = vault_.next_to_expire()) {
        if (next->expires > now_()) return next->expires;
        const std::string owner = auth::user_name(next->owner);
        audit::Event event{
            .kind = audit::Kind::expire,
            .sentence = "run " + next->id.text() + " of " + owner + " expired and was wiped",
            .run = next->id.text(),
            .names = names_in(next->id),
            .owner = audit::Account{next->owner, owner}};
        add_receipt(event, end_run(*next));
        audit::record(event);
    }
    return std::nullopt;
}

/// Of a copy, or of the vault's own, which is gone behind it.
vault::WipeReceipt Desk::end_run(const vault::RunHead& head) {
    note_end(head);
    const RunId run = head.id;
    const vault::WipeReceipt wiped = vault_.wipe_run(run);
    on_change_();
    return wiped;
}

std::vector<std::string> Desk::names_in(const RunId& run) const {
    std::set<std::string> names;
    for (const vault::RunSecret& secret : vault_.secrets_of(run)) names.emplace(secret.name);
    return {names.begin(), names.end()};
}

Desk::Holders Desk::holders() const {
    Holders holders;
    for (const vault::Hold* hold : vault_.holds()) {
        std::set<std::string> runs;
        for (const vault::Grant& grant : hold->grants) runs.insert(grant.run);
        for (const std::string& run : runs) holders[run].push_back({hold->job, hold->since});
    }
    return holders;
}

RunInfo Desk::describe(const vault::RunHead& head, const Holders& holders) const {
    RunInfo info{head, auth::user_name(head.owner), {}, {}};
    for (const vault::RunSecret& secret : vault_.secrets_of(head.id)) {
        info.secrets.push_back({std::string(secret.name), secret.scope, secret.value.size()});
    }
    std::sort(info.secrets.begin(), info.secrets.end(), [](const auto& a, const auto& b) {
        return std::tie(a.name, a.scope) < std::tie(b.name, b.scope);
    });
    if (const auto found = holders.find(head.id.text()); found != holders.end()) {
        info.holders = found->second;
    }
    info.nodes = node_holds_.of(head.id.text(), now_());
    if (const auto ended = ended_runs_.find(head.id); ended != ended_runs_.end()) {
        info.ended = ended->second.at;
    }
    return info;
}

}  // namespace secrets::service
