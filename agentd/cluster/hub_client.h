#pragma once
// How a node asks its hubs: in order, over connections that are kept, until one has answered.

#include <boost/asio/steady_timer.hpp>
#include <random>
#include <set>
#include <vector>

#include "agentd/cluster/https_connection.h"
#include "agentd/cluster/munge.h"

namespace secrets::cluster {

/// Must outlive the loop's run.
class HubClient {
  public:
    using Clock = std::chrono::steady_clock;

    HubClient(boost::asio::io_context& loop, const Hub& hub,
              std::unique_ptr<boost::asio::ssl::context> context);

    /// Asks the hub that answered last, then the others, and all again until the deadline, with
    /// pauses that grow and differ from node to node. The Error says what each of them said. An
    /// answer of 503 is passed on when no other hub has a better one.
    boost::asio::awaitable<std::variant<HttpsAnswer, Error>> ask(HttpsRequest request,
                                                                 Clock::time_point deadline);

    /// The host that the hub which answered last has in its URL.
    const std::string& host() const { return urls_[preferred_].host; }

    /// Another hub is now the one that answered last.
    struct Moved {};

    /// Sends a request that has an authorization, once and to the hub that answered last: a
    /// credential is for one hub and good once. Where no answer comes, and another hub can be
    /// reached, that one is the next to be asked.
    boost::asio::awaitable<std::variant<HttpsAnswer, Moved, Error>> pass_on(
        HttpsRequest request, Clock::time_point deadline);

    /// Ends what is being asked, with an Error.
    void stop();

    const std::vector<HttpsUrl>& urls() const { return urls_; }

  private:
    struct HubState {
        std::vector<std::unique_ptr<HttpsConnection>> idle;
        TlsSession session{nullptr, &SSL_SESSION_free};
    };

    boost::asio::awaitable<Failure> ask_one(std::size_t which, const HttpsRequest& request,
                                            HttpsAnswer& answer, Clock::time_point deadline);
    boost::asio::awaitable<Failure> ask_on(HttpsConnection& connection, std::size_t which,
                                           bool is_new, const HttpsRequest& request,
                                           HttpsAnswer& answer, Clock::time_point deadline);
    boost::asio::awaitable<Failure> reach(HttpsConnection& connection, std::size_t which,
                                          Clock::time_point deadline);
    boost::asio::awaitable<Failure> send_once(std::size_t which, const HttpsRequest& request,
                                              HttpsAnswer& answer, Clock::time_point deadline);
    boost::asio::awaitable<void> pause(Clock::duration duration);
    Clock::duration pause_after(unsigned round);

    boost::asio::io_context& loop_;
    std::vector<HttpsUrl> urls_;
    std::unique_ptr<boost::asio::ssl::context> context_;
    Munge munge_;
    std::vector<HubState> hubs_;  ///< at the place of its URL
    std::set<HttpsConnection*> busy_;
    std::set<boost::asio::steady_timer*> pauses_;
    std::size_t preferred_ = 0;
    std::minstd_rand random_;
    bool stopped_ = false;
};

}  // namespace secrets::cluster
