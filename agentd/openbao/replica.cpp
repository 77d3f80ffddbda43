// SPDX-License-Identifier: Apache-2.0
// Synchronises the local copies with OpenBao, in both directions. background_sync.cpp syncs data
// that no request reads.

#include "agentd/openbao/replica.h"

#include <algorithm>

#include "agentd/audit/audit_log.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/stack_wipe.h"
#include "agentd/openbao/document_codec.h"
#include "agentd/openbao/document_lock.h"
#include "common/base/text_encoding.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;

std::string state_of(const vault::RunHead& head) {
    return std::to_string(head.generation) + " " +
           std::to_string(head.created.time_since_epoch().count());
}

std::string state_of(const store::SecretHead& head) {
    return head.name + " " + std::to_string(head.generation) + " " +
           std::to_string(head.set.time_since_epoch().count()) + "\n";
}

template <typename Key>
std::string path_of_key(const Key& key) {
    return std::visit([](const auto& about) { return path_of(about); }, key);
}

}  // namespace

Replica::Replica(asio::io_context& loop, KvClient& kv, vault::Vault& vault,
                 store::SecretStore& store, service::Services& services)
    : kv_(kv),
      vault_(vault),
      store_(store),
      services_(services),
      sync_timer_(loop),
      random_(std::random_device()()) {}

Status Replica::no_time() const {
    if (stopped_) return Status::failed("the agent is shutting down");
    const std::string& why = kv_.trouble();
    return Status::failed(why.empty() ? "OpenBao did not answer in time" : why);
}

void Replica::stop() {
    stopped_ = true;
    stop_syncing();
    for (auto& [key, known] : known_) known.waiting.wake();
}

asio::awaitable<Status> Replica::refresh(service::DocumentKeys about, Clock::time_point deadline,
                                         Clock::duration age) {
    const auto not_before = Clock::now() - age;
    if (about.all_runs) {
        auto failure = co_await refresh_runs(not_before, deadline - Clock::now());
        if (!failure.ok()) co_return failure;
    }
    std::list<DocumentRef> uses;
    for (const RunId& run : about.runs) uses.emplace_back(*this, run);
    for (const store::Owner& owner : about.owners) uses.emplace_back(*this, owner);
    bool lasts = false;
    while (!lasts) {
        for (DocumentRef& use : uses) {
            auto failure = co_await refresh_one(use, not_before, deadline);
            if (!failure.ok()) co_return failure;
        }
        // While one document was read, a change of another may have begun.
        lasts = std::none_of(uses.begin(), uses.end(),
                             [](DocumentRef& use) { return use.known().changing; });
    }
    co_return Status();
}

asio::awaitable<Status> Replica::refresh_one(DocumentRef& use, Clock::time_point not_before,
                                             Clock::time_point deadline) {
    DocumentState& known = use.known();
    while (known.changing || known.read_at < not_before) {
        if (stopped_ || Clock::now() >= deadline) co_return no_time();
        if (known.busy) {
            co_await known.waiting.wait(deadline);
            continue;
        }
        DocumentLock lock(*this, use.key(), false);
        auto failure = co_await read(use, deadline);
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

/// Reads a document, in the lock of the caller.
asio::awaitable<Status> Replica::read(DocumentRef& use, Clock::time_point deadline) {
    const auto asked = Clock::now();
    std::string path = path_of_key(use.key());
    auto answer = co_await kv_.read(std::move(path), deadline);
    if (!answer.ok()) co_return answer.status();
    auto failure = take(use.key(), use.known(), *answer);
    wipe_stack();
    if (!failure.ok()) {
        co_return Status::failed("cannot use " + path_of_key(use.key()) +
                                 " in OpenBao: " + failure.message());
    }
    use.known().read_at = asked;
    use.known().complained = false;
    co_return Status();
}

Status Replica::take(const Key& key, DocumentState& known, const Document& document) {
    // While no server is active, the local copy may be newer: data that has ended would come back.
    const bool is_older = document.version < known.version ||
                          (document.version == known.version && document.data && !known.exists);
    if (document.may_lag && is_older) {
        if (known.read_at != Clock::time_point{}) return Status();
        return Status::failed("no server is active, and the standby servers lag behind");
    }
    const RunId* const run = std::get_if<RunId>(&key);
    if (!document.data) {
        if (run != nullptr) {
            services_.replication.drop_replicated_run(*run);
        } else if (Status wrong =
                       services_.replication.replicate_secrets(std::get<store::Owner>(key), {});
                   !wrong.ok()) {
            return wrong;
        }
        if (known.exists || known.gone_since == Clock::time_point{}) {
            known.gone_since = Clock::now();
        }
        known.version = document.version;
        known.exists = false;
        known.state.clear();
        return Status();
    }
    if (known.exists && known.version == document.version) return Status();
    std::string state;
    if (run != nullptr) {
        const auto taken = read_run(*run, *document.data);
        if (!taken) return taken.status();
        if (Status wrong = services_.replication.replicate_run(taken->head, taken->secrets);
            !wrong.ok())
            return wrong;
        state = state_of(taken->head);
    } else {
        const auto taken = read_secrets(*document.data);
        if (!taken) return taken.status();
        if (Status wrong =
                services_.replication.replicate_secrets(std::get<store::Owner>(key), *taken);
            !wrong.ok())
            return wrong;
        for (const service::ReplicatedSecret& secret : *taken) state += state_of(secret.head);
    }
    known.version = document.version;
    known.exists = true;
    known.state = std::move(state);
    return Status();
}

asio::awaitable<Status> Replica::change(service::DocumentKeys about, std::function<void()> change,
                                        Clock::time_point deadline) {
    while (true) {
        std::list<DocumentLock> locks;
        auto failure = co_await lock_documents(locks, about, deadline);
        if (!failure.ok()) co_return failure;
        services_.expiry.expire();  // not part of the tentative change
        audit::PendingAudit trial;
        trial.collect(change);
        WriteResult wrote = Outcome::written;
        for (DocumentLock& lock : locks) {
            wrote = co_await write(lock.use(), deadline);
            if (!is_written(wrote)) break;
        }
        if (is_written(wrote)) {
            trial.keep();
            co_return Status();
        }
        for (DocumentLock& lock : locks) lock.forget();
        trial.abandon(wrote.ok() ? Status::failed("another hub changed it at the same time")
                                 : wrote.status());
        if (!wrote.ok()) co_return wrote.status();
    }
}

/// Locks and reads each document, in an order that is the same for all callers.
asio::awaitable<Status> Replica::lock_documents(std::list<DocumentLock>& locks,
                                                const service::DocumentKeys& about,
                                                Clock::time_point deadline) {
    std::vector<Key> keys(about.runs.begin(), about.runs.end());
    keys.insert(keys.end(), about.owners.begin(), about.owners.end());
    for (const Key& key : keys) {
        DocumentRef use(*this, key);
        while (use.known().busy) {
            if (stopped_ || Clock::now() >= deadline) co_return no_time();
            co_await use.known().waiting.wait(deadline);
        }
        DocumentLock& lock = locks.emplace_back(*this, key, true);
        auto failure = co_await read(lock.use(), deadline);
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

bool Replica::is_written(const WriteResult& wrote) {
    return wrote.ok() && *wrote == Outcome::written;
}

/// Writes the local copy if its state differs from what was read.
asio::awaitable<Replica::WriteResult> Replica::write(DocumentRef& use, Clock::time_point deadline) {
    DocumentState& known = use.known();
    std::string path = path_of_key(use.key());
    std::string state = state_here(use.key());
    if (state == known.state) co_return Outcome::written;
    if (state.empty()) {
        auto failure = co_await kv_.destroy(std::move(path), known.version, deadline);
        if (!failure.ok()) co_return failure;
        known.exists = false;
        known.state.clear();
        known.gone_since = Clock::now();
        co_return Outcome::written;
    }
    auto data = data_here(use.key());
    if (!data) co_return data.status();
    std::string writer = new_writer();
    (*data)["writer"] = writer;
    const auto asked = Clock::now();
    auto answer =
        co_await kv_.write(std::move(path), std::move(data).value(), known.version, deadline);
    wipe_stack();
    if (!answer.ok()) co_return answer.status();
    const Written& written = *answer;
    if (written.outcome == WriteOutcome::version_differs) {
        co_return co_await was_it_ours(use, std::move(state), std::move(writer), deadline);
    }
    known.version = written.version;
    known.exists = true;
    known.state = std::move(state);
    known.read_at = asked;
    co_return Outcome::written;
}

/// Tells whether this agent wrote the newest version. A write whose answer was lost is repeated,
/// and then finds its own version.
asio::awaitable<Replica::WriteResult> Replica::was_it_ours(DocumentRef& use, std::string state,
                                                           std::string writer,
                                                           Clock::time_point deadline) {
    std::string path = path_of_key(use.key());
    auto answer = co_await kv_.read(std::move(path), deadline);
    if (!answer.ok()) co_return answer.status();
    const Document& document = *answer;
    const auto* there = document.data ? document.data->if_contains("writer") : nullptr;
    if (there == nullptr || *there != boost::json::value(writer)) {
        co_return Outcome::another_was_faster;
    }
    use.known().version = document.version;
    use.known().exists = true;
    use.known().state = std::move(state);
    co_return Outcome::written;
}

/// Returns the state of the copy in the vault or the store.
std::string Replica::state_here(const Key& key) const {
    if (const RunId* run = std::get_if<RunId>(&key)) {
        const vault::RunHead* head = vault_.find_run(*run);
        return head != nullptr ? state_of(*head) : "";
    }
    std::string state;
    for (const store::SecretHead* head : store_.list(std::get<store::Owner>(key))) {
        state += state_of(*head);
    }
    return state;
}

/// Returns the copy as a document.
StatusOr<boost::json::object> Replica::data_here(const Key& key) const {
    if (const RunId* run = std::get_if<RunId>(&key)) {
        return write_run(*vault_.find_run(*run), vault_.secrets_of(*run));
    }
    const store::Owner& owner = std::get<store::Owner>(key);
    std::vector<service::ReplicatedSecret> stored;
    for (const store::SecretHead* head : store_.list(owner)) {
        auto value = store_.value_of(owner, head->name);
        if (!value) return value.status();
        stored.push_back({*head, std::move(value).value()});
    }
    return write_secrets(stored);
}

std::string Replica::new_writer() {
    const std::uint64_t number = random_();
    return to_hex(std::as_bytes(std::span(&number, 1)));
}

}  // namespace secrets::openbao
