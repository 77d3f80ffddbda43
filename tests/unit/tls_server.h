// SPDX-License-Identifier: Apache-2.0
#pragma once
// A TLS server on the loopback interface, for tests of clients.

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agentd/config/config.h"
#include "agentd/net/asio.h"
#include "tests/unit/certificates.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {

inline HttpsUrl loopback_url(std::uint16_t port) {
    return {"https://127.0.0.1:" + std::to_string(port), "127.0.0.1", port};
}

/// Accepts connections at a port of its own. Must outlive the loop's run.
class TlsServer {
  public:
    using Tcp = asio::ip::tcp;
    using Stream = asio::ssl::stream<Tcp::socket>;
    /// Serves one connection, which is closed when the coroutine returns.
    using Serve = std::function<asio::awaitable<void>(Stream& stream)>;

    TlsServer(asio::io_context& loop, Serve serve,
              const SelfSigned& own = make_certificate({{GEN_IPADD, {127, 0, 0, 1}}}))
        : serve_(std::move(serve)),
          acceptor_(loop, Tcp::endpoint(asio::ip::address_v4::loopback(), 0)) {
        write_certificate(ca(), own.certificate);
        SSL_CTX_use_certificate(context_.native_handle(), own.certificate.get());
        SSL_CTX_use_PrivateKey(context_.native_handle(), own.key.get());
        asio::co_spawn(loop, accept(), asio::detached);
    }

    /// Returns the file of the CA that the server's certificate is of.
    std::string ca() const { return folder_.file("ca.pem"); }
    HttpsUrl url() const { return loopback_url(port_); }
    /// Returns the number of TLS handshakes that succeeded.
    std::size_t connections() const { return connections_; }
    void stop() { acceptor_.close(); }
    void close_connections() {
        ErrorCode ignored;
        for (const auto& each : streams_) {
            if (const auto stream = each.lock()) stream->next_layer().close(ignored);
        }
    }

  private:
    asio::awaitable<void> accept() {
        ErrorCode error;
        while (!error) {
            auto socket = co_await acceptor_.async_accept(into(error));
            if (error) co_return;
            const auto stream = std::make_shared<Stream>(std::move(socket), context_);
            streams_.push_back(stream);
            asio::co_spawn(acceptor_.get_executor(), shake_hands(stream), asio::detached);
        }
    }
    asio::awaitable<void> shake_hands(std::shared_ptr<Stream> stream) {
        ErrorCode error;
        co_await stream->async_handshake(Stream::server, into(error));
        if (error) co_return;
        ++connections_;
        co_await serve_(*stream);
    }

    TemporaryFolder folder_;
    Serve serve_;
    asio::ssl::context context_{asio::ssl::context::tls_server};
    Tcp::acceptor acceptor_;
    std::uint16_t port_ = acceptor_.local_endpoint().port();
    std::vector<std::weak_ptr<Stream>> streams_;
    std::size_t connections_ = 0;
};

}  // namespace secrets
