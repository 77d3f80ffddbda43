// SPDX-License-Identifier: Apache-2.0
// The servers and clients with which tests/bench/hub measures a hub.
// usage: hub_load view SOCKET
//            a slurm-secrets-view that places every job on the asking node, with the delay of a
//            request to slurmctld
//        hub_load bare PORT CERTIFICATE KEY
//            a bare TLS 1.3 server, which sends an empty answer to every request
//        hub_load at-once PORT CA NODES first|resumed
//            NODES nodes connect together, each from its own address, and request grants for one
//            job
//        hub_load idle PORT CA NODES
//            the same, and holds the connections open until standard input ends
//        hub_load grants PORT CA CLIENTS REQUESTS
//        hub_load pushes PORT CA CLIENTS REQUESTS
//        hub_load local-pushes SOCKET CLIENTS REQUESTS
//        hub_load local METHOD TARGET BODY SOCKET CLIENTS REQUESTS
//            each of the clients makes its part of the requests on one connection
// A client prints the seconds that it took, the number of retries, and the last reason for a retry.
// The requests, with a credential for each, are made before the measurement.

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <boost/asio.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "common/auth/hub_request.h"
#include "common/auth/munge_credential.h"
#include "common/auth/sha256.h"
#include "common/base/limits.h"
#include "common/base/text_encoding.h"
#include "common/ipc/slurm_query_protocol.h"
#include "common/ipc/unix_socket.h"

namespace {

using namespace secrets;
namespace asio = boost::asio;
namespace ssl = asio::ssl;
namespace beast = boost::beast;
namespace http = beast::http;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;
using ErrorCode = boost::system::error_code;
using Clock = std::chrono::steady_clock;

constexpr const char* kHub = "127.0.0.1";
constexpr const char* kOwner = "1001";  ///< alice
constexpr auto kSlurmctld =
    std::chrono::microseconds(1600);  ///< slurm_load_job() of a small cluster

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "hub_load: %s\n", what.c_str());
    std::exit(1);
}

auto into(ErrorCode& error) {
    return asio::redirect_error(asio::use_awaitable, error);
}

// ---- the servers ----

[[noreturn]] void be_the_view(const std::string& socket) {
    const auto soon = [] { return Deadline::in(std::chrono::seconds(5)); };
    auto listener = listen_at(socket, SocketKind::seqpacket, 0600);
    if (!listener) fail(listener.status().message());
    fcntl(listener->get(), F_SETFL, fcntl(listener->get(), F_GETFL) & ~O_NONBLOCK);
    std::vector<std::byte> buffer(kMaxQueryMessageBytes);
    while (true) {
        const UniqueFd connection(accept(listener->get(), nullptr, nullptr));
        const auto packet = receive_packet(connection.get(), buffer, soon());
        if (!packet) continue;
        const auto request = slurm_query::decode_request(std::span(buffer).first(packet->size));
        const auto* places =
            request ? std::get_if<slurm_query::PlacementsRequest>(&*request) : nullptr;
        if (places == nullptr) continue;
        slurm_query::Verdicts verdicts;
        verdicts.verdicts.assign(places->places.size(), slurm_query::Verdict::runs_there);
        const slurm_query::Reply reply = std::move(verdicts);
        std::this_thread::sleep_for(kSlurmctld);
        if (!send_packet(connection.get(), slurm_query::encode(reply), soon()).ok()) continue;
    }
}

asio::awaitable<void> answer_with_nothing(Tcp::socket socket, ssl::context& context) {
    static constexpr std::string_view kNothing = "HTTP/1.1 204 No Content\r\n\r\n";
    ssl::stream<Tcp::socket> stream(std::move(socket), context);
    ErrorCode error;
    co_await stream.async_handshake(ssl::stream_base::server, into(error));
    std::vector<char> buffer(2048);
    while (!error) {
        co_await stream.async_read_some(asio::buffer(buffer), into(error));
        if (error) co_return;
        co_await asio::async_write(stream, asio::buffer(kNothing), into(error));
    }
}

asio::awaitable<void> be_bare(Tcp::acceptor& acceptor, ssl::context& context) {
    while (true) {
        Tcp::socket socket = co_await acceptor.async_accept(asio::use_awaitable);
        socket.set_option(Tcp::no_delay(true));
        asio::co_spawn(acceptor.get_executor(), answer_with_nothing(std::move(socket), context),
                       asio::detached);
    }
}

void serve_bare(unsigned short port, const char* certificate, const char* key) {
    asio::io_context loop(1);
    ssl::context context(ssl::context::tls_server);
    SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_3_VERSION);
    SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context.native_handle(), SSL_SESS_CACHE_OFF);
    context.use_certificate_chain_file(certificate);
    context.use_private_key_file(key, ssl::context::pem);
    Tcp::acceptor acceptor(loop);
    acceptor.open(Tcp::v4());
    acceptor.set_option(Tcp::acceptor::reuse_address(true));
    acceptor.bind({asio::ip::make_address(kHub), port});
    acceptor.listen(4096);
    asio::co_spawn(loop, be_bare(acceptor, context), asio::detached);
    loop.run();
}

// ---- requests ----

using Request = http::request<http::string_body>;

std::string credential_for(const Request& request) {
    const Digest digest = sha256_of(std::as_bytes(std::span(request.body())));
    const std::string payload = print_hub_request({kHub, std::string(request.method_string()),
                                                   std::string(request.target()), to_hex(digest)});
    const auto credential = make_munge_credential(payload);
    if (!credential) fail("munge: " + credential.status().message());
    return "Munge " + *credential;
}

Request make(http::verb method, const std::string& target, std::string body) {
    Request request(method, target, 11);
    request.set(http::field::host, kHub);
    request.set(http::field::content_type, "application/json");
    request.body() = std::move(body);
    request.prepare_payload();
    return request;
}

Request ask_of(std::size_t node) {
    Request request =
        make(http::verb::post, "/v1/grants",
             R"({"job":7,"step":0,"uid":)" + std::string(kOwner) + R"(,"node":"n)" +
                 std::to_string(node) + R"(","ask":"run:bench","wait_ms":0,"patience_ms":60000})");
    request.set(http::field::authorization, credential_for(request));
    return request;
}

Request push_of(std::size_t number, bool with_credential) {
    std::string values;
    for (int i = 0; i < 10; ++i) {
        values += (i == 0 ? "" : ",") + ("\"SECRET_" + std::to_string(i)) + "\":\"" +
                  std::string(64, 'x') + '"';
    }
    Request request = make(http::verb::put, "/v1/runs/push-" + std::to_string(number % 500),
                           R"({"owner":"alice","user":{)" + values + "}}");
    if (with_credential) request.set(http::field::authorization, credential_for(request));
    return request;
}

template <typename Make>
std::vector<Request> make_all(std::size_t count, Make make_one) {
    std::vector<Request> all;
    all.reserve(count);
    for (std::size_t i = 0; i < count; ++i) all.push_back(make_one(i));
    return all;
}

// ---- the clients ----

using TlsStream = ssl::stream<Tcp::socket>;
using Session = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

struct Load {
    asio::io_context loop{1};
    ssl::context context{ssl::context::tls_client};
    Tcp::endpoint hub;
    Session session{nullptr, &SSL_SESSION_free};
    std::size_t retries = 0;
    std::string last_error;
    std::minstd_rand random{std::random_device()()};

    Load(const char* port, const char* ca)
        : hub(asio::ip::make_address(kHub), static_cast<unsigned short>(std::stoul(port))) {
        SSL_CTX_set_min_proto_version(context.native_handle(), TLS1_3_VERSION);
        SSL_CTX_set_mode(context.native_handle(), SSL_MODE_RELEASE_BUFFERS);
        context.load_verify_file(ca);
        context.set_verify_mode(ssl::verify_peer);
    }
};

/// Returns the status of the answer; 0: no answer came.
template <typename Stream>
asio::awaitable<unsigned> exchange(Stream& stream, const Request& request, ErrorCode& error) {
    co_await http::async_write(stream, request, into(error));
    if (error) co_return 0;
    beast::flat_buffer buffer;
    http::response<http::string_body> answer;
    co_await http::async_read(stream, buffer, answer, into(error));
    co_return error ? 0 : answer.result_int();
}

asio::awaitable<ErrorCode> open(Load& load, TlsStream& stream, std::size_t number) {
    ErrorCode error;
    auto& socket = stream.next_layer();
    socket.open(Tcp::v4(), error);
    // 127.1.0.1, 127.1.0.2 …: a hub accepts few connections from one address.
    const auto address = asio::ip::address_v4(
        static_cast<std::uint32_t>(0x7f010001 + number / 250 * 256 + number % 250));
    if (!error) socket.bind({address, 0}, error);
    if (error) co_return error;
    co_await socket.async_connect(load.hub, into(error));
    if (error) co_return error;
    socket.set_option(Tcp::no_delay(true), error);
    if (load.session) {
        const Session copy(SSL_SESSION_dup(load.session.get()), &SSL_SESSION_free);
        SSL_set_session(stream.native_handle(), copy.get());
    }
    co_await stream.async_handshake(ssl::stream_base::client, into(error));
    co_return error;
}

/// Connects and sends the request, and retries until the answer comes. The hub uses up a
/// credential, so a failed request is repeated with another one.
asio::awaitable<void> be_a_node(Load& load, std::size_t number, Request request,
                                std::vector<std::unique_ptr<TlsStream>>* kept) {
    while (true) {
        auto stream = std::make_unique<TlsStream>(load.loop, load.context);
        ErrorCode error = co_await open(load, *stream, number);
        unsigned status = 0;
        if (!error) status = co_await exchange(*stream, request, error);
        if (status == 200 || status == 204) {
            if (!load.session && kept == nullptr && number == 0) {
                // Copies the session, as in open(): OpenSSL spoils the session of a connection that
                // is not shut down.
                load.session.reset(SSL_SESSION_dup(SSL_get0_session(stream->native_handle())));
            }
            if (kept != nullptr) kept->push_back(std::move(stream));
            co_return;
        }
        ++load.retries;
        load.last_error = error ? error.message() : "status " + std::to_string(status);
        if (load.retries > 100000) fail("nothing works: " + load.last_error);
        stream.reset();
        request.set(http::field::authorization, credential_for(request));
        std::uniform_int_distribution<int> pause(100, 400);
        asio::steady_timer timer(load.loop, std::chrono::milliseconds(pause(load.random)));
        co_await timer.async_wait(into(error));
    }
}

double run(asio::io_context& loop) {
    const auto began = Clock::now();
    loop.restart();
    loop.run();
    return std::chrono::duration<double>(Clock::now() - began).count();
}

void print(double seconds, std::size_t retries, const std::string& why) {
    std::printf("%.6f %zu %s\n", seconds, retries, why.c_str());
    std::fflush(stdout);
}

void ask_at_once(Load& load, std::size_t nodes, bool resumed, bool keep) {
    std::vector<std::unique_ptr<TlsStream>> kept;
    if (resumed) {
        asio::co_spawn(load.loop, be_a_node(load, 0, ask_of(0), nullptr), asio::detached);
        run(load.loop);
        if (!load.session || SSL_SESSION_is_resumable(load.session.get()) != 1) {
            fail("the server gives no session that can be resumed");
        }
    }
    auto requests = make_all(nodes, ask_of);
    kept.reserve(nodes);
    for (std::size_t i = 0; i < nodes; ++i) {
        asio::co_spawn(load.loop, be_a_node(load, i, std::move(requests[i]), &kept),
                       asio::detached);
    }
    const double seconds = run(load.loop);
    std::size_t reused = 0;
    for (const auto& stream : kept) reused += SSL_session_reused(stream->native_handle()) == 1;
    if (reused != (resumed ? nodes : 0)) fail(std::to_string(reused) + " sessions were resumed");
    print(seconds, load.retries, load.last_error);
    if (keep) std::cin.get();
}

template <typename Stream>
asio::awaitable<void> make_requests(Stream& stream, const std::vector<Request>& requests,
                                    std::size_t first, std::size_t step) {
    for (std::size_t i = first; i < requests.size(); i += step) {
        ErrorCode error;
        const unsigned status = co_await exchange(stream, requests[i], error);
        if (status < 200 || status >= 300) {
            fail("status " + std::to_string(status) + ": " + error.message());
        }
    }
}

void request_kept_alive(Load& load, std::size_t clients, const std::vector<Request>& requests) {
    std::vector<std::unique_ptr<TlsStream>> streams;
    for (std::size_t i = 0; i < clients; ++i) {
        asio::co_spawn(load.loop, be_a_node(load, i, ask_of(i), &streams), asio::detached);
    }
    run(load.loop);
    for (std::size_t i = 0; i < clients; ++i) {
        asio::co_spawn(load.loop, make_requests(*streams[i], requests, i, clients), asio::detached);
    }
    print(run(load.loop), load.retries, load.last_error);
}

void request_locally(const char* socket, std::size_t clients,
                     const std::vector<Request>& requests) {
    asio::io_context loop(1);
    std::vector<std::unique_ptr<Local::socket>> streams;
    for (std::size_t i = 0; i < clients; ++i) {
        streams.push_back(std::make_unique<Local::socket>(loop));
        streams.back()->connect(Local::endpoint(socket));
        asio::co_spawn(loop, make_requests(*streams[i], requests, i, clients), asio::detached);
    }
    print(run(loop), 0, "");
}

}  // namespace

int main(int argc, char** argv) {
    const std::vector<std::string> words(argv + 1, argv + argc);
    const auto number = [&](std::size_t i) -> std::size_t { return std::stoul(words.at(i)); };
    try {
        const std::string& what = words.at(0);
        if (what == "view") be_the_view(words.at(1));
        if (what == "bare") {
            serve_bare(static_cast<unsigned short>(number(1)), words.at(2).c_str(),
                       words.at(3).c_str());
            return 0;
        }
        if (what == "local-pushes") {
            request_locally(words.at(1).c_str(), number(2),
                            make_all(number(3), [](std::size_t i) { return push_of(i, false); }));
            return 0;
        }
        if (what == "local") {
            const Request same = make(http::string_to_verb(words.at(1)), words.at(2), words.at(3));
            request_locally(words.at(4).c_str(), number(5),
                            make_all(number(6), [&](std::size_t) { return same; }));
            return 0;
        }
        Load load(words.at(1).c_str(), words.at(2).c_str());
        if (what == "at-once" || what == "idle") {
            const bool resumed = what == "at-once" && words.at(4) == "resumed";
            ask_at_once(load, number(3), resumed, what == "idle");
        } else if (what == "grants") {
            request_kept_alive(load, number(3),
                               make_all(number(4), [](std::size_t i) { return ask_of(i % 64); }));
        } else if (what == "pushes") {
            request_kept_alive(load, number(3),
                               make_all(number(4), [](std::size_t i) { return push_of(i, true); }));
        } else {
            fail("there is no " + what);
        }
    } catch (const std::exception& error) {
        fail(error.what());
    }
    return 0;
}
