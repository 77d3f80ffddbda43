// SPDX-License-Identifier: Apache-2.0
// Synchronises the local copies with OpenBao, in both directions. background_sync.cpp syncs data
// that no request reads, and unknown_writes.cpp looks up writes whose answers were lost.

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

/// Time for looking up a write whose outcome is unknown.
constexpr auto kLookUp = std::chrono::seconds(2);

std::string state_of(const vault::RunHead& head) {
    std::string state = std::to_string(head.generation) + " " +
                        std::to_string(head.created.time_since_epoch().count());
    if (head.until_job != JobId()) state += " until " + std::to_string(head.until_job.value);
    return state;
}

std::string state_of(const store::SecretHead& head) {
    return head.name + " " + std::to_string(head.generation) + " " +
           std::to_string(head.set.time_since_epoch().count()) + "\n";
}

std::string state_of(const std::string& user) {
    return user.empty() ? "" : "user " + user + "\n";
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

std::string Replica::path_of_key(const Key& key) {
    return std::visit([](const auto& about) { return path_of(about); }, key);
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
    note_date(*answer);
    settle(use.known(), *answer);
    auto failure = take(use.key(), use.known(), *answer);
    wipe_stack();
    if (failure.code() == StatusCode::pending) co_return failure;
    if (!failure.ok()) {
        co_return Status::failed("cannot use " + path_of_key(use.key()) +
                                 " in OpenBao: " + failure.message());
    }
    use.known().read_at = asked;
    use.known().complained = false;
    co_return Status();
}

/// Makes the local copy as the document is. The code of an error is `pending` if the document
/// says too little about that.
Status Replica::take(const Key& key, DocumentState& known, const Document& document) {
    // While no server is active, the local copy may be newer: data that has ended would come back.
    const bool is_older = document.version < known.version ||
                          (document.version == known.version && document.data && !known.exists);
    const bool is_read = known.read_at != Clock::time_point{};
    if (document.may_lag && is_older && is_read) return Status();
    // Of a copy that is from before a restart no version is known.
    const bool would_drop = !document.data && !state_here(key).empty();
    if (document.may_lag && (is_older || would_drop)) {
        return {StatusCode::pending,
                "no server of OpenBao is active, and the standby servers may lag behind"};
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
    const bool is_same = known.exists && known.version == document.version;
    if (is_same && !known.is_stale) return Status();
    if (Status wrong = take_content(key, known, *document.data); !wrong.ok()) return wrong;
    known.version = document.version;
    known.exists = true;
    known.is_stale = false;
    return Status();
}

/// Puts the content of a document into the vault or the store. On an error nothing has changed.
Status Replica::take_content(const Key& key, DocumentState& known,
                             const boost::json::object& content) {
    std::string state;
    vault::Time expires = vault::Time::max();
    if (const RunId* const run = std::get_if<RunId>(&key)) {
        auto taken = read_run(*run, content);
        if (!taken) return taken.status();
        expires = taken->head.expires;
        taken->head.expires -= services_.context.wall_ahead();
        if (Status wrong = services_.replication.replicate_run(taken->head, taken->secrets);
            !wrong.ok())
            return wrong;
        state = state_of(taken->head);
    } else {
        const auto taken = read_secrets(content);
        if (!taken) return taken.status();
        const std::string user = user_in(content);
        if (Status wrong =
                services_.replication.replicate_secrets(std::get<store::Owner>(key), *taken, user);
            !wrong.ok())
            return wrong;
        if (!taken->empty()) state = state_of(user);
        for (const service::ReplicatedSecret& secret : *taken) {
            state += state_of(secret.head);
            expires = std::min(expires, secret.head.expires.value_or(expires));
        }
    }
    known.state = std::move(state);
    known.expires = expires;
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
        for (DocumentLock& lock : locks) lock.begin_change();
        try {
            trial.collect(change);
        } catch (const std::exception& error) {
            trial.abandon(Status::failed(error.what()));
            throw;
        }
        WriteResult wrote = Outcome::written;
        DocumentState* last = nullptr;
        for (DocumentLock& lock : locks) {
            last = &lock.use().known();
            wrote = co_await write(lock.use(), deadline);
            if (!is_written(wrote)) break;
            lock.commit();
        }
        if (is_written(wrote)) {
            trial.keep();
            co_return Status();
        }
        if (is_unknown(wrote)) {
            trial.note_unknown(wrote.status());
            last->unknown_write->events = std::move(trial);
            sync_soon();
            co_return wrote.status();
        }
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

bool Replica::is_unknown(const WriteResult& wrote) {
    return wrote.status().code() == StatusCode::unavailable;
}

/// Writes the local copy if its state differs from what was read. Looks the document up if the
/// outcome is unknown, for which it reserves a part of the time.
asio::awaitable<Replica::WriteResult> Replica::write(DocumentRef& use, Clock::time_point deadline) {
    DocumentState& known = use.known();
    std::string state = state_here(use.key());
    if (state == known.state) co_return Outcome::written;
    const auto now = Clock::now();
    const auto reserve =
        std::clamp<Clock::duration>((deadline - now) / 4, Clock::duration::zero(), kLookUp);
    auto wrote = co_await send(use, state, deadline - reserve);
    if (is_unknown(wrote)) {
        const Status why = wrote.status();
        wrote = co_await look_up_write(use, state, false, deadline);
        if (is_unknown(wrote)) co_return why;
        if (!is_written(wrote)) co_return Status::failed(why.message());
    }
    known.unknown_write.reset();
    co_return wrote;
}

/// Sends the local copy, or destroys the document if there is no local copy. An exception leaves
/// the write in `unknown_write`, since it may have been made.
asio::awaitable<Replica::WriteResult> Replica::send(DocumentRef& use, const std::string& state,
                                                    Clock::time_point deadline) {
    DocumentState& known = use.known();
    std::string path = path_of_key(use.key());
    if (state.empty()) {
        known.unknown_write.emplace(known.version);
        auto failure = co_await kv_.destroy(std::move(path), known.version, deadline);
        if (!failure.ok()) co_return failure;
        note_written(known, known.version, state);
        co_return Outcome::written;
    }
    auto data = data_here(use.key());
    if (!data) co_return Status::failed(data.status().message());
    std::string writer = new_writer();
    (*data)["writer"] = writer;
    known.expires = expiry_here(use.key());
    known.unknown_write.emplace(known.version, std::move(writer));
    const auto asked = Clock::now();
    auto answer =
        co_await kv_.write(std::move(path), std::move(data).value(), known.version, deadline);
    wipe_stack();
    if (!answer.ok()) co_return answer.status();
    const Written& written = *answer;
    if (written.outcome == WriteOutcome::version_differs) {
        co_return co_await look_up_write(use, state, true, deadline);
    }
    note_written(known, written.version, state);
    known.read_at = asked;
    co_return Outcome::written;
}

void Replica::note_written(DocumentState& known, std::uint64_t version, const std::string& state) {
    known.version = version;
    known.exists = !state.empty();
    known.state = state;
    if (!known.exists) known.gone_since = Clock::now();
}

/// Returns the state of the copy in the vault or the store.
std::string Replica::state_here(const Key& key) const {
    if (const RunId* run = std::get_if<RunId>(&key)) {
        const vault::RunHead* head = vault_.find_run(*run);
        return head != nullptr ? state_of(*head) : "";
    }
    const store::Owner& owner = std::get<store::Owner>(key);
    std::string state;
    for (const store::SecretHead* head : store_.list(owner)) state += state_of(*head);
    return state.empty() ? state : state_of(store_.user_of(owner)) + state;
}

/// Returns the copy as a document.
StatusOr<boost::json::object> Replica::data_here(const Key& key) const {
    if (const RunId* run = std::get_if<RunId>(&key)) {
        vault::RunHead head = *vault_.find_run(*run);
        head.expires = services_.context.wall_of(head.expires);
        return write_run(head, vault_.secrets_of(*run));
    }
    const store::Owner& owner = std::get<store::Owner>(key);
    std::vector<service::ReplicatedSecret> stored;
    for (const store::SecretHead* head : store_.list(owner)) {
        auto value = store_.value_of(owner, head->name);
        if (!value) return value.status();
        stored.push_back({*head, std::move(value).value()});
    }
    return write_secrets(stored, store_.user_of(owner));
}

std::string Replica::new_writer() {
    const std::uint64_t number = random_();
    return to_hex(std::as_bytes(std::span(&number, 1)));
}

}  // namespace secrets::openbao
