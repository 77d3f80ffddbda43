// SPDX-License-Identifier: Apache-2.0
// Syncs data that no request reads: data that was pushed or ended at other hubs, data that has
// expired, and the traces in OpenBao of ended runs.

#include <algorithm>
#include <variant>

#include "agentd/audit/audit_log.h"
#include "agentd/openbao/document_codec.h"
#include "agentd/openbao/document_lock.h"
#include "agentd/openbao/replica.h"

namespace secrets::openbao {
namespace {

namespace asio = boost::asio;

/// Time between two syncs; from hub to hub and from time to time it differs by a quarter.
constexpr auto kInterval = std::chrono::seconds(60);

/// Time to a sync after something has expired.
constexpr auto kSoon = std::chrono::seconds(1);

/// Time for one request of a sync: no client waits for it.
constexpr auto kPatience = std::chrono::seconds(10);

/// OpenBao remembers a run, and its last version, until these are purged. The purge waits, as KV v2
/// has no check-and-set for it, and a platform may push a run of the same name again.
constexpr auto kPurgeAfter = std::chrono::minutes(10);

/// A list of that many runs may be a little older: each run is a document, and a request.
constexpr std::size_t kManyRuns = 1000;
constexpr Clock::duration kAgeOfMany = std::chrono::seconds(30);

/// A time before any read, and after never.
constexpr auto kReadOnce = Clock::time_point{} + std::chrono::nanoseconds(1);

}  // namespace

void Replica::start(Supervisor& supervisor) {
    supervisor.start("openbao_sync", [this] { return sync_loop(); });
}

asio::awaitable<void> Replica::sync_loop() {
    while (syncing_) {
        co_await sync();
        std::uniform_int_distribution<int> percent(75, 125);
        next_sync_ = Clock::now() + kInterval * percent(random_) / 100;
        while (syncing_ && Clock::now() < next_sync_) {
            sync_timer_.expires_at(next_sync_);
            ErrorCode woken;
            co_await sync_timer_.async_wait(into(woken));
        }
    }
}

void Replica::stop_syncing() {
    syncing_ = false;
    sync_timer_.cancel();
}

void Replica::sync_soon() {
    next_sync_ = std::min(next_sync_, Clock::now() + kSoon);
    sync_timer_.cancel();
}

/// Syncs once. A step that fails is repeated the next time; the client of OpenBao reports it.
asio::awaitable<void> Replica::sync() {
    co_await sync_mount();
    auto failure = co_await look_up_writes();
    if (failure.ok()) failure = co_await refresh_runs(kReadOnce, kPatience);
    if (failure.ok()) failure = co_await sync_secrets(kUsersFolder);
    if (failure.ok()) failure = co_await sync_secrets(kWorkspacesFolder);
    if (failure.ok()) failure = co_await write_ends();
    if (failure.ok()) failure = co_await purge_ended();
}

/// Checks once how many versions the mount keeps: a user trusts that a replaced value is gone.
asio::awaitable<void> Replica::sync_mount() {
    if (mount_seen_) co_return;
    const auto versions = co_await kv_.max_versions(Clock::now() + kPatience);
    if (!kv_.trouble().empty()) co_return;
    mount_seen_ = true;
    if (!versions || *versions == 1) co_return;
    audit::report_problem(
        "store.openbao.mount: OpenBao keeps replaced values; set max_versions=1 for this mount "
        "(docs/admin.md)");
}

/// Refreshes all runs, in OpenBao and in the vault. `patience` is the time for each request.
asio::awaitable<Status> Replica::refresh_runs(Clock::time_point not_before,
                                              Clock::duration patience) {
    const auto asked = Clock::now();
    std::string folder = kRunsFolder;
    auto answer = co_await kv_.list(std::move(folder), asked + patience);
    if (!answer.ok()) co_return answer.status();
    std::set<RunId> there;
    for (const std::string& name : *answer) {
        auto run = RunId::parse(name);
        if (run) there.insert(std::move(run).value());
    }
    std::vector<std::pair<RunId, Clock::time_point>> runs;
    for (const vault::RunHead* head : vault_.runs()) {
        if (!there.contains(head->id)) runs.emplace_back(head->id, asked);
    }
    if (there.size() > kManyRuns) not_before = std::max(kReadOnce, not_before - kAgeOfMany);
    for (const RunId& run : there) runs.emplace_back(run, not_before);
    for (const auto& [run, least] : runs) {
        DocumentRef use(*this, run);
        auto failure = co_await refresh_one(use, least, Clock::now() + patience);
        if (!failure.ok()) failure = complain(use, std::move(failure));
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

/// Reads the documents of writes whose outcome is unknown: a list of the folder may lack them.
asio::awaitable<Status> Replica::look_up_writes() {
    std::vector<Key> unknown;
    for (const auto& [key, known] : known_) {
        if (known.unknown_write) unknown.push_back(key);
    }
    for (const Key& key : unknown) {
        DocumentRef use(*this, key);
        auto failure = co_await refresh_one(use, Clock::now(), Clock::now() + kPatience);
        if (!failure.ok()) failure = complain(use, std::move(failure));
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

asio::awaitable<Status> Replica::sync_secrets(std::string folder) {
    std::string listed = folder;
    auto answer = co_await kv_.list(std::move(listed), Clock::now() + kPatience);
    if (!answer.ok()) co_return answer.status();
    for (const std::string& name : *answer) {
        const auto owner = owner_at(folder, name);
        if (!owner) continue;
        DocumentRef use(*this, *owner);
        auto failure = co_await refresh_one(use, kReadOnce, Clock::now() + kPatience);
        if (!failure.ok()) failure = complain(use, std::move(failure));
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

/// Reports once a document that is malformed or has no room in this agent, and hides no other.
Status Replica::complain(DocumentRef& use, Status failure) const {
    const bool is_defect = failure.code() != StatusCode::pending;
    if (stopped_ || !is_defect || !kv_.trouble().empty()) return failure;
    if (!use.known().complained) audit::report_problem(failure.message());
    use.known().complained = true;
    return Status();
}

/// Writes what has changed in this agent by itself: what has expired is destroyed in OpenBao, if
/// this host's clock agrees, and an owner's name is added.
asio::awaitable<Status> Replica::write_ends() {
    services_.expiry.expire();
    std::vector<Key> ended;
    for (const auto& [key, known] : known_) {
        if (!known.exists || known.busy || state_here(key) == known.state) continue;
        // A copy of what never expires differs for another reason: it has its owner's name now.
        if (known.expires == vault::Time::max() || is_over_here(known)) ended.push_back(key);
    }
    for (const Key& key : ended) {
        service::DocumentKeys about;
        if (const RunId* run = std::get_if<RunId>(&key)) {
            about.runs.insert(*run);
        } else {
            about.owners.insert(std::get<store::Owner>(key));
        }
        auto failure = co_await change(
            std::move(about), [] {}, Clock::now() + kPatience);
        if (!failure.ok()) co_return failure;
    }
    co_return Status();
}

/// Purges the records in OpenBao of runs that ended a while ago.
asio::awaitable<Status> Replica::purge_ended() {
    std::vector<RunId> ended;
    for (const auto& [key, known] : known_) {
        const RunId* run = std::get_if<RunId>(&key);
        const bool over =
            run != nullptr && !known.exists && known.gone_since + kPurgeAfter < Clock::now();
        if (over) ended.push_back(*run);
    }
    for (const RunId& run : ended) {
        DocumentRef use(*this, run);
        if (use.known().busy) continue;
        DocumentLock lock(*this, run, true);
        auto failure = co_await read(use, Clock::now() + kPatience);
        if (!failure.ok()) co_return failure;
        if (use.known().exists) continue;
        std::string path = path_of(run);
        failure = co_await kv_.purge(std::move(path), Clock::now() + kPatience);
        if (!failure.ok()) co_return failure;
        use.known().version = 0;  // as if the run had never existed
        use.known().read_at = {};
    }
    co_return Status();
}

}  // namespace secrets::openbao
