// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/run_end_service.h"

#include <cstring>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/service/receipt.h"

namespace secrets::service {
namespace {

std::vector<vault::NewSecret> copy_of(const std::vector<vault::RunSecret>& secrets) {
    std::vector<vault::NewSecret> copies;
    for (const vault::RunSecret& secret : secrets) {
        SecretBuffer value(secret.value.size());
        if (value.size() > 0) {
            std::memcpy(value.bytes().data(), secret.value.bytes().data(), value.size());
        }
        copies.push_back({secret.scope, std::string(secret.name), std::move(value)});
    }
    return copies;
}

}  // namespace

bool RunEndService::is_bound(const RunId& run) const {
    const vault::RunHead* head = context_.vault.find_run(run);
    return head != nullptr && head->until_job != JobId();
}

Status RunEndService::bind(const RunBinding& binding) {
    expiry_.expire();
    const vault::RunHead* found = context_.vault.find_run(binding.run);
    if (found == nullptr) {
        return {StatusCode::not_found, "run " + binding.run.text() + " is not known"};
    }
    if (found->owner != binding.uid) {
        return {StatusCode::permission_denied, "run " + binding.run.text() +
                                                   " belongs to another user than job " +
                                                   std::to_string(binding.job.value)};
    }
    if (found->until_job != JobId()) return Status();
    vault::RunHead head = *found;
    head.until_job = binding.job;
    Status wrong = context_.vault.put_run(head, copy_of(context_.vault.secrets_of(head.id)));
    if (wrong.ok()) context_.events->held_changed();
    return wrong;
}

void RunEndService::end(const RunId& run, JobId job) {
    const vault::RunHead* head = context_.vault.find_run(run);
    if (head == nullptr || head->until_job != job) return;
    std::vector<std::string> names = expiry_.names_before_wipe(run);
    const std::string how = "ended with job " + std::to_string(job.value);
    const vault::WipedRun wiped = expiry_.end_run(run, how);
    const std::string owner = auth::user_name(wiped.head->owner);
    const std::string begin = "run " + run.text() + " of " + owner + " ";
    audit::Event event{.kind = audit::Kind::complete,
                       .sentence = begin + how,
                       .job = job,
                       .run = run.text(),
                       .names = std::move(names),
                       .owner = audit::Account{wiped.head->owner, owner}};
    audit::record(event);
    event.kind = audit::Kind::wipe;
    event.sentence = begin + "was wiped";
    add_receipt(event, wiped.receipt);
    audit::record(event);
}

}  // namespace secrets::service
