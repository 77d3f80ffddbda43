// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local replica of the runs and stored secrets that several hubs share in OpenBao. The vault
// and the store of this agent have a copy of each document that was read. Each request to the
// services first re-reads the documents that it concerns. A change is written before the request is
// answered, by check-and-set, and a hub that was slower begins anew.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>
#include <random>
#include <variant>
#include <vector>

#include "agentd/audit/audit_log.h"
#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/net/asio.h"
#include "agentd/openbao/kv_client.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::openbao {

/// Synchronises the vault and the store with OpenBao. One read of a document serves all callers
/// that began to wait before it was sent; while a document is being changed, callers that need it
/// wait. Must outlive the loop's run.
class Replica final : public service::SharedStore {
  public:
    /// All arguments must outlive the replica; `store` is one in memory.
    Replica(boost::asio::io_context& loop, KvClient& kv, vault::Vault& vault,
            store::SecretStore& store, service::Services& services);

    /// Makes the times that the services show and share those of OpenBao's clock, as far as that
    /// is known: on hubs whose own clocks differ, a document would expire at different times. To be
    /// called when the services have their clocks.
    void follow_clock();
    /// Starts the background sync of changes that no request reads: data that was pushed or ended
    /// at other hubs, and data that has expired.
    void start(Supervisor& supervisor);
    /// Stops the background sync, so that only requests in progress are left to wait for.
    void stop_syncing();
    void stop();
    /// Syncs soon, because something has expired in this agent.
    void sync_soon();

    boost::asio::awaitable<Status> refresh(service::DocumentKeys about, Clock::time_point deadline,
                                           Clock::duration age) override;
    boost::asio::awaitable<Status> change(service::DocumentKeys about, std::function<void()> change,
                                          Clock::time_point deadline) override;

  private:
    /// The subject of a document.
    using Key = std::variant<RunId, store::Owner>;
    /// A write that OpenBao may have made, or may yet make, and the events that depend on that. The
    /// next definite read of the document decides.
    struct UnknownWrite {
        std::uint64_t based_on = 0;  ///< the version that the write replaces
        std::string writer{};        ///< the mark in the new document; empty if it was destroyed
        audit::PendingAudit events{};
    };
    /// The state of a document, as far as it is known.
    struct DocumentState {
        std::uint64_t version = 0;  ///< the newest
        bool exists = false;
        std::string state{};          ///< its content except values: generations and times, by name
        Clock::time_point read_at{};  ///< when its read was sent; never: not read yet, or void
        Clock::time_point gone_since{};  ///< missing since then at least
        /// When the first of its content expires, on the wall clock; never: nothing does.
        vault::Time expires = vault::Time::max();
        bool is_stale = false;    ///< to be taken again, also if the version is the same
        bool complained = false;  ///< its defect was reported
        std::optional<UnknownWrite> unknown_write{};
        bool busy = false;              ///< being read or changed
        bool changing = false;          ///< the local copy may not last
        std::size_t users = 0;          ///< the number of references
        net::AsyncCondition waiting{};  ///< for the document not to be busy
    };
    class DocumentRef;
    class DocumentLock;
    /// What a definite read of a document says about a write.
    enum class Fate { made, not_made, unknown };
    enum class Outcome { written, another_was_faster };
    /// An error with the code `unavailable` means that the outcome is unknown.
    using WriteResult = StatusOr<Outcome>;

    boost::asio::awaitable<Status> refresh_one(DocumentRef& use, Clock::time_point not_before,
                                               Clock::time_point deadline);
    boost::asio::awaitable<Status> refresh_runs(Clock::time_point not_before,
                                                Clock::duration patience);
    boost::asio::awaitable<Status> read(DocumentRef& use, Clock::time_point deadline);
    Status take(const Key& key, DocumentState& known, const Document& document);
    Status take_content(const Key& key, DocumentState& known, const boost::json::object& content);
    void note_date(const Document& document);
    bool is_over_here(const DocumentState& known) const;

    boost::asio::awaitable<Status> lock_documents(std::list<DocumentLock>& locks,
                                                  const service::DocumentKeys& about,
                                                  Clock::time_point deadline);
    boost::asio::awaitable<WriteResult> write(DocumentRef& use, Clock::time_point deadline);
    boost::asio::awaitable<WriteResult> send(DocumentRef& use, const std::string& state,
                                             Clock::time_point deadline);
    boost::asio::awaitable<WriteResult> look_up_write(DocumentRef& use, const std::string& state,
                                                      bool is_rejected, Clock::time_point deadline);
    static std::string path_of_key(const Key& key);
    static Fate fate_of(const UnknownWrite& write, const Document& document);
    static void settle(DocumentState& known, const Document& document);
    static bool is_written(const WriteResult& wrote);
    static bool is_unknown(const WriteResult& wrote);
    static void note_written(DocumentState& known, std::uint64_t version, const std::string& state);
    Status no_time() const;
    std::string state_here(const Key& key) const;
    vault::Time expiry_here(const Key& key) const;
    StatusOr<boost::json::object> data_here(const Key& key) const;
    std::string new_writer();

    boost::asio::awaitable<void> sync_loop();
    boost::asio::awaitable<void> sync();
    boost::asio::awaitable<void> sync_mount();
    boost::asio::awaitable<Status> sync_secrets(std::string folder);
    boost::asio::awaitable<Status> look_up_writes();
    boost::asio::awaitable<Status> write_ends();
    boost::asio::awaitable<Status> purge_ended();
    Status complain(DocumentRef& use, Status failure) const;

    KvClient& kv_;
    vault::Vault& vault_;
    store::SecretStore& store_;
    service::Services& services_;
    std::map<Key, DocumentState> known_;
    boost::asio::steady_timer sync_timer_;
    Clock::time_point next_sync_{};
    bool mount_seen_ = false;
    service::ServiceContext::WallAhead own_ahead_;  ///< by the clock of this host
    /// How far OpenBao's clock is ahead of the agent's; nothing: not known.
    std::optional<std::chrono::seconds> openbao_ahead_;
    audit::OutageLog clocks_{
        "the clocks of this host and of OpenBao differ; data that hubs share expires by OpenBao's "
        "clock: ",
        "the clocks of this host and of OpenBao agree again"};
    std::mt19937_64 random_;
    bool syncing_ = true;
    bool stopped_ = false;
};

}  // namespace secrets::openbao
