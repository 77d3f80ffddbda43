// SPDX-License-Identifier: Apache-2.0
#pragma once
// How a node asks its hubs: in order, over connections that are kept, until one has answered.

#include <deque>

#include "agentd/auth/munge.h"
#include "agentd/net/backoff.h"
#include "agentd/net/https_client.h"

namespace secrets::node {

/// Must outlive the loop's run.
class HubClient {
  public:
    using Clock = std::chrono::steady_clock;

    HubClient(boost::asio::io_context& loop, const Hub& hub,
              std::unique_ptr<boost::asio::ssl::context> context);

    using Told = StatusOr<net::HttpsResponse>;

    /// Asks the hub that answered last, then the others, and all again until the deadline, with
    /// pauses that grow and differ from node to node. Each has its share of the time, so that one
    /// that is silent does not cost the others theirs. The Status says what each of them said. An
    /// answer of 503 is passed on when no other hub has a better one.
    boost::asio::awaitable<Told> ask(net::HttpsRequest request, Clock::time_point deadline);

    /// What each hub has of the time in which all are to be asked.
    Clock::duration share_of(Clock::duration time) const {
        return time / static_cast<int>(hubs_.size());
    }

    /// Asks one hub, by its place in the configuration.
    boost::asio::awaitable<Told> ask_hub(std::size_t which, net::HttpsRequest request,
                                         Clock::time_point deadline);
    std::size_t hubs() const { return hubs_.size(); }
    /// The one that answered last.
    std::size_t preferred() const { return preferred_; }

    /// The host that the hub which answered last has in its URL.
    const std::string& host() const { return hubs_[preferred_].url().host; }

    /// Another hub is now the one that answered last.
    struct Moved {};

    /// Sends a request that has an authorization, once and to the hub that answered last: a
    /// credential is for one hub and good once. Where no answer comes, and another hub can be
    /// reached, that one is the next to be asked.
    boost::asio::awaitable<std::variant<net::HttpsResponse, Moved, Status>> pass_on(
        net::HttpsRequest request, Clock::time_point deadline);

    /// Ends what is being asked, with an Error.
    void stop();

  private:
    boost::asio::awaitable<StatusOr<std::string>> authorize(const HttpsUrl& url,
                                                            const net::HttpsRequest& request);
    net::HttpsClient::Until until(const net::HttpsRequest& request,
                                  Clock::time_point deadline) const;

    std::unique_ptr<boost::asio::ssl::context> context_;
    auth::Munge munge_;
    net::Backoff pauses_;
    std::deque<net::HttpsClient> hubs_;  ///< as in the configuration
    std::size_t preferred_ = 0;
    bool stopped_ = false;
};

}  // namespace secrets::node
