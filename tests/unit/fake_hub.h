// SPDX-License-Identifier: Apache-2.0
#pragma once
// A hub that answers as a test wants, over TLS on 127.0.0.1.

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/unit/event_loop.h"
#include "tests/unit/tls_server.h"

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

class FakeHub {
  public:
    using Request = boost::beast::http::request<boost::beast::http::string_body>;
    using Response = boost::beast::http::response<boost::beast::http::string_body>;

    /// Listens at once, and serves in `loop` until stop(). Must outlive the loop's last turn.
    FakeHub(EventLoop& loop, const LoopbackCertificate& certificate)
        : server_(
              loop.io, [this](TlsServer::Stream& stream) { return serve(stream); },
              certificate.made()) {}

    HttpsUrl url() const { return server_.url(); }
    /// Closes all connections, and accepts no more.
    void stop() {
        server_.stop();
        close_connections();
    }
    void close_connections() { server_.close_connections(); }

    /// Makes the response to a request. Not called while the hub is silent.
    std::function<void(const Request&, Response&)> answer = [](const Request&, Response&) {};
    bool is_silent = false;  ///< it reads requests, and answers none
    std::vector<Request> asked;

  private:
    boost::asio::awaitable<void> serve(TlsServer::Stream& stream) {
        namespace http = boost::beast::http;
        ErrorCode error;
        boost::beast::flat_buffer buffer;
        while (!error) {
            http::request_parser<http::string_body> request;
            request.body_limit(boost::none);
            co_await http::async_read(stream, buffer, request, into(error));
            if (error) co_return;
            asked.push_back(request.release());
            if (is_silent) continue;
            Response response(http::status::ok, 11);
            answer(asked.back(), response);
            if (response.result_int() != 304) response.prepare_payload();
            co_await http::async_write(stream, response, into(error));
        }
    }

    TlsServer server_;
};

/// Sets a response to problem JSON with this detail and type.
inline void deny(FakeHub::Response& response, unsigned status, const std::string& detail,
                 const std::string& type = "about:blank") {
    response.result(status);
    response.set(boost::beast::http::field::content_type, "application/problem+json");
    response.body() = R"({"type":")" + type + R"(","detail":")" + detail + R"("})";
}

}  // namespace secrets
