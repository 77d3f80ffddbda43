// SPDX-License-Identifier: Apache-2.0
#include "agentd/service/expiry.h"

#include <algorithm>
#include <set>

#include "agentd/audit/audit_log.h"
#include "agentd/auth/user_database.h"
#include "agentd/base/without_memory.h"
#include "agentd/service/receipt.h"

namespace secrets::service {
namespace {

/// The delay before a failed deletion of an expired secret (the disk is full) is retried.
constexpr auto kRetryExpiry = std::chrono::minutes(1);

}  // namespace

std::optional<vault::Time> Expiry::expire_runs() {
    if_memory_allows([&] { context_.ended_runs.remove_before(context_.now() - context_.max_ttl); });
    while (const vault::RunHead* next = context_.vault.next_to_expire()) {
        if (next->expires > context_.now()) return next->expires;
        expire_run(next->id);
    }
    return std::nullopt;
}

void Expiry::expire_run(const RunId& run) {
    std::vector<std::string> names = names_before_wipe(run);
    const vault::WipedRun wiped = end_run(run, "expired");
    // Without memory to report this run, the next one is wiped all the same.
    if_memory_allows([&] { report_expiry(wiped, std::move(names)); });
}

void Expiry::report_expiry(const vault::WipedRun& run, std::vector<std::string> names) {
    const std::string owner = auth::user_name(run.head->owner);
    audit::Event event{
        .kind = audit::Kind::expire,
        .sentence = "run " + run.head->id.text() + " of " + owner + " expired and was wiped",
        .run = run.head->id.text(),
        .names = std::move(names),
        .owner = audit::Account{run.head->owner, owner}};
    add_receipt(event, run.receipt);
    audit::record(event);
}

vault::WipedRun Expiry::end_run(const RunId& run, std::string_view how) {
    vault::WipedRun wiped = context_.vault.take_run(run);
    if_memory_allows([&] {
        context_.events->held_changed();
        context_.ended_runs.add(*wiped.head, context_.now(), std::string(how));
    });
    return wiped;
}

std::vector<std::string> Expiry::names_before_wipe(const RunId& run) const {
    std::vector<std::string> names;
    if_memory_allows([&] { names = names_in(run); });
    return names;
}

std::vector<std::string> Expiry::names_in(const RunId& run) const {
    std::set<std::string> names;
    for (const vault::RunSecret& secret : context_.vault.secrets_of(run))
        names.emplace(secret.name);
    return {names.begin(), names.end()};
}

const vault::RunHead* Expiry::find_ended(const RunId& run) const {
    const EndedRun* ended = context_.ended_runs.find(run);
    if (ended == nullptr || !context_.node_holds.is_held(run.text())) return nullptr;
    return &ended->head;
}

std::optional<vault::Time> Expiry::expire_secrets() {
    if (context_.store == nullptr) return std::nullopt;
    while (no_expiry_before_ <= context_.now()) {
        const auto next = context_.store->next_to_expire();
        no_expiry_before_ = next ? next->due : vault::Time::max();
        if (no_expiry_before_ > context_.now()) break;
        const std::string what =
            "secret " + next->name + " of " + owner_words(next->owner) + " expired";
        if (const Status wrong = context_.store->remove(next->owner, next->name); !wrong.ok()) {
            audit::report_problem(what + ", but cannot be removed: " + wrong.message());
            no_expiry_before_ = context_.now() + kRetryExpiry;
            break;
        }
        context_.vault.close_reads();
        context_.events->held_changed();
        audit::record(secret_event(audit::Kind::expire_secret, next->owner, {next->name},
                                   what + " and was removed"));
    }
    if (no_expiry_before_ == vault::Time::max()) return std::nullopt;
    return no_expiry_before_;
}

std::optional<vault::Time> Expiry::expire() {
    const auto next_run = expire_runs();
    const auto next_kept = expire_secrets();
    if (!next_run || !next_kept) return next_run ? next_run : next_kept;
    return std::min(*next_run, *next_kept);
}

std::optional<vault::Time> Expiry::ended_at(const RunId& run) const {
    const EndedRun* ended = context_.ended_runs.find(run);
    return ended == nullptr ? std::nullopt : std::optional(ended->at);
}

}  // namespace secrets::service
