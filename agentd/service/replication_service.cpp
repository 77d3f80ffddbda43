// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/replication_service.h"

#include <algorithm>
#include <set>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "common/base/secret_spec.h"

namespace secrets::service {

DocumentKeys ReplicationService::documents_of_spec(Uid uid, const std::string& text) const {
    const auto parsed = parse_spec(text);
    const SecretSpec* ask = parsed.spec();
    DocumentKeys subjects;
    if (ask == nullptr || ask->none) return subjects;
    if (ask->run) subjects.runs.insert(*ask->run);
    if (ask->items.empty()) return subjects;
    subjects.owners.insert(store::Owner::user(uid));
    for (const Workspace& workspace : context_.principals.workspaces()) {
        if (ask->workspace && *ask->workspace != workspace.name) continue;
        if (may_matter(uid, workspace)) {
            subjects.owners.insert(store::Owner::workspace_named(workspace.name));
        }
    }
    return subjects;
}

/// Tells whether the user is, or may be, in the workspace.
bool ReplicationService::may_matter(Uid uid, const Workspace& workspace) const {
    const auto role = context_.principals.workspace_role(uid, workspace);
    return auth::may(role.role, auth::Permission::use_workspace) || !role.undecided.ok();
}

DocumentKeys ReplicationService::documents_of_scope(const auth::Principal& caller,
                                                    const SecretScope& scope) const {
    DocumentKeys subjects;
    if (!scope.workspace) {
        if (caller.uid()) subjects.owners.insert(store::Owner::user(*caller.uid()));
    } else if (context_.principals.find_workspace(*scope.workspace) != nullptr) {
        subjects.owners.insert(store::Owner::workspace_named(*scope.workspace));
    }
    return subjects;
}

DocumentKeys ReplicationService::documents_of_workspaces() const {
    DocumentKeys subjects;
    for (const Workspace& workspace : context_.principals.workspaces()) {
        subjects.owners.insert(store::Owner::workspace_named(workspace.name));
    }
    return subjects;
}

Status ReplicationService::replicate_run(const vault::RunHead& head,
                                         std::span<const vault::NewSecret> secrets) {
    if (head.expires <= context_.now()) {
        if (context_.vault.find_run(head.id) != nullptr) expiry_.expire_run(head.id);
        return Status();
    }
    if (Status wrong = context_.vault.put_run(head, secrets); !wrong.ok()) return wrong;
    context_.ended_runs.remove(head.id);
    context_.lost_run_ends.remove(head.id);
    context_.events->held_changed();
    context_.events->expiry_changed();
    context_.events->run_pushed(head.id);
    return Status();
}

void ReplicationService::drop_replicated_run(const RunId& run) {
    if (context_.vault.find_run(run) == nullptr) return;
    std::vector<std::string> names = expiry_.names_before_wipe(run);
    const vault::WipedRun wiped = expiry_.end_run(run, "ended at another hub");
    const std::string owner = auth::user_name(wiped.head->owner);
    audit::Event event{.kind = audit::Kind::wipe,
                       .sentence = "run " + run.text() + " of " + owner +
                                   " was wiped: it was removed from the store that hubs share",
                       .run = run.text(),
                       .names = std::move(names),
                       .owner = audit::Account{wiped.head->owner, owner}};
    event.records = wiped.receipt.records;
    event.bytes = wiped.receipt.bytes;
    audit::record(event);
}

Status ReplicationService::replicate_secrets(const store::Owner& owner,
                                             std::span<const ReplicatedSecret> kept,
                                             const std::string& user) {
    std::set<std::string> gone;
    for (const store::SecretHead* head : context_.store->list(owner)) gone.insert(head->name);
    for (const ReplicatedSecret& secret : kept) {
        gone.erase(secret.head.name);
        const store::SecretHead* here = context_.store->find(owner, secret.head.name);
        const bool same = here != nullptr && here->generation == secret.head.generation &&
                          here->set == secret.head.set && here->expires == secret.head.expires;
        if (same) continue;
        if (Status wrong = context_.store->put(owner, secret.head, secret.value.view());
            !wrong.ok())
            return wrong;
    }
    for (const std::string& name : gone) {
        if (Status wrong = context_.store->remove(owner, name); !wrong.ok()) return wrong;
    }
    context_.store->set_user(owner, user);
    expiry_.look_again();
    context_.vault.close_reads();
    context_.events->held_changed();
    context_.events->expiry_changed();
    return Status();
}

}  // namespace secrets::service
