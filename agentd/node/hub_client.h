// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sends a node's requests to its hubs, in order and over reused connections, until one answers.

#include <deque>
#include <variant>

#include "agentd/auth/munge.h"
#include "agentd/net/backoff.h"
#include "agentd/net/https_client.h"
#include "agentd/node/hub_contacts.h"

namespace secrets::node {

/// Must outlive the loop's run.
class HubClient {
  public:
    using Clock = std::chrono::steady_clock;

    HubClient(boost::asio::io_context& loop, const Hub& hub,
              std::unique_ptr<boost::asio::ssl::context> context);

    using Result = StatusOr<net::HttpsResponse>;

    /// Asks the hub that answered last, then the others, and repeats until the deadline, with
    /// pauses that grow and differ from node to node. Each hub has its share of the time, so that a
    /// silent hub does not use up the others' shares. The Status lists what each hub said. A
    /// refusal that is not about the grant itself, or a 503, is passed on if no other hub has a
    /// better response; all hubs are asked again unless each of them refused.
    boost::asio::awaitable<Result> ask(net::HttpsRequest request, Clock::time_point deadline);

    /// Returns each hub's share of the time in which all hubs are to be asked.
    Clock::duration share_of(Clock::duration time) const {
        return time / static_cast<int>(hubs_.size());
    }

    /// Asks one hub, by its position in the configuration.
    boost::asio::awaitable<Result> ask_hub(std::size_t which, net::HttpsRequest request,
                                           Clock::time_point deadline);
    std::size_t hubs() const { return hubs_.size(); }
    /// Returns the position of the hub that answered last.
    std::size_t preferred() const { return preferred_; }

    /// Returns the host in the URL of the hub that answered last.
    const std::string& host() const { return hubs_[preferred_].url().host; }

    /// Marks that another hub is now the one that answered last.
    struct Moved {};

    /// Sends a request that has an authorization once, to the hub that answered last: a credential
    /// is for one hub and valid once. If no response comes and another hub can be reached, that
    /// other hub is asked next.
    boost::asio::awaitable<std::variant<net::HttpsResponse, Moved, Status>> pass_on(
        net::HttpsRequest request, Clock::time_point deadline);

    /// Calls munged, so that munge_trouble() is up to date.
    boost::asio::awaitable<void> check_munge();
    /// Returns why munged gave no credential the last time; empty if it gave one.
    const std::string& munge_trouble() const { return munge_.trouble(); }

    std::vector<service::HubContact> contacts() const { return contacts_.describe(); }
    /// Notes why a hub does not serve this host at all; empty: it does.
    void note_refusal(std::size_t hub, const std::string& why) { contacts_.note_refusal(hub, why); }

    /// Ends pending requests with a Status.
    void stop();

  private:
    boost::asio::awaitable<StatusOr<std::string>> authorize(const HttpsUrl& url,
                                                            const net::HttpsRequest& request);
    net::HttpsClient::Until until(const net::HttpsRequest& request,
                                  Clock::time_point deadline) const;
    void note(std::size_t hub, const Status& failure, const net::HttpsResponse& answer);

    std::unique_ptr<boost::asio::ssl::context> context_;
    auth::Munge munge_;
    net::Backoff pauses_;
    std::deque<net::HttpsClient> hubs_;  ///< in the order of the configuration
    HubContacts contacts_;
    std::size_t preferred_ = 0;
    bool stopped_ = false;
};

}  // namespace secrets::node
