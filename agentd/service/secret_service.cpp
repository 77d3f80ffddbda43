// SPDX-License-Identifier: Apache-2.0
// The desk's answers about what is kept for people: the secrets of users and of workspaces.

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/base/duration.h"
#include "agentd/service/desk.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

/// After a failure to delete what expired (the disk is full), it is tried again.
constexpr auto kRetryExpiry = std::chrono::minutes(1);

/// Whose the secrets are, for a sentence. `of_caller` where that is a user.
std::string words_for(const SecretScope& scope, const auth::Principal& caller) {
    return scope.workspace ? "workspace " + *scope.workspace : caller.name();
}

std::string words_for(const store::Owner& owner) {
    return owner.is_workspace() ? "workspace " + owner.workspace() : auth::user_name(owner.uid());
}

/// What all events of a change of a kept secret say of it.
audit::Event event_of(audit::Kind kind, const store::Owner& owner, std::vector<std::string> names,
                      std::string sentence) {
    audit::Event event{.kind = kind, .sentence = std::move(sentence), .names = std::move(names)};
    event.workspace = owner.workspace();
    if (!owner.is_workspace()) event.owner = {owner.uid(), auth::user_name(owner.uid())};
    return event;
}

/// Writes down that a change was refused.
Status refused(const auth::Principal& caller, const SecretScope& scope, const std::string& name,
               Status refusal) {
    audit::Event event{.kind = audit::Kind::refuse_secret,
                       .sentence = caller.name() + " was refused a change of the secrets of " +
                                   words_for(scope, caller) + ": " + refusal.message()};
    if (check_secret_name(name).ok()) event.names = {name};
    event.workspace = scope.workspace.value_or("");
    event.caller = caller.account();
    event.reason = refusal.message();
    audit::record(event);
    return refusal;
}

std::string whole_days(std::chrono::seconds left) {
    const auto days = std::chrono::duration_cast<std::chrono::hours>(left).count() / 24;
    if (days >= 1) return audit::counted(static_cast<std::uint64_t>(days), "day", "days");
    return "less than a day";
}

Status check_precondition(const store::SecretHead* head, const Precondition& precondition,
                          const std::string& name) {
    return precondition.check("secret " + name,
                              head != nullptr ? std::optional(head->generation) : std::nullopt);
}

Status not_set(const std::string& name, const store::Owner& owner) {
    return {StatusCode::not_found, "secret " + name + " is not set for " + words_for(owner)};
}

std::string same_variable(const std::string& name, const std::string& other,
                          const store::Owner& owner) {
    return "secret " + name + " would become the variable " + variable_for(name) + ", as " + other +
           " of " + words_for(owner) + " does; choose another name";
}

}  // namespace

/// Whose secrets a request is about, if the caller may keep them.
StatusOr<store::Owner> Desk::owner_at(const auth::Principal& caller,
                                      const SecretScope& scope) const {
    if (store_ == nullptr) {
        return Status(StatusCode::not_configured,
                      "this agent keeps no secrets of users and workspaces: its configuration "
                      "names no store (store.file)");
    }
    if (!scope.workspace) {
        const bool allowed = caller.uid() && auth::may(principals_.role_of(caller, *caller.uid()),
                                                       auth::Permission::manage_own);
        if (allowed) return store::Owner::user(*caller.uid());
        return Status(StatusCode::permission_denied, caller.name() + " may keep no secrets here");
    }
    const Workspace* workspace = principals_.find_workspace(*scope.workspace);
    const auth::WorkspaceRole workspace_role = workspace != nullptr
                                                   ? principals_.workspace_role(caller, *workspace)
                                                   : auth::WorkspaceRole{};
    if (workspace != nullptr &&
        auth::may(workspace_role.role, auth::Permission::manage_workspace)) {
        return store::Owner::workspace_named(workspace->name);
    }
    if (!workspace_role.undecided.empty()) {
        return not_known_yet(caller, workspace->name, workspace_role.undecided);
    }
    if (workspace_role.role == auth::Role::member) {
        return Status(StatusCode::permission_denied,
                      "the secrets of workspace " + *scope.workspace +
                          " are listed and changed by its admins alone; " + caller.name() +
                          " may use them in jobs");
    }
    return Status(StatusCode::not_found, "there is no workspace " + quoted(*scope.workspace) +
                                             " that " + caller.name() + " is in");
}

/// Whose secret a change is about; a refusal is written down.
StatusOr<store::Owner> Desk::owner_of_change(const auth::Principal& caller,
                                             const SecretScope& scope, const std::string& name) {
    expire();
    auto owner = owner_at(caller, scope);
    if (!owner.ok()) {
        return refused(caller, scope, name, owner.status());
    }
    if (const Status why = check_secret_name(name); !why.ok()) {
        return refused(caller, scope, name, why);
    }
    return owner;
}

Status Desk::check_put(const auth::Principal& caller, const SecretScope& scope,
                       const std::string& name) {
    auto owner = owner_of_change(caller, scope, name);
    if (!owner.ok()) return owner.status();
    return Status();
}

Status Desk::reject_unreadable_secret(const auth::Principal& caller, const SecretScope& scope,
                                      const std::string& name, Status refusal) const {
    return refused(caller, scope, name, std::move(refusal));
}

/// Two names of one owner must not become one variable.
Status Desk::check_free_variable(const store::Owner& owner, const std::string& name,
                                 const std::string& except) const {
    const std::string variable = variable_for(name);
    for (const store::SecretHead* head : store_->list(owner)) {
        if (head->name == name || head->name == except || variable_for(head->name) != variable) {
            continue;
        }
        return Status(StatusCode::conflict, same_variable(name, head->name, owner));
    }
    return Status();
}

/// Whether the limits leave room for a value of `bytes`, in scope of one that is there.
Status Desk::check_new_value(const store::Owner& owner, const std::string& name,
                             std::size_t bytes) const {
    if (bytes > limits_.value_bytes) {
        return Status(StatusCode::too_large,
                      "the value has " + std::to_string(bytes) + " bytes; at most " +
                          std::to_string(limits_.value_bytes) + " are taken");
    }
    const store::SecretHead* old = store_->find(owner, name);
    const std::size_t freed = old != nullptr ? old->bytes : 0;
    const store::SecretStore::Usage usage = store_->usage_of(owner);
    if (old == nullptr && usage.secrets >= limits_.stored_secrets) {
        return Status(StatusCode::resource_exhausted,
                      words_for(owner) + " has " + std::to_string(usage.secrets) +
                          " secrets already, and no more are kept; remove some");
    }
    if (usage.bytes - freed + bytes > limits_.stored_bytes) {
        return Status(StatusCode::too_large, "with it the values of " + words_for(owner) +
                                                 " would have more than the " +
                                                 std::to_string(limits_.stored_bytes) +
                                                 " bytes that are kept; remove some");
    }
    if (store_->usage().bytes - freed + bytes > limits_.store_bytes) {
        return Status(StatusCode::not_configured,
                      "the agent's store is full (limits.store_bytes); tell its admin");
    }
    return Status();
}

StatusOr<PutSecretResult> Desk::put_secret(const auth::Principal& caller, const SecretScope& scope,
                                           const std::string& name, const PutSecretRequest& request,
                                           const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name);
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const auto refuse = [&](Status refusal) -> StatusOr<PutSecretResult> {
        return refused(caller, scope, name, std::move(refusal));
    };
    const store::SecretHead* old = store_->find(owner, name);
    if (Status wrong = check_precondition(old, precondition, name); !wrong.ok())
        return refuse(std::move(wrong));
    if (Status wrong = check_new_value(owner, name, request.value.size()); !wrong.ok()) {
        return refuse(std::move(wrong));
    }
    if (Status wrong = check_free_variable(owner, name, ""); !wrong.ok())
        return refuse(std::move(wrong));
    store::SecretHead head;
    head.name = name;
    head.generation = old != nullptr ? old->generation + 1 : 1;
    head.set = now_();
    if (request.ttl) {
        const auto ttl = parse_duration(*request.ttl);
        if (!ttl)
            return refuse({StatusCode::invalid_argument, "\"ttl\": " + ttl.status().message()});
        head.expires = head.set + *ttl;
    }
    const bool created = old == nullptr;
    audit::Event event =
        event_of(audit::Kind::set_secret, owner, {name},
                 "secret " + name + " of " + words_for(owner) +
                     (created ? " was set by " : " was set anew by ") + caller.name() +
                     (created ? "" : " (generation " + std::to_string(head.generation) + ")"));
    event.caller = caller.account();
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    if (Status wrong = store_->put(owner, std::move(head), request.value.view()); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    on_change_();
    no_expiry_before_ = {};
    on_expiry_change_();
    return PutSecretResult{*store_->find(owner, name), created};
}

StatusOr<store::SecretHead> Desk::rename_secret(const auth::Principal& caller,
                                                const SecretScope& scope, const std::string& name,
                                                const std::string& new_name,
                                                const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name);
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const auto refuse = [&](Status refusal) -> StatusOr<store::SecretHead> {
        return refused(caller, scope, name, std::move(refusal));
    };
    const store::SecretHead* old = store_->find(owner, name);
    if (Status wrong = check_precondition(old, precondition, name); !wrong.ok())
        return refuse(std::move(wrong));
    if (old == nullptr) return refuse(not_set(name, owner));
    if (Status why = check_secret_name(new_name); !why.ok()) return refuse(why);
    if (store_->find(owner, new_name) != nullptr) {
        return refuse({StatusCode::conflict, "secret " + new_name + " of " + words_for(owner) +
                                                 " is set already; remove it first"});
    }
    if (Status wrong = check_free_variable(owner, new_name, name); !wrong.ok())
        return refuse(std::move(wrong));
    if (old->damaged) {
        return refuse(
            {StatusCode::conflict, "secret " + name +
                                       " was altered in the agent's store and can't be read; "
                                       "set it again, or remove it"});
    }
    audit::Event event = event_of(audit::Kind::rename_secret, owner, {name, new_name},
                                  "secret " + name + " of " + words_for(owner) +
                                      " was renamed to " + new_name + " by " + caller.name());
    event.caller = caller.account();
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    if (Status wrong = store_->rename(owner, name, new_name); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse({StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    return *store_->find(owner, new_name);
}

Status Desk::remove_secret(const auth::Principal& caller, const SecretScope& scope,
                           const std::string& name, const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name);
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const store::SecretHead* old = store_->find(owner, name);
    if (Status wrong = check_precondition(old, precondition, name); !wrong.ok()) {
        return refused(caller, scope, name, std::move(wrong));
    }
    if (old == nullptr) return refused(caller, scope, name, not_set(name, owner));
    audit::Event event =
        event_of(audit::Kind::remove_secret, owner, {name},
                 "secret " + name + " of " + words_for(owner) + " was removed by " + caller.name());
    event.caller = caller.account();
    event.bytes = old->bytes;
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refused(caller, scope, name, {StatusCode::unavailable, wrong.message()});
    }
    if (Status wrong = store_->remove(owner, name); !wrong.ok()) {
        audit::revert(event, wrong);
        return refused(caller, scope, name, {StatusCode::unavailable, wrong.message()});
    }
    audit::publish(event);
    on_change_();
    return Status();
}

StatusOr<store::SecretHead> Desk::read_secret(const auth::Principal& caller,
                                              const SecretScope& scope, const std::string& name) {
    expire();
    const auto owner = owner_at(caller, scope);
    if (!owner.ok()) return owner.status();
    if (const Status why = check_secret_name(name); !why.ok()) return why;
    const store::SecretHead* head = store_->find(owner.value(), name);
    if (head == nullptr) return not_set(name, owner.value());
    return *head;
}

StatusOr<std::vector<store::SecretHead>> Desk::list_secrets(const auth::Principal& caller,
                                                            const SecretScope& scope) {
    expire();
    const auto owner = owner_at(caller, scope);
    if (!owner.ok()) return owner.status();
    std::vector<store::SecretHead> heads;
    for (const store::SecretHead* head : store_->list(owner.value())) {
        heads.push_back(*head);
    }
    return heads;
}

StatusOr<std::vector<WorkspaceInfo>> Desk::list_workspaces(const auth::Principal& caller) {
    expire();
    std::vector<WorkspaceInfo> seen;
    for (const Workspace& workspace : principals_.workspaces()) {
        const auth::WorkspaceRole workspace_role = principals_.workspace_role(caller, workspace);
        const bool keeps = auth::may(workspace_role.role, auth::Permission::manage_workspace);
        // To leave it out, or to call an admin a member, would be a wrong answer.
        if (!keeps && !workspace_role.undecided.empty()) {
            return not_known_yet(caller, workspace.name, workspace_role.undecided);
        }
        if (workspace_role.role == auth::Role::stranger) continue;
        const auto owner = store::Owner::workspace_named(workspace.name);
        seen.push_back({workspace.name, keeps,
                        keeps && store_ != nullptr ? store_->usage_of(owner).secrets : 0});
    }
    return seen;
}

/// Remembers that a job was given kept secrets.
void Desk::note_uses(const std::vector<ItemAnswer>& answers, Uid uid, JobId job) {
    for (const ItemAnswer& answer : answers) {
        if (!answer.found || answer.source == Source::run) continue;
        store_->note_use(answer.owner(uid), answer.item.name, {job, now_()});
    }
}

void Desk::save_uses() {
    if (store_ == nullptr || !store_->has_unsaved_uses()) return;
    if (const Status wrong = store_->save_uses(); !wrong.ok()) {
        audit::report_problem("which jobs used which secrets was not saved: " + wrong.message());
    }
}

/// What a job is told of kept secrets that expire soon; mostly nothing.
std::string Desk::expiry_note(const std::vector<ItemAnswer>& answers) const {
    std::string note;
    for (const ItemAnswer& answer : answers) {
        if (!answer.found || !answer.expires || *answer.expires - now_() > kWarnBefore) continue;
        const std::string left = whole_days(*answer.expires - now_());
        note += (note.empty() ? "" : "; ") + std::string("secret ") + answer.item.name;
        if (answer.source == Source::workspace) note += " of workspace " + answer.workspace;
        note += " expires in " + left;
        if (answer.source == Source::user) {
            note += "; set it anew with: secretctl set " + answer.item.name;
        }
    }
    return note;
}

std::optional<vault::Time> Desk::expire_kept() {
    if (store_ == nullptr) return std::nullopt;
    while (no_expiry_before_ <= now_()) {
        const auto next = store_->next_to_expire();
        no_expiry_before_ = next ? next->expires : vault::Time::max();
        if (no_expiry_before_ > now_()) break;
        const std::string what =
            "secret " + next->name + " of " + words_for(next->owner) + " expired";
        if (const Status wrong = store_->remove(next->owner, next->name); !wrong.ok()) {
            audit::report_problem(what + " and could not be removed: " + wrong.message());
            no_expiry_before_ = now_() + kRetryExpiry;
            break;
        }
        on_change_();
        audit::record(event_of(audit::Kind::expire_secret, next->owner, {next->name},
                               what + " and was removed"));
    }
    if (no_expiry_before_ == vault::Time::max()) return std::nullopt;
    return no_expiry_before_;
}

std::optional<vault::Time> Desk::expire() {
    const auto next_run = expire_runs();
    const auto next_kept = expire_kept();
    if (!next_run || !next_kept) return next_run ? next_run : next_kept;
    return std::min(*next_run, *next_kept);
}

}  // namespace secrets::service
