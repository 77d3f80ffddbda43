// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server that is asked again and again, over connections that are kept.

#include <functional>
#include <set>

#include "agentd/net/https_connection.h"

namespace secrets::net {

/// Must outlive the loop's run.
class HttpsClient {
  public:
    using Clock = HttpsConnection::Clock;

    /// What a request is authorized by. Made for each time that it is sent, when there is a
    /// connection to send it on.
    using Authorize = std::function<asio::awaitable<StatusOr<std::string>>(
        const HttpsUrl& url, const HttpsRequest& request)>;

    /// When it is given up: no connection, no answer.
    struct Until {
        Clock::time_point connected;
        Clock::time_point answered;
    };

    /// `context` must outlive it. `most_idle`: connections that are kept.
    HttpsClient(boost::asio::io_context& loop, boost::asio::ssl::context& context, HttpsUrl url,
                std::size_t most_idle, Authorize authorize)
        : loop_(loop),
          context_(context),
          url_(std::move(url)),
          most_idle_(most_idle),
          authorize_(std::move(authorize)) {}

    /// On a connection that is kept; where that breaks, on a new one: so what is asked may be done
    /// twice.
    asio::awaitable<Status> ask(const HttpsRequest& request, HttpsResponse& answer, Until until);

    /// On a connection of its own, sent at most once.
    asio::awaitable<Status> ask_once(const HttpsRequest& request, HttpsResponse& answer,
                                     Until until);

    /// Whether a connection can be made to it.
    asio::awaitable<Status> reach(Clock::time_point until);

    /// Ends what is being asked, with an Error, and keeps no connection from now on.
    void stop();

    const HttpsUrl& url() const { return url_; }

  private:
    asio::awaitable<Status> ask_on(HttpsConnection& connection, bool is_new,
                                   const HttpsRequest& request, HttpsResponse& answer, Until until);
    asio::awaitable<Status> open(HttpsConnection& connection, Clock::time_point until);
    std::unique_ptr<HttpsConnection> take_idle();
    void keep(std::unique_ptr<HttpsConnection> connection);

    boost::asio::io_context& loop_;
    boost::asio::ssl::context& context_;
    const HttpsUrl url_;
    const std::size_t most_idle_;
    const Authorize authorize_;
    std::vector<std::unique_ptr<HttpsConnection>> idle_;
    std::set<HttpsConnection*> busy_;
    TlsSession session_{nullptr, &SSL_SESSION_free};
    bool stopped_ = false;
};

}  // namespace secrets::net
