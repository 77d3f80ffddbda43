#include "agentd/doors/tls_door.h"

#include <openssl/ssl.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include "agentd/at_end.h"
#include "agentd/audit/audit.h"
#include "common/hub_request.h"
#include "common/names.h"

namespace secrets::doors {
namespace {

using Tcp = asio::ip::tcp;
using Transport = beast::basic_stream<Tcp>;
using TlsStream = asio::ssl::stream<Transport>;

constexpr auto kHandshake = std::chrono::seconds(10);
constexpr std::size_t kMaxConnections = 14000;     ///< below the unit's LimitNOFILE=
constexpr std::size_t kMaxConnectionsOfOne = 256;  ///< of one address
constexpr auto kRefusalWindow = std::chrono::minutes(1);
constexpr std::size_t kMaxRefusals = 4096;

constexpr std::string_view kScheme = "Munge ";

std::string address_text(const Tcp::endpoint& endpoint) {
    const auto address = endpoint.address();
    if (address.is_v6() && address.to_v6().is_v4_mapped()) {
        return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
    }
    return address.to_string();
}

/// Why a handshake failed: of a certificate that was not taken, what is wrong with it.
std::string why_no_handshake(SSL* connection, const ErrorCode& error) {
    const long verified = SSL_get_verify_result(connection);
    if (verified == X509_V_OK) return error.message();
    return std::string("its certificate is not taken: ") + X509_verify_cert_error_string(verified);
}

}  // namespace

/// Says who makes the requests of one connection.
class TlsDoor::RemoteCaller : public CallerCheck {
  public:
    RemoteCaller(TlsDoor& door, std::shared_ptr<asio::ssl::context> context, std::string address,
                 std::vector<std::string> names)
        : door_(door),
          context_(std::move(context)),
          address_(std::move(address)),
          names_(std::move(names)) {}

    asio::awaitable<std::variant<KnownCaller, HttpAnswer>> caller_of(
        const HttpHead& head) override {
        if (!head.authorization.empty()) co_return co_await by_munge(head);
        co_return by_certificate();
    }

  private:
    std::variant<KnownCaller, HttpAnswer> by_certificate() {
        if (names_.empty()) {
            return refuse(401,
                          "the request says nobody it comes from: a platform shows a client "
                          "certificate, everybody else sends a munge credential");
        }
        for (const std::string& name : names_) {
            const auto caller = desk::Caller::of_certificate(name);
            if (door_.desk_.is_platform(caller)) return KnownCaller{caller, {address_, ""}};
        }
        return refuse(403, "the certificate of " + quoted(names_.front()) +
                               " is of no platform that the hub's configuration lists");
    }

    asio::awaitable<std::variant<KnownCaller, HttpAnswer>> by_munge(const HttpHead& head) {
        if (!head.authorization.starts_with(kScheme)) {
            co_return refuse(401, "the Authorization of a request is Munge and a credential");
        }
        std::string text(head.authorization.substr(kScheme.size()));
        auto decoded = co_await door_.munge_.decode(std::move(text));
        if (const auto* refused = std::get_if<cluster::CredentialRefused>(&decoded)) {
            if (refused->munged_is_away) {
                HttpAnswer answer =
                    problem(503, "munged on the hub can't be asked: " + refused->sentence);
                answer.retry_after = std::chrono::seconds(1);
                co_return answer;
            }
            co_return refuse(401, "the munge credential is not taken: " + refused->sentence);
        }
        co_return bound_to(head, std::get<cluster::Credential>(decoded));
    }

    /// The caller, if the credential was made for this very request.
    std::variant<KnownCaller, HttpAnswer> bound_to(const HttpHead& head,
                                                   const cluster::Credential& credential) {
        const auto made_for = parse_hub_request(credential.payload);
        if (!made_for) return refuse(401, "the munge credential: " + made_for.error().sentence);
        if (!is_certificate_of(*context_, made_for->host)) {
            return refuse(401, "the munge credential was made for the hub " +
                                   quoted(made_for->host) + ", and this hub is another");
        }
        if (made_for->method != head.method || made_for->target != head.target) {
            return refuse(401, "the munge credential was made for another request than this one");
        }
        return KnownCaller{credential.uid, {address_, credential.address}, made_for->body_digest};
    }

    HttpAnswer refuse(unsigned status, const std::string& sentence) {
        door_.note_refusal(address_, sentence);
        return problem(status, sentence);
    }

    TlsDoor& door_;
    std::shared_ptr<asio::ssl::context> context_;
    std::string address_;
    std::vector<std::string> names_;
};

TlsDoor::TlsDoor(asio::io_context& loop, UniqueFd listener,
                 std::shared_ptr<asio::ssl::context> context, desk::Desk& desk, NodeRequests* nodes)
    : loop_(loop),
      desk_(desk),
      context_(std::move(context)),
      hall_{Routes(desk, nodes)},
      listener_(loop, std::move(listener), "hub door",
                [this](UniqueFd fd) { take(std::move(fd)); }) {}

void TlsDoor::stop() {
    listener_.stop();
    hall_.stop();
}

void TlsDoor::take(UniqueFd fd) {
    Tcp::endpoint peer;
    socklen_t length = static_cast<socklen_t>(peer.capacity());
    if (getpeername(fd.get(), peer.data(), &length) != 0) return;
    peer.resize(length);
    const std::string address = address_text(peer);
    const auto found = connections_of_.find(address);
    if (found != connections_of_.end() && found->second >= kMaxConnectionsOfOne) {
        return note_refusal(address, "it has " + std::to_string(found->second) +
                                         " connections open, and no address is given more");
    }
    if (connections_ >= kMaxConnections) {
        return note_refusal(address, "the hub has " + std::to_string(kMaxConnections) +
                                         " connections open, and takes no more");
    }
    asio::co_spawn(loop_, serve(std::move(fd), peer), [](const std::exception_ptr& thrown) {
        if (thrown) audit::trouble("hub door: a request failed and was dropped");
    });
}

asio::awaitable<void> TlsDoor::serve(UniqueFd fd, Tcp::endpoint peer) {
    const std::string address = address_text(peer);
    Tcp::socket socket(loop_);
    socket.assign(peer.protocol(), fd.get());
    fd.release();  // only now: assign() throws where the loop can't take it
    ++connections_of_[address];
    ++connections_;
    const AtEnd count_down([this, &address] {
        --connections_;
        const auto found = connections_of_.find(address);
        if (--found->second == 0) connections_of_.erase(found);
    });
    ErrorCode error;
    socket.set_option(Tcp::no_delay(true), error);
    socket.set_option(asio::socket_base::keep_alive(true), error);
    const auto context = context_;
    TlsStream stream(Transport(std::move(socket)), *context);
    stream.next_layer().expires_after(kHandshake);
    co_await stream.async_handshake(TlsStream::server, into(error));
    if (error) {
        stream.next_layer().close();
        // Who only looked whether somebody is there was refused nothing.
        if (error == asio::error::eof || error == asio::error::connection_reset) co_return;
        note_refusal(address, why_no_handshake(stream.native_handle(), error));
        co_return;
    }
    RemoteCaller check(*this, context, address, names_of_peer(stream.native_handle()));
    HttpConnectionOn<TlsStream> connection(hall_, std::move(stream), check);
    co_await connection.run();
}

/// Once for each address and minute.
void TlsDoor::note_refusal(const std::string& address, const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    std::erase_if(refusals_,
                  [&](const auto& entry) { return entry.second + kRefusalWindow <= now; });
    if (refusals_.size() >= kMaxRefusals || !refusals_.emplace(address, now).second) return;
    audit::Event event{.kind = audit::Kind::refuse_connection,
                       .sentence = "a client at " + address + " was refused: " + why};
    event.reason = why;
    audit::record(event);
}

}  // namespace secrets::doors
