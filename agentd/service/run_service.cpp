// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/run_service.h"

#include <algorithm>
#include <set>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/denials.h"
#include "agentd/service/receipt.h"
#include "common/base/duration.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

std::string label(const vault::NewSecret& secret) {
    return std::string(vault::scope_word(secret.scope)) + " secret " + in_quotes(secret.name);
}

std::vector<std::string> names_of(const std::vector<vault::NewSecret>& secrets) {
    std::set<std::string> names;
    for (const vault::NewSecret& secret : secrets) names.insert(secret.name);
    return {names.begin(), names.end()};
}

/// Returns an event with the fields that all events of a request about a run have.
audit::Event event_of(audit::Kind kind, const RunId& run, const auth::Principal& caller,
                      std::string sentence) {
    return {.kind = kind,
            .sentence = std::move(sentence),
            .run = run.text(),
            .caller = caller.account()};
}

/// Records in the audit log that a request about a run was denied. `what` is "the push" or "the
/// completion". A request that waits for a lookup is not denied.
Status refused(audit::Kind kind, std::string_view what, const RunId& run,
               const auth::Principal& caller, Status refusal, std::vector<std::string> names = {}) {
    if (auth::is_pending(refusal)) return refusal;
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

Status RunService::check_push(const auth::Principal& caller, const RunId& run) {
    expiry_.expire();
    const vault::RunHead* existing = context_.vault.find_run(run);
    if (existing == nullptr) return Status();
    Status allowed = check_run_permission(context_.principals, caller, run, existing->owner,
                                          auth::Permission::push_run);
    return allowed.ok() ? allowed : refused_push(run, caller, std::move(allowed));
}

Status RunService::reject_unreadable_push(const auth::Principal& caller, const RunId& run,
                                          Status refusal) const {
    return refused_push(run, caller, std::move(refusal));
}

StatusOr<Uid> RunService::owner_of_push(const auth::Principal& caller,
                                        const PushRequest& request) const {
    if (!request.owner) {
        const auto is_platform = context_.principals.is_platform(caller);
        if (!is_platform) return is_platform.status();
        if (caller.uid() && !caller.is_root() && !*is_platform) return *caller.uid();
        return Status(StatusCode::invalid_argument,
                      "\"owner\" is missing: name the user whose jobs may use the run");
    }
    const auto found = auth::users().find_uid(*request.owner, auth::Certainty::current);
    if (!found) return found.status();
    const std::optional<Uid>& owner = *found;
    if (!owner) {
        return Status(
            StatusCode::invalid_argument,
            "\"owner\": there is no user " + in_quotes(*request.owner) + " on this machine");
    }
    // For the sentences about the push.
    if (Status name = auth::users().await_name(*owner); !name.ok()) return name;
    const auto allowed = context_.principals.allows(caller, *owner, auth::Permission::push_run);
    if (!allowed) return allowed.status();
    if (!*allowed) {
        return Status(StatusCode::permission_denied,
                      caller.name() + " may not push runs for " + auth::user_name(*owner) +
                          " (see platforms in the agent's configuration)");
    }
    return *owner;
}

StatusOr<vault::Time> RunService::expiry_of_push(const PushRequest& request,
                                                 vault::Time now) const {
    if (!request.ttl) return now + context_.default_ttl;
    const auto ttl = parse_duration(*request.ttl);
    if (!ttl) return Status(StatusCode::invalid_argument, "\"ttl\": " + ttl.status().message());
    if (*ttl > context_.max_ttl) {
        return Status(StatusCode::invalid_argument,
                      "\"ttl\": " + *request.ttl + " is longer than the " +
                          print_duration(context_.max_ttl) + " that this site allows");
    }
    return now + *ttl;
}

Status RunService::check_secrets(const std::vector<vault::NewSecret>& secrets) const {
    if (secrets.size() > kMaxSecretsPerRun) {
        return Status(StatusCode::too_large, "the run has " + std::to_string(secrets.size()) +
                                                 " secrets; the limit is " +
                                                 std::to_string(kMaxSecretsPerRun));
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
            return Status(StatusCode::invalid_argument, "duplicate " + label(secret));
        }
        if (!variables.emplace(secret.scope, variable_for(secret.name)).second) {
            return Status(StatusCode::conflict,
                          label(secret) + " would become the variable " +
                              variable_for(secret.name) +
                              ", as another secret of this scope does; rename one");
        }
        if (secret.value.size() > context_.limits.value_bytes) {
            return Status(StatusCode::too_large, label(secret) + " has " +
                                                     std::to_string(secret.value.size()) +
                                                     " bytes; the limit is " +
                                                     std::to_string(context_.limits.value_bytes));
        }
        total += secret.value.size();
    }
    if (total > context_.limits.run_bytes) {
        return Status(StatusCode::too_large, "the run's values have " + std::to_string(total) +
                                                 " bytes in total; the limit is " +
                                                 std::to_string(context_.limits.run_bytes));
    }
    return Status();
}

/// Checks that the runs of one user leave memory to others.
Status RunService::check_share(const vault::RunHead& head,
                               std::span<const vault::NewSecret> secrets) const {
    const std::size_t bytes = context_.vault.run_bytes_of(head.owner) -
                              context_.vault.bytes_of(head.id) +
                              vault::run_payload_size(head, secrets);
    if (bytes <= context_.limits.bytes_per_owner) return Status();
    return {StatusCode::resource_exhausted,
            "the runs of " + auth::user_name(head.owner) + " would have " + std::to_string(bytes) +
                " bytes in the agent's memory; the limit is " +
                std::to_string(context_.limits.bytes_per_owner) +
                " (limits.bytes_per_owner in its configuration); complete some first"};
}

StatusOr<PushResult> RunService::push_run(const auth::Principal& caller, const RunId& run,
                                          const PushRequest& request,
                                          const Precondition& precondition) {
    std::vector<std::string> names;  // empty until the names are known to be valid
    const auto refuse = [&](Status refusal) -> StatusOr<PushResult> {
        return refused_push(run, caller, std::move(refusal), names);
    };
    if (Status refusal = check_push(caller, run); !refusal.ok()) return refusal;
    const auto owner = owner_of_push(caller, request);
    if (!owner.ok()) return refuse(owner.status());
    const vault::Time now = context_.now();
    const auto expires = expiry_of_push(request, now);
    if (!expires.ok()) return refuse(expires.status());
    if (Status refusal = check_secrets(request.secrets); !refusal.ok())
        return refuse(std::move(refusal));
    names = names_of(request.secrets);

    vault::RunHead head{run, owner.value(), 1, context_.wall_of(now), expires.value()};
    const auto platform = context_.principals.find_platform(caller, head.owner);
    if (!platform) return refuse(platform.status());
    if (*platform != nullptr) head.platform = (*platform)->name;
    head.until_job = request.until_job.value_or(JobId());
    const vault::RunHead* existing = context_.vault.find_run(run);
    if (Status wrong = precondition.check(
            "run " + run.text(),
            existing != nullptr ? std::optional(existing->generation) : std::nullopt);
        !wrong.ok()) {
        return refuse(std::move(wrong));
    }
    if (existing != nullptr) {
        if (existing->owner != head.owner) {
            if (Status name = auth::users().await_name(existing->owner); !name.ok()) return name;
            return refuse({StatusCode::conflict,
                           "run " + run.text() + " belongs to " + auth::user_name(existing->owner) +
                               "; complete it before it is pushed for another user"});
        }
        head.generation = existing->generation + 1;
        head.created = existing->created;
        // A job that holds something still runs. Any other may have ended, and would end the run
        // with these new secrets before its steps start.
        if (!request.until_job && context_.has_hold(existing->until_job))
            head.until_job = existing->until_job;
    } else if (context_.vault.runs_of(head.owner) >= context_.limits.runs_per_owner) {
        return refuse(
            {StatusCode::resource_exhausted, auth::user_name(head.owner) + " owns " +
                                                 std::to_string(context_.limits.runs_per_owner) +
                                                 " runs already; complete some first"});
    }
    if (Status refusal = check_share(head, request.secrets); !refusal.ok()) {
        return refuse(std::move(refusal));
    }
    const bool counts_anew = existing == nullptr || existing->platform != head.platform;
    if (!head.platform.empty() && counts_anew &&
        context_.vault.runs_of_platform(head.platform) >= context_.limits.runs_per_platform) {
        return refuse(
            {StatusCode::resource_exhausted, "platform " + head.platform + " has " +
                                                 std::to_string(context_.limits.runs_per_platform) +
                                                 " runs already; complete some first"});
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
        return refuse(std::move(wrong));
    }
    if (Status wrong = context_.vault.put_run(head, request.secrets); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse(std::move(wrong));
    }
    audit::publish(event);
    context_.events->held_changed();
    context_.events->expiry_changed();
    context_.ended_runs.remove(run);
    context_.lost_run_ends.remove(run);
    context_.events->run_pushed(run);
    return PushResult{describe(head), created};
}

StatusOr<RunInfo> RunService::read_run(const auth::Principal& caller, const RunId& run) {
    expiry_.expire();
    const vault::RunHead* head = context_.vault.find_run(run);
    if (head == nullptr) head = expiry_.find_ended(run);
    if (head == nullptr) return not_known(caller, run);
    if (Status allowed = check_run_permission(context_.principals, caller, run, head->owner,
                                              auth::Permission::read_run);
        !allowed.ok()) {
        return allowed;
    }
    if (Status name = auth::users().await_name(head->owner); !name.ok()) return name;
    return describe(*head);
}

/// Returns the answer to a request for a run that is not held, with the run's end for a caller who
/// could read the run before.
Status RunService::not_known(const auth::Principal& caller, const RunId& run) const {
    if (const EndedRun* ended = context_.ended_runs.find(run)) {
        const auto allowed =
            context_.principals.allows(caller, ended->head.owner, auth::Permission::read_run);
        if (!allowed) return allowed.status();
        if (*allowed)
            return {StatusCode::not_found,
                    EndedRuns::sentence(*ended, context_.wall_of(ended->at))};
    }
    return {StatusCode::not_found, "run " + run.text() + " is not known"};
}

/// Returns the owners of runs that the caller may read.
StatusOr<std::vector<Uid>> RunService::readable_owners(const auth::Principal& caller) const {
    std::vector<Uid> owners;
    Status unknown;
    for (const Uid owner : context_.vault.run_owners()) {
        const auto allowed = context_.principals.allows(caller, owner, auth::Permission::read_run);
        if (!allowed) {
            unknown = allowed.status();  // the lookups for the other owners are started, too
        } else if (*allowed) {
            Status name = auth::users().await_name(owner);
            if (!name.ok()) unknown = std::move(name);
            owners.push_back(owner);
        }
    }
    if (!unknown.ok()) return unknown;
    return owners;
}

StatusOr<RunPage> RunService::list_runs(const auth::Principal& caller, std::string_view after,
                                        std::size_t most) {
    expiry_.expire();
    const auto owners = readable_owners(caller);
    if (!owners) return owners.status();
    const auto heads = context_.vault.runs_of(*owners, after, most + 1);
    RunPage page{{}, heads.size() > most};
    for (std::size_t i = 0; i < std::min(heads.size(), most); ++i) {
        page.runs.push_back(summarize(*heads[i]));
    }
    return page;
}

StatusOr<vault::WipeReceipt> RunService::complete_run(const auth::Principal& caller,
                                                      const RunId& run,
                                                      const Precondition& precondition) {
    expiry_.expire();
    const vault::RunHead* head = context_.vault.find_run(run);
    if (head == nullptr) {  // whatever its generation was
        // Where hubs share runs, their store has lost none.
        if (!context_.shares_runs) context_.lost_run_ends.add(run, caller, context_.now());
        return vault::WipeReceipt{};
    }
    if (Status allowed = check_run_permission(context_.principals, caller, run, head->owner,
                                              auth::Permission::complete_run);
        !allowed.ok()) {
        return refused_completion(run, caller, std::move(allowed));
    }
    if (Status wrong = precondition.check("run " + run.text(), head->generation); !wrong.ok()) {
        return refused_completion(run, caller, std::move(wrong));
    }
    if (Status name = auth::users().await_name(head->owner); !name.ok()) return name;
    const std::string owner = auth::user_name(head->owner);
    const std::string how = "was completed by " + caller.name();
    audit::Event event = event_of(audit::Kind::complete, run, caller,
                                  "run " + run.text() + " of " + owner + " " + how);
    event.names = expiry_.names_in(run);
    event.owner = audit::Account{head->owner, owner};
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refused_completion(run, caller, std::move(wrong));
    }
    const vault::WipeReceipt wiped = expiry_.end_run(run, how).receipt;
    audit::publish(event);
    event.kind = audit::Kind::wipe;
    event.sentence = "run " + run.text() + " of " + owner + " was wiped";
    add_receipt(event, wiped);
    audit::record(event);
    return wiped;
}

/// Describes a run for a list.
RunInfo RunService::summarize(const vault::RunHead& head) const {
    RunInfo info{head, auth::user_name(head.owner), {}, {}};
    info.head.expires = context_.wall_of(head.expires);
    for (const vault::RunSecret& secret : context_.vault.secrets_of(head.id)) {
        info.secrets.push_back({std::string(secret.name), secret.scope, secret.value.size()});
    }
    std::sort(info.secrets.begin(), info.secrets.end(), [](const auto& a, const auto& b) {
        return std::tie(a.name, a.scope) < std::tie(b.name, b.scope);
    });
    for (const vault::Hold* hold : context_.vault.holders_of(head.id.text())) {
        info.holders.push_back({hold->job, context_.wall_of(hold->since)});
    }
    return info;
}

RunInfo RunService::describe(const vault::RunHead& head) const {
    RunInfo info = summarize(head);
    info.nodes = context_.node_holds.of(head.id.text(), context_.now());
    for (NodeHoldRegistry::Holding& node : info.nodes) node.seen = context_.wall_of(node.seen);
    if (const auto ended = expiry_.ended_at(head.id)) info.ended = context_.wall_of(*ended);
    return info;
}

}  // namespace secrets::service
