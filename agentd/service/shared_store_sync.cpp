// What the desk of an agent does whose runs and kept secrets lie in a store that others share: it
// says what a request is about, and takes what the store has of it.

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/service/desk.h"
#include "common/base/secret_spec.h"

namespace secrets::desk {

Subjects Desk::subjects_of_ask(Uid uid, const std::string& text) const {
    const auto parsed = parse_ask(text);
    const Ask* ask = std::get_if<Ask>(&parsed);
    Subjects subjects;
    if (ask == nullptr || ask->none) return subjects;
    if (ask->run) subjects.runs.insert(*ask->run);
    if (ask->items.empty()) return subjects;
    subjects.owners.insert(people::Owner::user(uid));
    for (const Workspace& workspace : people_.workspaces()) {
        if (ask->workspace && *ask->workspace != workspace.name) continue;
        if (may_matter(uid, workspace)) {
            subjects.owners.insert(people::Owner::workspace_named(workspace.name));
        }
    }
    return subjects;
}

/// Whether the user is, or may be, in it.
bool Desk::may_matter(Uid uid, const Workspace& workspace) const try {
    const Standing standing = people_.standing(uid, workspace);
    return may(standing.principal, Operation::use_workspace) || !standing.undecided.empty();
} catch (const AccountsUnavailable&) {
    return true;  // the answer to the ask says so
}

Subjects Desk::subjects_of_place(const Caller& caller, const Place& place) const {
    Subjects subjects;
    if (!place.workspace) {
        if (caller.uid()) subjects.owners.insert(people::Owner::user(*caller.uid()));
    } else if (people_.find_workspace(*place.workspace) != nullptr) {
        subjects.owners.insert(people::Owner::workspace_named(*place.workspace));
    }
    return subjects;
}

Subjects Desk::subjects_of_workspaces() const {
    Subjects subjects;
    for (const Workspace& workspace : people_.workspaces()) {
        subjects.owners.insert(people::Owner::workspace_named(workspace.name));
    }
    return subjects;
}

Failure Desk::take_run(const vault::RunHead& head, std::span<const vault::NewSecret> secrets) {
    if (head.expires <= now_()) {
        drop_run(head.id);
        return std::nullopt;
    }
    if (auto wrong = vault_.put_run(head, secrets)) return wrong;
    ended_runs_.erase(head.id);
    on_change_();
    on_expiry_change_();
    on_push_(head.id);
    return std::nullopt;
}

void Desk::drop_run(const RunId& run) {
    const vault::RunHead* head = vault_.find_run(run);
    if (head == nullptr) return;
    const std::string owner = account_name(head->owner);
    audit::Event event{.kind = audit::Kind::wipe,
                       .sentence = "run " + run.text() + " of " + owner +
                                   " was wiped here: it is over in the store that hubs share",
                       .run = run.text(),
                       .names = names_in(run),
                       .owner = audit::Account{head->owner, owner}};
    const vault::Wiped wiped = end_run(*head);
    event.records = wiped.records;
    event.bytes = wiped.bytes;
    audit::record(event);
}

Failure Desk::take_kept(const people::Owner& owner, std::span<const KeptSecret> kept) {
    std::set<std::string> gone;
    for (const people::SecretHead* head : store_->list(owner)) gone.insert(head->name);
    for (const KeptSecret& secret : kept) {
        gone.erase(secret.head.name);
        const people::SecretHead* here = store_->find(owner, secret.head.name);
        const bool same = here != nullptr && here->generation == secret.head.generation &&
                          here->set == secret.head.set && here->expires == secret.head.expires;
        if (same) continue;
        if (auto wrong = store_->put(owner, secret.head, secret.value.view())) return wrong;
    }
    for (const std::string& name : gone) {
        if (auto wrong = store_->remove(owner, name)) return wrong;
    }
    no_expiry_before_ = {};
    on_change_();
    on_expiry_change_();
    return std::nullopt;
}

}  // namespace secrets::desk
