// SPDX-License-Identifier: Apache-2.0
#pragma once
// Selects the server of OpenBao that a request is sent to, and logs in to OpenBao.

#include <deque>

#include "agentd/audit/outage_log.h"
#include "agentd/base/supervisor.h"
#include "agentd/net/async_condition.h"
#include "agentd/net/backoff.h"
#include "agentd/net/https_client.h"
#include "common/auth/sha256.h"

namespace secrets::openbao {

using Clock = std::chrono::steady_clock;

struct Answer : net::HttpsResponse {
    bool may_lag = false;  ///< no active server answered: the last write may be missing
};

/// The servers of OpenBao. Must outlive the loop's run.
class ServerPool {
  public:
    ServerPool(boost::asio::io_context& loop, Supervisor& supervisor, const OpenBao& config,
               std::unique_ptr<boost::asio::ssl::context> context);

    /// Sends a request to the active server, or to a standby server while there is none, until one
    /// has answered. A request whose answer is lost may be executed twice. Only the active server's
    /// denial of a change counts. The Status has the reason of each server, and the code
    /// `unavailable` if a change may have been made.
    boost::asio::awaitable<StatusOr<Answer>> ask(net::HttpsRequest request,
                                                 Clock::time_point deadline);

    /// Stops renewals for the end, so that only requests in progress are left to wait for.
    void stop_renewing();
    /// Ends requests in progress with an error, and revokes the token, if that is quick.
    void stop();

    /// Notes why the answer of a server is of no use, or by an empty text that it is. ask() notes
    /// its own errors.
    void note(const std::string& trouble);

    const OpenBao& config() const { return config_; }
    /// Returns why no server answered the last time; empty if one did.
    const std::string& trouble() const { return trouble_; }

  private:
    struct Server {
        Server(boost::asio::io_context& loop, boost::asio::ssl::context& context, HttpsUrl url);

        net::HttpsClient peer;
        std::size_t busy = 0;
        Clock::time_point silent_until{};     ///< not checked before this time
        std::string why{};                    ///< why the server was of no use the last time
        Clock::time_point no_report_until{};  ///< not asked for the leader before this time
        std::uint64_t checks = 0;             ///< begun by is_still_active()
        std::uint64_t last_check = 0;         ///< the newest check that has ended
        std::uint64_t active_in_check = 0;    ///< the newest check that found it active
        net::AsyncCondition checked{};

        /// Notes that a server did not answer. A failure at the caller's deadline tells of the
        /// caller, not of the server.
        void note_silence(const Status& error, Clock::time_point deadline);
    };
    using Result = StatusOr<Answer>;
    /// A server's report of the leader.
    struct LeaderReport {
        bool is_self = false;
        std::string leader{};  ///< its address; empty if the server knows of none
        std::string since{};   ///< when it began to lead, if it is the server; RFC 3339
    };

    boost::asio::awaitable<Result> ask_as_role(net::HttpsRequest& request,
                                               Clock::time_point deadline);
    boost::asio::awaitable<Result> ask_any(const net::HttpsRequest& request,
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
    net::HttpsRequest renewal_request() const;
    boost::asio::awaitable<void> revoke();
    boost::asio::awaitable<bool> is_token_known(net::SecretField token, Clock::time_point deadline);
    net::HttpsRequest request_as_role(const char* method, std::string target) const;
    void authorize(net::HttpsRequest& request) const;
    std::string failures_of_servers() const;

    boost::asio::io_context& loop_;
    OpenBao config_;
    std::unique_ptr<boost::asio::ssl::context> context_;
    std::deque<Server> servers_;  ///< never move in memory
    std::size_t preferred_ = 0;
    bool is_active_ = false;         ///< the preferred server was active when last checked
    bool is_finding_ = false;        ///< a search for the active server is in progress
    Clock::time_point looked_at_{};  ///< the last search for the active server
    std::shared_ptr<const SecretBuffer> token_;  ///< null: not logged in
    std::chrono::seconds lease_{};               ///< of the last login or renewal
    std::chrono::seconds first_lease_{};         ///< of the login
    Clock::time_point renew_at_{};               ///< never, if the login does not end
    bool is_renewable_ = false;
    std::uint64_t logins_ = 0;
    /// A denied login, so that its credentials are not sent again and again.
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

/// Checks the files that the configuration names, and the credentials if `with_credentials`:
/// systemd passes these to the agent only. The Status names the key.
Status check_files(const OpenBao& config, bool with_credentials);

/// Returns the errors in an answer of OpenBao.
std::string errors_in(const net::HttpsResponse& answer);

/// Returns whether OpenBao says that the request is larger than it accepts.
bool is_too_large(const net::HttpsResponse& answer);

}  // namespace secrets::openbao
