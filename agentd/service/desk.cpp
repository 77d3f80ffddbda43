// SPDX-License-Identifier: Apache-2.0
// What all requests to the desk share, and what ends a job's hold. Steps' asks are in asks.cpp,
// requests about runs, which people and platforms make, in runs.cpp.

#include "agentd/service/desk.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/recent_events.h"
#include "agentd/auth/user_database.h"
#include "common/base/limits.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

/// What a status says of the last errors.
constexpr std::size_t kMostErrors = 5;

bool concerns(const audit::Event& event, const auth::Principal& caller) {
    if (!caller.uid()) return event.caller && event.caller->name == caller.name();
    return (event.owner && event.owner->uid == caller.uid()) ||
           (event.caller && event.caller->uid == caller.uid());
}

Status has_no_jobs(const auth::Principal& caller) {
    return {StatusCode::permission_denied, caller.name() +
                                               " is no account, and has no jobs or secrets of its "
                                               "own: only runs can be asked for"};
}

/// The one run that all of the hold's grants are of; empty where there are several, or none.
std::string run_of(const vault::Hold& hold) {
    const std::string& first = hold.grants.front().run;
    const bool same = std::all_of(hold.grants.begin(), hold.grants.end(),
                                  [&](const vault::Grant& grant) { return grant.run == first; });
    return same ? first : "";
}

}  // namespace

Desk::Desk(const Config& config, vault::Vault& vault, Now now, store::SecretStore* store)
    : vault_(vault), store_(store), now_(std::move(now)), started_(now_()) {
    for (const HttpsUrl& url : config.hub.urls) hubs_.push_back(url.text);
    configure(config);
}

void Desk::configure(const Config& config) {
    limits_ = config.limits;
    default_ttl_ = config.default_ttl;
    max_ttl_ = config.max_ttl;
    auth::PrincipalResolver people(config.platforms, config.workspaces);
    people.know(principals_.slurm_accounts());
    principals_ = std::move(people);
}

Status Desk::not_theirs(const RunId& run, const auth::Principal& caller) const {
    return {StatusCode::permission_denied,
            "run " + run.text() + " belongs to another user, not to " + caller.name()};
}

Status Desk::not_known_yet(const auth::Principal& caller, const std::string& workspace,
                           const std::string& account) {
    return {StatusCode::unavailable, "whether " + caller.name() + " is in workspace " + workspace +
                                         " is not known yet: slurmctld has not said who is in the "
                                         "Slurm account " +
                                         account + "; try again in a moment"};
}

/// What is kept that a job or a request of `uid` may be given. Whether the user is in a workspace
/// is looked up where the ask names one, or an item may come from one.
StatusOr<AvailableSecrets> Desk::available_secrets(Uid uid, const SecretSpec& ask) const {
    AvailableSecrets kept{store_, uid, auth::user_name(uid), {}, {}, now_()};
    if (ask.workspace) {
        const Workspace* workspace = principals_.find_workspace(*ask.workspace);
        const auth::WorkspaceRole workspace_role = workspace != nullptr
                                                       ? principals_.workspace_role(uid, *workspace)
                                                       : auth::WorkspaceRole{};
        if (!auth::may(workspace_role.role, auth::Permission::use_workspace)) {
            if (!workspace_role.undecided.empty()) {
                return not_known_yet(uid, workspace->name, workspace_role.undecided);
            }
            return Status(StatusCode::permission_denied, "there is no workspace " + *ask.workspace +
                                                             " that " + kept.user + " is in");
        }
        kept.workspaces = {workspace->name};
        return kept;
    }
    for (const Workspace& workspace : principals_.workspaces()) {
        const store::Owner owner = store::Owner::workspace_named(workspace.name);
        const auto holds = [&](const SpecItem& item) {
            return store_ != nullptr && store_->find(owner, item.name) != nullptr;
        };
        const bool matters = std::any_of(ask.items.begin(), ask.items.end(), holds);
        if (!matters) continue;
        const auth::WorkspaceRole workspace_role = principals_.workspace_role(uid, workspace);
        if (auth::may(workspace_role.role, auth::Permission::use_workspace)) {
            kept.workspaces.push_back(workspace.name);
        } else if (!workspace_role.undecided.empty()) {
            kept.undecided.push_back({workspace.name, workspace_role.undecided});
        }
    }
    return kept;
}

/// The answers to the items of `ask` for a job or a request of `uid`. A run that was asked for as
/// optional and is not there, or is somebody else's, counts as one without secrets.
StatusOr<std::vector<ItemAnswer>> Desk::resolve_for(Uid uid, const SecretSpec& ask,
                                                    auth::Permission operation) {
    std::vector<vault::RunSecret> stored;
    if (ask.run) {
        const vault::RunHead* head = vault_.find_run(*ask.run);
        const bool theirs =
            head != nullptr && auth::may(principals_.role_of(uid, head->owner), operation);
        if (theirs) {
            stored = vault_.secrets_of(*ask.run);
        } else if (!ask.run_optional) {
            if (head != nullptr) return not_theirs(*ask.run, uid);
            return Status(
                StatusCode::not_found,
                "run " + ask.run->text() +
                    " is not known here: it was not pushed, or was completed, or expired");
        }
    }
    const auto kept = available_secrets(uid, ask);
    if (!kept.ok()) return kept.status();
    auto answers = resolve(ask, stored, kept.value());
    for (const ItemAnswer& answer : answers) {
        if (answer.hangs_on) {
            return not_known_yet(uid, answer.hangs_on->workspace, answer.hangs_on->account);
        }
    }
    return answers;
}

std::string Desk::wipe(JobId job) {
    const vault::Hold* hold = vault_.find_hold(job);
    if (hold == nullptr) return "job " + std::to_string(job.value) + " held nothing";
    return wipe_hold(*hold, audit::Kind::wipe, "ended");
}

std::vector<JobId> Desk::begin_reaping(std::chrono::seconds age) {
    granted_in_round_.clear();
    std::vector<JobId> jobs;
    for (const vault::Hold* hold : vault_.holds()) {
        if (hold->since + age <= now_()) jobs.push_back(hold->job);
    }
    return jobs;
}

bool Desk::reap(JobId job) {
    if (granted_in_round_.contains(job)) return false;
    const vault::Hold* hold = vault_.find_hold(job);
    if (hold != nullptr) wipe_hold(*hold, audit::Kind::reap, "ended without an epilog");
    return true;
}

/// Wipes a hold because of `what` happened to its job. The receipt, as a sentence.
std::string Desk::wipe_hold(const vault::Hold& hold, audit::Kind kind, std::string_view what) {
    std::string receipt = "job " + std::to_string(hold.job.value) + " " + std::string(what) +
                          ": its hold with " +
                          audit::counted(hold.grants.size(), "grant", "grants") + " was wiped";
    audit::Event event{.kind = kind, .job = hold.job};
    event.run = run_of(hold);
    const Uid owner = hold.owner;
    event.owner = audit::Account{owner, ""};
    const vault::WipeReceipt wiped = vault_.wipe_hold(hold.job);
    on_change_();
    event.sentence = receipt + " (uid " + std::to_string(owner.value) + ", " +
                     audit::counted(wiped.bytes, "byte", "bytes") + ")";
    event.records = wiped.records;
    event.bytes = wiped.bytes;
    audit::record(event);
    return receipt;
}

Status Desk::check_submission(const auth::Principal& caller, const std::string& text) {
    auto answer = check(caller, text);
    if (!answer.ok()) {
        return answer.status().code() == StatusCode::unavailable ? Status() : answer.status();
    }
    const SpecCheck& info = answer.value();
    if (info.ok || info.names_run) return Status();
    std::string reasons = info.reason;
    if (reasons.empty()) reasons = failures_of(info.items);
    return Status(StatusCode::not_found, std::move(reasons));
}

std::optional<SlurmAccountsInfo> Desk::describe_slurm_accounts() const {
    const std::set<std::string> named = slurm_accounts_in(principals_.workspaces());
    if (named.empty()) return std::nullopt;
    const auth::SlurmAccountMembers& accounts = principals_.slurm_accounts();
    SlurmAccountsInfo info{named.size(), 0, {}, accounts.trouble()};
    for (const std::string& account : named) {
        if (accounts.knows(account)) ++info.known;
        if (accounts.is_missing(account)) info.missing.push_back(account);
    }
    return info;
}

StatusInfo Desk::status(const auth::Principal& caller) const {
    StatusInfo info{vault_.inventory(),
                    vault_.memory(),
                    now_() - started_,
                    audit::dropped(),
                    std::nullopt,
                    {},
                    0};
    info.hubs = hubs_;
    if (store_ != nullptr) {
        info.store_file = store_->path();
        info.kept = store_->usage();
        info.store_owners = store_->owners();
        info.expiring = store_->expiring_before(now_() + kWarnBefore);
    }
    for (const vault::Hold* hold : vault_.holds()) {
        info.oldest_hold = std::max(info.oldest_hold, now_() - hold->since);
    }
    info.slurm_accounts = describe_slurm_accounts();
    info.tasks = tasks_();
    if (!caller.is_root()) {
        for (TaskStatus& task : info.tasks) task.last_error.clear();
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

EventsInfo Desk::events(const auth::Principal& caller, std::optional<std::uint64_t> after) const {
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

StatusOr<SpecCheck> Desk::check(const auth::Principal& caller, const std::string& text) {
    expire();
    if (!caller.uid()) return has_no_jobs(caller);
    const auto parsed = parse_spec(text);
    if (!parsed.ok()) return parsed.status("the ask");
    const SecretSpec& ask = *parsed.spec();
    SpecCheck info{print_spec(ask), true, ask.run.has_value(), "", {}};
    if (ask.none) return info;
    auto resolved = resolve_for(*caller.uid(), ask, auth::Permission::read_run);
    if (!resolved.ok()) {
        if (resolved.status().code() == StatusCode::unavailable) return resolved.status();
        info.ok = false;
        info.reason = resolved.status().message();
        return info;
    }
    info.items = std::move(resolved).value();
    for (ItemAnswer& answer : info.items) {
        if (answer.failed()) info.ok = false;
        answer.value = {};
    }
    return info;
}

}  // namespace secrets::service
