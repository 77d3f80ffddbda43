// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/spec_resolver.h"

#include <algorithm>
#include <utility>

#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/denials.h"
#include "agentd/service/owner_names.h"
#include "common/base/limits.h"

namespace secrets::service {
namespace {

/// The time after which a run's id may be in use again, as by a nightly pipeline whose jobs are
/// submitted before the push: a step then waits for the push as for that of any run.
constexpr auto kReuse = std::chrono::hours(12);

Status check_sizes(const std::vector<DeliveryEntry>& entries) {
    if (const std::size_t bytes = variables_size(entries); bytes > kMaxVariablesBytes) {
        return Status(StatusCode::too_large,
                      "the requested secrets take " + std::to_string(bytes) +
                          " bytes as variables; the limit is " +
                          std::to_string(kMaxVariablesBytes) +
                          "; name only those that the step needs with --secret, or "
                          "request large ones as files (NAME:file)");
    }
    if (const std::size_t bytes = files_size(entries); bytes > kMaxFilesBytes) {
        return Status(StatusCode::too_large,
                      "the secrets requested as files or with ':hold' have " +
                          std::to_string(bytes) + " bytes in total; the limit is " +
                          std::to_string(kMaxFilesBytes) +
                          "; request only those that the step needs");
    }
    return Status();
}

}  // namespace

bool is_denial(const Status& status) {
    return status.code() == StatusCode::not_found || status.code() == StatusCode::permission_denied;
}

/// Returns the stored secrets that a job or a request of `uid` may use. The user's membership of a
/// workspace is checked if the spec names the workspace, or an item may come from the workspace.
StatusOr<AvailableSecrets> SpecResolver::available_secrets(Uid uid, const SecretSpec& ask,
                                                           auth::Certainty certainty) const {
    AvailableSecrets kept{context_.store, uid, auth::user_name(uid), {}, {}, context_.now()};
    kept.closed = !context_.why_store_closed.empty();
    kept.can_make = !context_.shares_runs;
    if (context_.store != nullptr) {
        Status other = check_owner_name(*context_.store, store::Owner::user(uid));
        if (auth::is_pending(other)) return other;
        kept.other_owner = std::move(other);
    }
    if (ask.workspace) {
        const Workspace* workspace = context_.principals.find_workspace(*ask.workspace);
        auth::WorkspaceRole workspace_role;
        if (workspace != nullptr) {
            workspace_role = context_.principals.workspace_role(uid, *workspace, certainty);
        }
        if (!auth::may(workspace_role.role, auth::Permission::use_workspace)) {
            if (!workspace_role.undecided.ok()) return workspace_role.undecided;
            return Status(StatusCode::permission_denied, "there is no workspace " + *ask.workspace +
                                                             " that " + kept.user + " is in");
        }
        kept.workspaces = {workspace->name};
        return kept;
    }
    for (const Workspace& workspace : context_.principals.workspaces()) {
        const store::Owner owner = store::Owner::workspace_named(workspace.name);
        const auto holds = [&](const SpecItem& item) {
            return context_.store != nullptr && context_.store->find(owner, item.name) != nullptr;
        };
        const bool matters = std::any_of(ask.items.begin(), ask.items.end(), holds);
        if (!matters) continue;
        const auto workspace_role = context_.principals.workspace_role(uid, workspace, certainty);
        if (auth::may(workspace_role.role, auth::Permission::use_workspace)) {
            kept.workspaces.push_back(workspace.name);
        } else if (!workspace_role.undecided.ok()) {
            kept.undecided.push_back({workspace.name, workspace_role.undecided});
        }
    }
    return kept;
}

StatusOr<std::vector<ItemAnswer>> SpecResolver::resolve_spec(Uid uid, const SecretSpec& ask,
                                                             auth::Permission operation,
                                                             auth::Certainty certainty) {
    std::vector<vault::RunSecret> stored;
    std::string ended;
    if (ask.run) {
        const vault::RunHead* head = context_.vault.find_run(*ask.run);
        bool theirs = false;
        if (head != nullptr) {
            const auto allowed = context_.principals.allows(uid, head->owner, operation);
            if (!allowed) return allowed.status();
            theirs = *allowed;
        }
        if (theirs) {
            stored = context_.vault.secrets_of(*ask.run);
        } else if (!ask.run_optional) {
            if (head != nullptr) return not_theirs(*ask.run, uid);
            if (std::string how = how_ended(*ask.run, uid); !how.empty()) {
                return Status(StatusCode::not_found, std::move(how));
            }
            return Status(StatusCode::not_found,
                          "run " + ask.run->text() +
                              " is not known: it was not pushed, was completed, or expired");
        } else if (head == nullptr) {
            ended = how_ended(*ask.run, uid);
        }
    }
    const auto kept = available_secrets(uid, ask, certainty);
    if (!kept.ok()) return kept.status();
    auto answers = resolve(ask, stored, kept.value());
    for (ItemAnswer& answer : answers) {
        if (!answer.unknown.ok()) return answer.unknown;
        // Says once why a secret is missing that the run had.
        if (!ended.empty() && answer.failed())
            answer.reason = std::exchange(ended, "") + "; " + answer.reason;
    }
    return answers;
}

const EndedRun* SpecResolver::find_ended(const RunId& run, Uid uid) const {
    const EndedRun* ended = context_.ended_runs.find(run);
    return ended != nullptr && ended->head.owner == uid ? ended : nullptr;
}

std::string SpecResolver::how_ended(const RunId& run, Uid uid) const {
    if (const EndedRun* ended = find_ended(run, uid)) {
        return EndedRuns::sentence(*ended, context_.wall_of(ended->at));
    }
    for (const LostRunEnd& end : context_.lost_run_ends.of(run)) {
        const auto allowed =
            context_.principals.allows(end.by, uid, auth::Permission::complete_run);
        if (!allowed || !*allowed) continue;
        return EndedRuns::sentence(run, "was completed by " + end.by.name(),
                                   context_.wall_of(end.at));
    }
    return "";
}

bool SpecResolver::may_be_pushed(const RunId& run, Uid uid) const {
    if (context_.vault.find_run(run) != nullptr) return false;
    const EndedRun* ended = find_ended(run, uid);
    return ended == nullptr || ended->at + kReuse < context_.now();
}

StatusOr<std::vector<ItemAnswer>> SpecResolver::resolve_or_deny(Uid uid, const SecretSpec& ask,
                                                                auth::Permission operation,
                                                                auth::Certainty certainty) {
    auto resolved = resolve_spec(uid, ask, operation, auth::Certainty::current);
    const bool denies =
        resolved.ok() ? !failures_of(*resolved).empty() : is_denial(resolved.status());
    if (!denies) return resolved;
    const auto certain = resolve_spec(uid, ask, operation, certainty);
    if (!certain.ok() && !is_denial(certain.status())) return certain.status();
    return resolved;
}

StatusOr<PreparedGrant> SpecResolver::prepare(const plugin_protocol::GrantRequest& request,
                                              const SecretSpec& ask, bool had_it) {
    auto resolved =
        resolve_or_deny(request.uid, ask, auth::Permission::use_run,
                        had_it ? auth::Certainty::established : auth::Certainty::plausible);
    if (!resolved.ok()) return resolved.status();
    PreparedGrant prepared{std::move(resolved).value(), {}, {}, {}, nullptr};
    if (std::string missing = failures_of(prepared.answers); !missing.empty()) {
        return Status(StatusCode::not_found, std::move(missing));
    }
    auto opened =
        open_stored(prepared.answers, {context_.store, request.uid, "", {}, {}, context_.now()});
    if (!opened) return opened.status();
    prepared.opened = std::move(opened).value();
    auto made = randoms_.values_for(request.job, prepared.answers);
    if (!made) return made.status();
    prepared.made = std::move(made).value();
    prepared.entries = entries_of(prepared.answers);
    if (Status refusal = check_sizes(prepared.entries); !refusal.ok()) return refusal;
    prepared.run = ask.run ? context_.vault.find_run(*ask.run) : nullptr;
    return prepared;
}

}  // namespace secrets::service
