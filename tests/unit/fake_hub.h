// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hub that answers as a test wants, over TLS on 127.0.0.1.

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "agentd/config/config.h"
#include "agentd/net/asio.h"
#include "tests/unit/certificates.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {

/// A certificate of 127.0.0.1, which is its own CA.
class LoopbackCertificate {
  public:
    LoopbackCertificate() {
        write_certificate(file(), made_.certificate);
        write_key(key_file(), made_.key);
    }
    std::string file() const { return folder_.file("cert.pem"); }
    std::string key_file() const { return folder_.file("key.pem"); }
    const SelfSigned& made() const { return made_; }

  private:
    TemporaryFolder folder_;
    SelfSigned made_ = make_certificate({{GEN_IPADD, {127, 0, 0, 1}}});
};

inline HttpsUrl loopback_url(std::uint16_t port) {
    return {"https://127.0.0.1:" + std::to_string(port), "127.0.0.1", port};
}

class FakeHub {
  public:
    using Request = boost::beast::http::request<boost::beast::http::string_body>;
    using Response = boost::beast::http::response<boost::beast::http::string_body>;

    /// Listens at once, and serves in `loop` until stop(). Must outlive the loop's last turn.
    FakeHub(EventLoop& loop, const LoopbackCertificate& certificate)
        : acceptor_(loop.io, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)),
          port_(acceptor_.local_endpoint().port()) {
        SSL_CTX_use_certificate(context_.native_handle(), certificate.made().certificate.get());
        SSL_CTX_use_PrivateKey(context_.native_handle(), certificate.made().key.get());
        boost::asio::co_spawn(loop.io, accept(), boost::asio::detached);
    }

    HttpsUrl url() const { return loopback_url(port_); }
    /// Closes all connections, and accepts no more.
    void stop() {
        acceptor_.close();
        close_connections();
    }
    void close_connections() {
        ErrorCode ignored;
        for (const auto& stream : streams_) stream->next_layer().close(ignored);
    }

    /// Makes the response to a request. Not called while the hub is silent.
    std::function<void(const Request&, Response&)> answer = [](const Request&, Response&) {};
    bool is_silent = false;  ///< it reads requests, and answers none
    std::vector<Request> asked;

  private:
    using Tcp = boost::asio::ip::tcp;
    using Stream = boost::asio::ssl::stream<Tcp::socket>;

    boost::asio::awaitable<void> accept() {
        ErrorCode error;
        while (!error) {
            auto socket = co_await acceptor_.async_accept(into(error));
            if (error) co_return;
            auto stream = std::make_shared<Stream>(std::move(socket), context_);
            streams_.push_back(stream);
            boost::asio::co_spawn(acceptor_.get_executor(), serve(std::move(stream)),
                                  boost::asio::detached);
        }
    }
    boost::asio::awaitable<void> serve(std::shared_ptr<Stream> stream) {
        namespace http = boost::beast::http;
        ErrorCode error;
        co_await stream->async_handshake(Stream::server, into(error));
        boost::beast::flat_buffer buffer;
        while (!error) {
            Request request;
            co_await http::async_read(*stream, buffer, request, into(error));
            if (error) co_return;
            asked.push_back(request);
            if (is_silent) continue;
            Response response(http::status::ok, 11);
            answer(asked.back(), response);
            if (response.result_int() != 304) response.prepare_payload();
            co_await http::async_write(*stream, response, into(error));
        }
    }

    boost::asio::ssl::context context_{boost::asio::ssl::context::tls_server};
    Tcp::acceptor acceptor_;
    std::uint16_t port_;
    std::vector<std::shared_ptr<Stream>> streams_;
};

/// Sets a response to problem JSON with this detail.
inline void deny(FakeHub::Response& response, unsigned status, const std::string& detail) {
    response.result(status);
    response.set(boost::beast::http::field::content_type, "application/problem+json");
    response.body() = R"({"detail":")" + detail + R"("})";
}

}  // namespace secrets
