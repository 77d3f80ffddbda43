// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/secret_service.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/lookup_attempts.h"
#include "agentd/service/denials.h"
#include "agentd/service/owner_names.h"
#include "agentd/service/receipt.h"
#include "common/base/duration.h"
#include "common/base/names.h"

namespace secrets::service {
namespace {

/// Names the owner of the secrets in messages.
std::string words_for(const SecretScope& scope, const auth::Principal& caller) {
    return scope.workspace ? "workspace " + *scope.workspace : caller.name();
}

/// Records in the audit log that a change was denied. A change that waits for a lookup is none.
Status refused(const auth::Principal& caller, const SecretScope& scope, const std::string& name,
               Status refusal) {
    if (auth::is_pending(refusal)) return refusal;
    audit::Event event{.kind = audit::Kind::refuse_secret,
                       .sentence = caller.name() + " was refused a change of the secrets of " +
                                   words_for(scope, caller) + ": " + refusal.message()};
    if (check_stored_name(name).ok()) event.names = {name};
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
    return {StatusCode::not_found, "secret " + name + " is not set for " + owner_words(owner)};
}

std::string same_variable(const std::string& name, const std::string& other,
                          const store::Owner& owner) {
    return "secret " + name + " would become the variable " + variable_for(name) + ", as " + other +
           " of " + owner_words(owner) + " does; choose another name";
}

}  // namespace

/// The owner of the secrets that a request names, for a caller that may at least list their names.
struct SecretService::Access {
    store::Owner owner;
    bool manages = false;
};

/// Returns what the caller may do with the secrets that a request names; else why it may not even
/// list them.
StatusOr<SecretService::Access> SecretService::access_of(const auth::Principal& caller,
                                                         const SecretScope& scope) const {
    if (!context_.why_store_closed.empty()) {
        return Status::unavailable("cannot look up secrets: " + store_is_closed());
    }
    if (context_.store == nullptr) {
        return Status(StatusCode::not_configured,
                      "this agent stores no secrets of users and workspaces: its configuration "
                      "sets no store (store.file)");
    }
    if (!scope.workspace) {
        const bool allowed =
            caller.uid() && auth::may(auth::Role::owner, auth::Permission::manage_own);
        if (allowed) {
            const auto owner = store::Owner::user(*caller.uid());
            if (Status other = check_owner_name(*context_.store, owner); !other.ok()) return other;
            return Access{owner, true};
        }
        return Status(StatusCode::permission_denied,
                      caller.name() + " may not store secrets on this agent");
    }
    if (const Workspace* workspace = context_.principals.find_workspace(*scope.workspace)) {
        const auto found = context_.principals.workspace_role(caller, *workspace);
        const bool manages = auth::may(found.role, auth::Permission::manage_workspace);
        if (!manages && !found.undecided.ok()) return found.undecided;
        if (auth::may(found.role, auth::Permission::list_workspace)) {
            return Access{store::Owner::workspace_named(workspace->name), manages};
        }
    }
    return Status(StatusCode::not_found, "there is no workspace " + in_quotes(*scope.workspace) +
                                             " that " + caller.name() + " is in");
}

/// Returns the owner of the secrets that a request names, if the caller may manage them.
StatusOr<store::Owner> SecretService::owner_at(const auth::Principal& caller,
                                               const SecretScope& scope) const {
    const auto access = access_of(caller, scope);
    if (!access.ok()) return access.status();
    if (access->manages) return access->owner;
    return Status(StatusCode::permission_denied,
                  "only the admins of workspace " + *scope.workspace +
                      " may change its secrets, and see more of them than names; " + caller.name() +
                      " may list their names and use them in jobs");
}

/// Returns the owner of the secret that a change names, unless `wrong_name` says what is wrong with
/// the name; a denial is recorded in the audit log.
StatusOr<store::Owner> SecretService::owner_of_change(const auth::Principal& caller,
                                                      const SecretScope& scope,
                                                      const std::string& name,
                                                      const Status& wrong_name) {
    expiry_.expire();
    auto owner = owner_at(caller, scope);
    if (!owner.ok()) {
        return refused(caller, scope, name, owner.status());
    }
    if (!wrong_name.ok()) return refused(caller, scope, name, wrong_name);
    return owner;
}

Status SecretService::check_change(const auth::Principal& caller, const SecretScope& scope,
                                   const std::string& name) {
    auto owner = owner_of_change(caller, scope, name, check_stored_name(name));
    if (!owner.ok()) return owner.status();
    return Status();
}

Status SecretService::reject_unreadable_secret(const auth::Principal& caller,
                                               const SecretScope& scope, const std::string& name,
                                               Status refusal) const {
    return refused(caller, scope, name, std::move(refusal));
}

/// Checks that no two names of one owner become one variable.
Status SecretService::check_free_variable(const store::Owner& owner, const std::string& name,
                                          const std::string& except) const {
    const std::string variable = variable_for(name);
    for (const store::SecretHead* head : context_.store->list(owner)) {
        if (head->name == name || head->name == except || variable_for(head->name) != variable) {
            continue;
        }
        return Status(StatusCode::conflict, same_variable(name, head->name, owner));
    }
    return Status();
}

/// Checks that the limits leave room for a value of `bytes`, after removal of a value it replaces.
Status SecretService::check_new_value(const store::Owner& owner, const std::string& name,
                                      std::size_t bytes) const {
    if (bytes > context_.limits.value_bytes) {
        return Status(StatusCode::too_large, "the value has " + std::to_string(bytes) +
                                                 " bytes; the limit is " +
                                                 std::to_string(context_.limits.value_bytes));
    }
    const store::SecretHead* old = context_.store->find(owner, name);
    const std::size_t freed = old != nullptr ? old->bytes : 0;
    const store::SecretStore::Usage usage = context_.store->usage_of(owner);
    if (old == nullptr && usage.secrets >= context_.limits.stored_secrets) {
        return Status(StatusCode::resource_exhausted,
                      owner_words(owner) + " has " + std::to_string(usage.secrets) +
                          " stored secrets; the limit is " +
                          std::to_string(context_.limits.stored_secrets) + "; remove some");
    }
    if (usage.bytes - freed + bytes > context_.limits.stored_bytes) {
        return Status(StatusCode::too_large, "the stored values of " + owner_words(owner) +
                                                 " would exceed the limit of " +
                                                 std::to_string(context_.limits.stored_bytes) +
                                                 " bytes; remove some secrets");
    }
    if (context_.store->usage().bytes - freed + bytes > context_.limits.store_bytes) {
        return Status(StatusCode::not_configured,
                      "the agent's store is full (limits.store_bytes); tell its admin");
    }
    return Status();
}

StatusOr<PutSecretResult> SecretService::put_secret(const auth::Principal& caller,
                                                    const SecretScope& scope,
                                                    const std::string& name,
                                                    const PutSecretRequest& request,
                                                    const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name, check_secret_name(name));
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const auto refuse = [&](Status refusal) -> StatusOr<PutSecretResult> {
        return refused(caller, scope, name, std::move(refusal));
    };
    const store::SecretHead* old = context_.store->find(owner, name);
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
    head.set = context_.wall_now();
    if (request.ttl) {
        const auto ttl = parse_duration(*request.ttl);
        if (!ttl)
            return refuse({StatusCode::invalid_argument, "\"ttl\": " + ttl.status().message()});
        head.expires = head.set + *ttl;
    }
    const bool created = old == nullptr;
    audit::Event event =
        secret_event(audit::Kind::set_secret, owner, {name},
                     "secret " + name + " of " + owner_words(owner) +
                         (created ? " was set by " : " was set again by ") + caller.name() +
                         (created ? "" : " (generation " + std::to_string(head.generation) + ")"));
    event.caller = caller.account();
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refuse(std::move(wrong));
    }
    if (Status wrong = context_.store->put(owner, std::move(head), request.value.view());
        !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse(std::move(wrong));
    }
    audit::publish(event);
    note_owner_name(*context_.store, owner);
    context_.vault.close_reads();
    context_.events->held_changed();
    expiry_.look_again();
    context_.events->expiry_changed();
    return PutSecretResult{*context_.store->find(owner, name), created};
}

StatusOr<store::SecretHead> SecretService::rename_secret(const auth::Principal& caller,
                                                         const SecretScope& scope,
                                                         const std::string& name,
                                                         const std::string& new_name,
                                                         const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name, check_stored_name(name));
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const auto refuse = [&](Status refusal) -> StatusOr<store::SecretHead> {
        return refused(caller, scope, name, std::move(refusal));
    };
    const store::SecretHead* old = context_.store->find(owner, name);
    if (Status wrong = check_precondition(old, precondition, name); !wrong.ok())
        return refuse(std::move(wrong));
    if (old == nullptr) return refuse(not_set(name, owner));
    if (Status why = check_secret_name(new_name); !why.ok()) return refuse(why);
    if (context_.store->find(owner, new_name) != nullptr) {
        return refuse({StatusCode::conflict, "secret " + new_name + " of " + owner_words(owner) +
                                                 " is set already; remove it first"});
    }
    if (Status wrong = check_free_variable(owner, new_name, name); !wrong.ok())
        return refuse(std::move(wrong));
    if (old->damaged) {
        return refuse({StatusCode::conflict, "cannot rename secret " + name +
                                                 ": it was altered in the agent's store; "
                                                 "set it again, or remove it"});
    }
    audit::Event event = secret_event(audit::Kind::rename_secret, owner, {name, new_name},
                                      "secret " + name + " of " + owner_words(owner) +
                                          " was renamed to " + new_name + " by " + caller.name());
    event.caller = caller.account();
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refuse(std::move(wrong));
    }
    if (Status wrong = context_.store->rename(owner, name, new_name); !wrong.ok()) {
        audit::revert(event, wrong);
        return refuse(std::move(wrong));
    }
    audit::publish(event);
    return *context_.store->find(owner, new_name);
}

Status SecretService::remove_secret(const auth::Principal& caller, const SecretScope& scope,
                                    const std::string& name, const Precondition& precondition) {
    auto allowed = owner_of_change(caller, scope, name, check_stored_name(name));
    if (!allowed.ok()) return allowed.status();
    const store::Owner& owner = allowed.value();
    const store::SecretHead* old = context_.store->find(owner, name);
    if (Status wrong = check_precondition(old, precondition, name); !wrong.ok()) {
        return refused(caller, scope, name, std::move(wrong));
    }
    if (old == nullptr) return refused(caller, scope, name, not_set(name, owner));
    audit::Event event = secret_event(
        audit::Kind::remove_secret, owner, {name},
        "secret " + name + " of " + owner_words(owner) + " was removed by " + caller.name());
    event.caller = caller.account();
    event.bytes = old->bytes;
    if (Status wrong = audit::write_ahead(event); !wrong.ok()) {
        return refused(caller, scope, name, std::move(wrong));
    }
    if (Status wrong = context_.store->remove(owner, name); !wrong.ok()) {
        audit::revert(event, wrong);
        return refused(caller, scope, name, std::move(wrong));
    }
    audit::publish(event);
    context_.vault.close_reads();
    context_.events->held_changed();
    return Status();
}

StatusOr<store::SecretHead> SecretService::read_secret(const auth::Principal& caller,
                                                       const SecretScope& scope,
                                                       const std::string& name) {
    expiry_.expire();
    const auto owner = owner_at(caller, scope);
    if (!owner.ok()) return owner.status();
    if (const Status why = check_stored_name(name); !why.ok()) return why;
    const store::SecretHead* head = context_.store->find(owner.value(), name);
    if (head == nullptr) return not_set(name, owner.value());
    return *head;
}

StatusOr<SecretList> SecretService::list_secrets(const auth::Principal& caller,
                                                 const SecretScope& scope) {
    expiry_.expire();
    const auto access = access_of(caller, scope);
    if (!access.ok()) return access.status();
    SecretList list{.secrets = {}, .names_only = !access->manages};
    for (const store::SecretHead* head : context_.store->list(access->owner)) {
        list.secrets.push_back(*head);
    }
    return list;
}

StatusOr<std::vector<WorkspaceInfo>> SecretService::list_workspaces(const auth::Principal& caller) {
    expiry_.expire();
    if (!context_.why_store_closed.empty()) {
        return Status::unavailable("cannot count the secrets of workspaces: " + store_is_closed());
    }
    std::vector<WorkspaceInfo> seen;
    for (const Workspace& workspace : context_.principals.workspaces()) {
        const auto workspace_role = context_.principals.workspace_role(caller, workspace);
        const bool keeps = auth::may(workspace_role.role, auth::Permission::manage_workspace);
        // To leave the workspace out, or to call an admin a member, would be a wrong answer.
        if (!keeps && !workspace_role.undecided.ok()) return workspace_role.undecided;
        if (!auth::may(workspace_role.role, auth::Permission::list_workspace)) continue;
        const auto owner = store::Owner::workspace_named(workspace.name);
        seen.push_back({workspace.name, keeps,
                        context_.store != nullptr ? context_.store->usage_of(owner).secrets : 0});
    }
    return seen;
}

/// Remembers that a job was granted stored secrets.
void SecretService::note_uses(const std::vector<ItemAnswer>& answers, Uid uid, JobId job) {
    for (const ItemAnswer& answer : answers) {
        if (!answer.found || !answer.is_stored()) continue;
        note_owner_name(*context_.store, answer.owner(uid));
        context_.store->note_use(answer.owner(uid), answer.item.name, {job, context_.wall_now()});
    }
}

void SecretService::save_uses() {
    if (context_.store == nullptr || !context_.store->has_unsaved_uses()) return;
    if (const Status wrong = context_.store->save_uses(); !wrong.ok()) {
        audit::report_problem("cannot save when secrets were last used: " + wrong.message());
    }
}

/// Returns the note for a job about stored secrets that expire soon; mostly empty.
std::string SecretService::expiry_note(const std::vector<ItemAnswer>& answers) const {
    std::string note;
    for (const ItemAnswer& answer : answers) {
        if (!answer.found || !answer.due || *answer.due - context_.now() > kWarnBefore) continue;
        const std::string left = whole_days(*answer.due - context_.now());
        note += (note.empty() ? "" : "; ") + std::string("secret ") + answer.item.name;
        if (answer.source == Source::workspace) note += " of workspace " + answer.workspace;
        note += " expires in " + left;
        if (answer.source == Source::user) {
            note += "; set it again with: secretctl set " + answer.item.name;
        }
    }
    return note;
}

}  // namespace secrets::service
