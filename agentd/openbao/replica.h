// SPDX-License-Identifier: Apache-2.0
#pragma once
// Several hubs, one replica: what lies in OpenBao of runs and kept secrets, as far as it is here.
// The vault and the store of this agent have a copy of each document that was read. Whoever asks
// the services has what the request is about read anew before; what the services changes is written
// before it is answered, by check-and-set, and a hub that was slower begins anew.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>
#include <random>
#include <variant>
#include <vector>

#include "agentd/base/supervisor.h"
#include "agentd/net/asio.h"
#include "agentd/openbao/kv_client.h"
#include "agentd/service/services.h"
#include "agentd/service/shared_store.h"

namespace secrets::openbao {

/// Must outlive the loop's run. One read of a document serves all who began to wait before it was
/// sent; while a document is being changed, those who need it wait.
class Replica final : public service::SharedStore {
  public:
    /// All must outlive it; `store` is one in memory.
    Replica(boost::asio::io_context& loop, KvClient& kv, vault::Vault& vault,
            store::SecretStore& store, service::Services& services);

    /// Begins to look now and then for what nobody asks for: what ended or was pushed at other
    /// hubs, and what has expired.
    void start(Supervisor& supervisor);
    /// Looks no more, so that nothing is left to wait for but the requests that came.
    void stop_syncing();
    void stop();
    /// Something has expired here: looks soon.
    void sync_soon();

    boost::asio::awaitable<Status> refresh(service::DocumentKeys about, Clock::time_point deadline,
                                           Clock::duration age) override;
    boost::asio::awaitable<Status> change(service::DocumentKeys about, std::function<void()> change,
                                          Clock::time_point deadline) override;

  private:
    /// What a document is about.
    using Key = std::variant<RunId, store::Owner>;
    /// What is known of a document.
    struct DocumentState {
        std::uint64_t version = 0;  ///< the newest
        bool exists = false;
        std::string state{};  ///< what it says, but for values: generations and times, by name
        Clock::time_point read_at{};     ///< when it was asked for; never: not yet, or all is void
        Clock::time_point gone_since{};  ///< it is not there, and was not then
        bool complained = false;         ///< that it is malformed
        bool busy = false;               ///< it is being read or changed
        bool changing = false;           ///< what is here may not last
        std::size_t users = 0;           ///< who refer to it
        net::AsyncCondition waiting{};   ///< until it is not busy
    };
    class DocumentRef;
    class DocumentLock;
    enum class Outcome { written, another_was_faster };
    using WriteResult = StatusOr<Outcome>;

    boost::asio::awaitable<Status> refresh_one(DocumentRef& use, Clock::time_point not_before,
                                               Clock::time_point deadline);
    boost::asio::awaitable<Status> refresh_runs(Clock::time_point not_before,
                                                Clock::duration patience);
    boost::asio::awaitable<Status> read(DocumentRef& use, Clock::time_point deadline);
    Status take(const Key& key, DocumentState& known, const Document& document);

    boost::asio::awaitable<Status> lock_documents(std::list<DocumentLock>& locks,
                                                  const service::DocumentKeys& about,
                                                  Clock::time_point deadline);
    boost::asio::awaitable<WriteResult> write(DocumentRef& use, Clock::time_point deadline);
    boost::asio::awaitable<WriteResult> was_it_ours(DocumentRef& use, std::string state,
                                                    std::string writer, Clock::time_point deadline);
    static bool is_written(const WriteResult& wrote);
    Status no_time() const;
    std::string state_here(const Key& key) const;
    StatusOr<boost::json::object> data_here(const Key& key) const;
    std::string new_writer();

    boost::asio::awaitable<void> sync_loop();
    boost::asio::awaitable<void> sync();
    boost::asio::awaitable<void> sync_mount();
    boost::asio::awaitable<Status> sync_secrets(std::string folder);
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
    std::mt19937_64 random_;
    bool syncing_ = true;
    bool stopped_ = false;
};

}  // namespace secrets::openbao
