// SPDX-License-Identifier: Apache-2.0
#pragma once
// The servers of OpenBao: which of them is asked, and as whom.

#include <deque>

#include "agentd/audit/outage_log.h"
#include "agentd/base/sha256.h"
#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"
#include "agentd/net/backoff.h"
#include "agentd/net/https_client.h"

namespace secrets::openbao {

using Clock = std::chrono::steady_clock;

struct Answer : net::HttpsResponse {
    bool may_lag = false;  ///< no active server said it: what was written last may not be in it
};

/// Must outlive the loop's run.
class ServerPool {
  public:
    ServerPool(boost::asio::io_context& loop, Supervisor& supervisor, const OpenBao& config,
               std::unique_ptr<boost::asio::ssl::context> context);

    /// Asks the active server, or one that stands by while there is none, until one has answered. A
    /// request may be done twice, where an answer is lost. That a change is refused is said by the
    /// active server only. The Status says what each said.
    boost::asio::awaitable<StatusOr<Answer>> ask(net::HttpsRequest request,
                                                 Clock::time_point deadline);

    /// For the end: nothing is left to wait for but what is asked.
    void stop_renewing();
    /// Ends what is asked, with an Error, and revokes its token, if that is quick.
    void stop();

    const OpenBao& config() const { return config_; }
    /// Why no server answered the last time; empty: one did.
    const std::string& trouble() const { return trouble_; }

  private:
    struct Server {
        Server(boost::asio::io_context& loop, boost::asio::ssl::context& context, HttpsUrl url);

        net::HttpsClient peer;
        std::size_t busy = 0;
        Clock::time_point silent_until{};     ///< not looked at before
        std::string why{};                    ///< it was of no use the last time
        Clock::time_point no_report_until{};  ///< not asked before which one leads
        std::uint64_t checks = 0;             ///< begun by is_still_active()
        std::uint64_t last_check = 0;         ///< the newest that has ended
        std::uint64_t active_in_check = 0;    ///< the newest that found it active
        net::AsyncCondition checked{};

        /// A failure that comes with the asker's deadline tells of the asker, not of the server.
        void note_silence(const Status& error, Clock::time_point deadline);
    };
    using Told = StatusOr<Answer>;
    /// What a server reports of the leader.
    struct LeaderReport {
        bool is_self = false;
        std::string leader{};  ///< its address; empty: none that it knows of
        std::string since{};   ///< when it began to lead, where it is itself; a time of RFC 3339
    };

    boost::asio::awaitable<Told> ask_as_role(net::HttpsRequest& request,
                                             Clock::time_point deadline);
    boost::asio::awaitable<Told> ask_any(const net::HttpsRequest& request,
                                         Clock::time_point deadline);
    boost::asio::awaitable<Status> ask_one(Server& server, const net::HttpsRequest& request,
                                           net::HttpsResponse& answer, Clock::time_point deadline);
    boost::asio::awaitable<void> find_active(Clock::time_point deadline);
    boost::asio::awaitable<std::optional<LeaderReport>> ask_leader(Server& server,
                                                                   Clock::time_point deadline);
    boost::asio::awaitable<bool> is_contradicted(Server& server, bool is_known,
                                                 Clock::time_point deadline);
    boost::asio::awaitable<bool> can_commit(Server& server, Clock::time_point deadline);
    boost::asio::awaitable<bool> is_still_active(Server& server, Clock::time_point deadline);
    boost::asio::awaitable<Status> log_in(Clock::time_point deadline);
    boost::asio::awaitable<Status> log_in_now(Clock::time_point deadline);
    bool take_login(const net::HttpsResponse& answer);
    boost::asio::awaitable<void> renew_logins();
    boost::asio::awaitable<void> renew_login();
    boost::asio::awaitable<void> revoke();
    boost::asio::awaitable<bool> is_token_known(net::HttpsFields fields,
                                                Clock::time_point deadline);
    net::HttpsFields fields_of_role() const;
    std::string what_all_said() const;
    void note(const std::string& trouble);

    boost::asio::io_context& loop_;
    OpenBao config_;
    std::unique_ptr<boost::asio::ssl::context> context_;
    std::deque<Server> servers_;  ///< stay where they are
    std::size_t preferred_ = 0;
    bool is_active_ = false;              ///< the preferred one, when it was looked at
    bool is_finding_ = false;             ///< somebody looks for the active one
    Clock::time_point looked_at_{};       ///< which is active
    std::string token_;                   ///< empty: nobody is logged in
    std::chrono::seconds lease_{};        ///< of the last login or renewal
    std::chrono::seconds first_lease_{};  ///< of the login
    Clock::time_point renew_at_{};        ///< never: where the login does not end
    bool is_renewable_ = false;
    std::uint64_t logins_ = 0;
    /// What was refused, so that it is not shown again and again.
    struct RefusedLogin {
        Digest shown{};
        Clock::time_point until{};
        Status why;
    };
    std::optional<RefusedLogin> refused_;
    bool is_logging_in_ = false;
    net::AsyncCondition changes_;   ///< of a login, or of a server that is less busy
    net::AsyncCondition renewals_;  ///< for a login, and for a half of its lease
    net::Backoff pauses_;
    std::string trouble_;
    audit::OutageLog lasting_;
    bool renews_ = true;
    bool stopped_ = false;
};

/// What is wrong with the files that the configuration names, and with the credentials where
/// `with_credentials`: systemd passes them to the agent alone. The Status names the key.
Status check_files(const OpenBao& config, bool with_credentials);

/// What OpenBao says is wrong.
std::string errors_in(const net::HttpsResponse& answer);

/// Whether it says that what was sent is more than it takes.
bool is_too_large(const net::HttpsResponse& answer);

}  // namespace secrets::openbao
