// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/hub_server.h"

#include <openssl/ssl.h>

#include "agentd/audit/audit_log.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/spawn_request.h"
#include "agentd/server/remote_authenticator.h"

namespace secrets::server {
namespace {

using Tcp = asio::ip::tcp;

constexpr auto kHandshake = std::chrono::seconds(10);
constexpr net::ConnectionLimits::Most kMost{.together = 14000,  // below the unit's LimitNOFILE=
                                            .unproven_of_one_address = 256,
                                            .of_one_caller = 256};

/// Enough handshakes that the processor has work while clients answer, and few enough that the
/// first clients of a crowd don't wait for the last. A client that takes longer than kStall to
/// answer does not occupy the processor: others may begin.
constexpr std::size_t kHandshakesAtOnce = 128;
constexpr auto kStall = std::chrono::milliseconds(10);

const std::string kTooSlow = "no TLS handshake within " + std::to_string(kHandshake.count()) + " s";

std::string address_text(const Tcp::endpoint& endpoint) {
    const auto address = endpoint.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}

std::string why_no_handshake(SSL* connection, const ErrorCode& error) {
    if (error == beast::error::timeout) return kTooSlow;
    return net::rejected_certificate(connection)
        .value_or("TLS 1.3 handshake failed: " + error.message());
}

}  // namespace

HubServer::HubServer(asio::io_context& loop, UniqueFd listener,
                     std::shared_ptr<asio::ssl::context> context, service::Services& services,
                     std::vector<api::Route> routes, service::SharedStore* shared)
    : loop_(loop),
      services_(services),
      context_(std::move(context)),
      registry_{api::Router(services, std::move(routes), nullptr, shared), services.context.bodies},
      limits_(kMost, [this](const std::string& address,
                            const std::string& why) { refusals_.note(address, why); }),
      queue_(
          loop, {kHandshakesAtOnce, kHandshake, kStall},
          [this](net::HandshakeLimiter::Client client, net::HandshakeLimiter::Slot slot) {
              serve_in_turn(std::move(client), std::move(slot));
          },
          [this](const std::string& address) { refusals_.note(address, kTooSlow); }),
      listener_(loop, std::move(listener), "hub listener",
                [this](UniqueFd fd) { take(std::move(fd)); }) {
    look_at_certificate();
}

void HubServer::set_context(std::shared_ptr<asio::ssl::context> context) {
    context_ = std::move(context);
    look_at_certificate();
}

/// Logs that the certificate is out of date; the hub still serves clients that accept it.
void HubServer::look_at_certificate() const {
    const Status why = net::check_valid_now(*context_);
    if (why.ok()) return;
    audit::report_problem("listen.certificate: clients will reject this hub's certificate: " +
                          why.message() + "; replace the file and reload");
}

asio::awaitable<void> HubServer::check_munge() {
    static_cast<void>(co_await munge_.encode("check"));
}

void HubServer::stop() {
    listener_.stop();
    registry_.stop();
}

void HubServer::end_silent() {
    registry_.end_silent();
    queue_.stop();
    for (Transport* transport : shaking_hands_) transport->close();
}

void HubServer::abort() {
    registry_.abort();
    queue_.stop();
    for (Transport* transport : shaking_hands_) transport->close();
}

void HubServer::take(UniqueFd fd) {
    Tcp::endpoint peer;
    socklen_t length = static_cast<socklen_t>(peer.capacity());
    if (getpeername(fd.get(), peer.data(), &length) != 0) return;
    peer.resize(length);
    const std::string address = address_text(peer);
    auto counted = limits_.admit(address);
    if (!counted) return refusals_.note(address, counted.status().message());
    Tcp::socket socket(loop_);
    socket.assign(peer.protocol(), fd.get());
    fd.release();  // only now: assign() throws if the loop can't accept the socket
    queue_.add(net::HandshakeLimiter::Client(std::move(socket), std::move(counted).value()));
}

void HubServer::serve_in_turn(net::HandshakeLimiter::Client client,
                              net::HandshakeLimiter::Slot slot) {
    const auto label = std::make_shared<RequestLabel>();
    label->caller = client.counted.address();
    spawn_request(loop_, serve(std::move(client), std::move(slot), label),
                  report_failure("hub listener", label));
}

asio::awaitable<void> HubServer::serve(net::HandshakeLimiter::Client client,
                                       net::HandshakeLimiter::Slot slot,
                                       std::shared_ptr<RequestLabel> label) {
    const std::string& address = client.counted.address();
    Tcp::socket& socket = client.socket;
    ErrorCode error;
    socket.set_option(Tcp::no_delay(true), error);
    socket.set_option(asio::socket_base::keep_alive(true), error);
    const auto context = context_;
    TlsStream stream(Transport(std::move(socket)), *context);
    client.counted.follow(stream.next_layer().socket());  // which stays when the stream is moved
    const bool shaken = co_await shake_hands(stream, address, std::move(slot));
    if (!shaken) {
        stream.next_layer().close();  // its timers would keep the loop running
        co_return;
    }
    const auto note = [this, &address](const std::string& why) { refusals_.note(address, why); };
    RemoteAuthenticator check(services_, munge_, context, client.counted,
                              net::names_of_peer(stream.native_handle()), takes_host_certificates_,
                              note);
    HttpSessionOn<TlsStream> connection(registry_, std::move(stream), check, std::move(label));
    co_await connection.run();
}

asio::awaitable<bool> HubServer::shake_hands(TlsStream& stream, const std::string& address,
                                             net::HandshakeLimiter::Slot /*until it ends*/) {
    Transport* const transport = &stream.next_layer();
    shaking_hands_.insert(transport);
    const ScopeExit no_more([this, transport] { shaking_hands_.erase(transport); });
    ErrorCode error;
    transport->expires_after(kHandshake);
    co_await stream.async_handshake(TlsStream::server, into(error));
    if (!error) co_return true;
    // A client that only probed the port, or came during the shutdown, was denied nothing.
    const bool went = error == asio::ssl::error::stream_truncated || error == asio::error::eof ||
                      error == asio::error::connection_reset || error == asio::error::broken_pipe ||
                      error == asio::error::operation_aborted;
    if (went) co_return false;
    refusals_.note(address, why_no_handshake(stream.native_handle(), error));
    co_return false;
}

}  // namespace secrets::server
