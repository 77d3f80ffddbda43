#pragma once
// Several hubs, one truth: what lies in OpenBao of runs and kept secrets, as far as it is here. The
// vault and the store of this agent have a copy of each document that was read. Whoever asks the
// desk has what the request is about read anew before; what the desk changes is written before it
// is answered, by check-and-set, and a hub that was slower begins anew.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <list>
#include <map>
#include <random>
#include <variant>
#include <vector>

#include "agentd/net/asio.h"
#include "agentd/openbao/kv_client.h"
#include "agentd/service/desk.h"
#include "agentd/service/shared_store.h"

namespace secrets::openbao {

/// Must outlive the loop's run. One read of a document serves all who began to wait before it was
/// sent; while a document is being changed, those who need it wait.
class Truth final : public doors::SharedStore {
  public:
    /// All must outlive it; `store` is one in memory.
    Truth(boost::asio::io_context& loop, Kv& kv, vault::Vault& vault, people::Store& store,
          desk::Desk& desk);

    /// Begins to look now and then for what nobody asks for: what ended or was pushed at other
    /// hubs, and what has expired.
    void start();
    /// Looks no more, so that nothing is left to wait for but the requests that came.
    void stop_looking();
    void stop();
    /// Something has expired here: looks soon.
    void look_soon();

    boost::asio::awaitable<Failure> refresh(desk::Subjects about, Clock::time_point deadline,
                                            Clock::duration age) override;
    boost::asio::awaitable<Failure> change(desk::Subjects about, std::function<void()> change,
                                           Clock::time_point deadline) override;

  private:
    /// What a document is about.
    using Key = std::variant<RunId, people::Owner>;
    /// What is known of a document.
    struct Known {
        std::uint64_t version = 0;  ///< the newest
        bool exists = false;
        std::string state{};  ///< what it says, but for values: generations and times, by name
        Clock::time_point read_at{};     ///< when it was asked for; never: not yet, or all is void
        Clock::time_point gone_since{};  ///< it is not there, and was not then
        bool complained = false;         ///< that it is malformed
        bool busy = false;               ///< it is being read or changed
        bool changing = false;           ///< what is here may not last
        std::size_t users = 0;           ///< who refer to it
        doors::WaitingList waiting{};    ///< until it is not busy
    };
    class Use;
    class Turn;
    enum class Outcome { written, another_was_faster };
    using Wrote = std::variant<Outcome, Error>;

    boost::asio::awaitable<Failure> refresh_one(Use& use, Clock::time_point not_before,
                                                Clock::time_point deadline);
    boost::asio::awaitable<Failure> refresh_runs(Clock::time_point not_before,
                                                 Clock::duration patience);
    boost::asio::awaitable<Failure> read(Use& use, Clock::time_point deadline);
    Failure take(const Key& key, Known& known, const Document& document);

    boost::asio::awaitable<Failure> take_turns(std::list<Turn>& turns, const desk::Subjects& about,
                                               Clock::time_point deadline);
    boost::asio::awaitable<Wrote> write(Use& use, Clock::time_point deadline);
    boost::asio::awaitable<Wrote> was_it_ours(Use& use, std::string state, std::string writer,
                                              Clock::time_point deadline);
    static bool is_written(const Wrote& wrote);
    Error no_time() const;
    std::string state_here(const Key& key) const;
    Result<boost::json::object> data_here(const Key& key) const;
    std::string new_writer();

    boost::asio::awaitable<void> look_on();
    boost::asio::awaitable<void> look();
    boost::asio::awaitable<void> look_at_mount();
    boost::asio::awaitable<Failure> look_at_kept(std::string folder);
    boost::asio::awaitable<Failure> write_ends();
    boost::asio::awaitable<Failure> purge_ended();
    Failure complain(Use& use, Failure failure) const;

    boost::asio::io_context& loop_;
    Kv& kv_;
    vault::Vault& vault_;
    people::Store& store_;
    desk::Desk& desk_;
    std::map<Key, Known> known_;
    boost::asio::steady_timer look_timer_;
    Clock::time_point next_look_{};
    bool mount_was_seen_ = false;
    std::mt19937_64 random_;
    bool looks_ = true;
    bool stopped_ = false;
};

}  // namespace secrets::openbao
