// SPDX-License-Identifier: Apache-2.0
#pragma once
// One connection to a server over TLS, to a hub or to OpenBao, and the HTTP on it.

#include <openssl/ssl.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "agentd/config/config.h"
#include "agentd/net/asio.h"
#include "common/secure_memory/wipe.h"

namespace secrets::net {

using HttpsFields = std::vector<std::pair<std::string, std::string>>;

struct HttpsRequest {
    std::string method;
    std::string target;
    std::string body{};  ///< JSON without a value
    std::string if_none_match{};
    /// How long the server may keep the request waiting beside what it takes to answer.
    std::chrono::milliseconds wait{};

    // Of a request that is passed on for somebody else:
    std::string authorization{};  ///< where it is empty, this agent's own credential is sent
    std::string content_type{};
    std::string if_match{};
    SecretBuffer secret{};  ///< the body where it may hold values; `body` is empty then
    HttpsFields fields{};   ///< further ones
};

struct HttpsResponse {
    unsigned status = 0;
    std::string etag{};
    std::string note{};    ///< for the job
    std::string detail{};  ///< of an answer that is a problem
    SecretBuffer body{};
    std::string content_type{};
    std::string allow{};
    std::optional<std::chrono::seconds> retry_after{};
};

/// A session of TLS that a later connection resumes.
using TlsSession = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;
/// OpenSSL does not resume a session whose connection ended without a TLS shutdown, as most do
/// here: each connection has a copy. Null of null.
TlsSession copy_of(const SSL_SESSION* session);

/// The context of all connections to some servers: TLS 1.3 alone, certificates of `ca` (a PEM file;
/// empty: of the system's CAs) alone. The Status names the file and `key`, which names it in the
/// configuration.
StatusOr<std::unique_ptr<boost::asio::ssl::context>> make_client_context(const std::string& ca,
                                                                         const char* key);

/// Every operation has a deadline. After a Status it can't be used any more.
class HttpsConnection {
  public:
    using Clock = std::chrono::steady_clock;

    HttpsConnection(boost::asio::io_context& loop, boost::asio::ssl::context& context)
        : stream_(loop, context) {}

    /// Connects, with a session of before if there is one, and makes sure that it is that server.
    /// The session is its own: others of the same hub may end while this one connects.
    asio::awaitable<Status> open(const HttpsUrl& url, TlsSession session,
                                 Clock::time_point deadline);

    /// One request and its answer. `authorization`: for this request alone; may be empty.
    asio::awaitable<Status> exchange(const HttpsUrl& url, const HttpsRequest& request,
                                     const std::string& authorization, HttpsResponse& answer,
                                     Clock::time_point deadline);

    /// Whether a further request may be made on it: the server keeps it, and has not closed it.
    bool is_alive();
    TlsSession session();
    void cancel() { transport().cancel(); }

  private:
    using Transport = boost::beast::basic_stream<boost::asio::ip::tcp>;

    Transport& transport() { return stream_.next_layer(); }
    asio::awaitable<Status> read_body(
        boost::beast::http::response_parser<boost::beast::http::empty_body>& head,
        SecretBuffer& body);
    asio::awaitable<Status> connect(const HttpsUrl& url, Clock::time_point deadline);

    boost::asio::ssl::stream<Transport> stream_;
    boost::beast::flat_buffer buffer_;
    bool kept_ = true;
};

}  // namespace secrets::net
