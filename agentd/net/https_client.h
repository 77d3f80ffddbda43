// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sends requests to one server over connections that are reused.

#include <functional>
#include <set>

#include "agentd/net/https_connection.h"

namespace secrets::net {

/// A client of one server. Must outlive the loop's run.
class HttpsClient {
  public:
    using Clock = HttpsConnection::Clock;

    /// Makes the authorization of a request. Called each time that the request is sent, when there
    /// is a connection to send it on.
    using Authorize = std::function<asio::awaitable<StatusOr<std::string>>(
        const HttpsUrl& url, const HttpsRequest& request)>;

    /// The times at which a request is given up: without a connection, and without an answer.
    struct Until {
        Clock::time_point connected;
        Clock::time_point answered;
    };

    /// `context` must outlive the client, which reuses at most `most_idle` idle connections.
    HttpsClient(boost::asio::io_context& loop, boost::asio::ssl::context& context, HttpsUrl url,
                std::size_t most_idle, Authorize authorize)
        : loop_(loop),
          context_(context),
          url_(std::move(url)),
          most_idle_(most_idle),
          authorize_(std::move(authorize)) {}

    /// Sends a request on an idle connection. If that breaks, sends it on another one, so that the
    /// server may execute the request twice. An error has the code `unavailable` if the server may
    /// have executed the request.
    asio::awaitable<Status> ask(const HttpsRequest& request, HttpsResponse& answer, Until until);

    /// Sends a request at most once, on a connection of its own.
    asio::awaitable<Status> ask_once(const HttpsRequest& request, HttpsResponse& answer,
                                     Until until);

    /// Checks whether a connection to the server can be made.
    asio::awaitable<Status> reach(Clock::time_point until);

    /// Ends requests in progress with an error, and reuses no connection from now on.
    void stop();

    const HttpsUrl& url() const { return url_; }
    /// Returns the end of the validity of the certificate that the server showed last.
    std::optional<std::chrono::sys_seconds> certificate_end() const { return certificate_end_; }

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
    std::optional<std::chrono::sys_seconds> certificate_end_{};
    bool stopped_ = false;
};

}  // namespace secrets::net
