// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/https_connection.h"

#include <netinet/tcp.h>

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <charconv>

#include "agentd/base/json_members.h"
#include "agentd/base/stack_wipe.h"
#include "agentd/net/arriving_body.h"
#include "agentd/net/http_date.h"
#include "agentd/net/http_fields.h"
#include "agentd/net/tls_context.h"
#include "common/base/limits.h"
#include "common/base/names.h"
#include "common/base/text_as.h"
#include "common/ipc/unix_socket.h"

namespace secrets::net {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace ssl = asio::ssl;
using Tcp = asio::ip::tcp;

/// A connection is broken after that long without an acknowledgement of the other side.
constexpr int kSilenceMilliseconds = 2000;

/// If the first packet of a connection is lost, the kernel sends it again after a second, and the
/// next lost packet only after three: another connection is faster.
constexpr auto kFirstPacket = std::chrono::milliseconds(900);

/// Large enough, many times over, for the names and sizes of all runs of a busy site, and for each
/// delivery.
constexpr std::size_t kMaxBody = 64UL * 1024 * 1024;
static_assert(kMaxBody > kMaxDeliveryBytes);

constexpr std::uint32_t kMaxHead = 16 * 1024;

constexpr const char* kCancelled = "the agent is shutting down";

/// Returns the sentence in problem JSON.
std::string detail_of(std::span<const std::byte> body) {
    const auto value = parse_json(body);
    const auto* detail = find_text(value.if_object(), "detail");
    if (detail == nullptr) return "no reason given";
    return printable_ascii(text_as<std::string_view>(*detail).substr(0, kMaxSentenceBytes));
}

std::string_view text_of(const SecretBuffer& secret) {
    const auto bytes = secret.view().bytes();
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<std::chrono::seconds> seconds_in(std::string_view text) {
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return std::chrono::seconds(seconds);
}

std::string why_no_handshake(SSL* connection, const ErrorCode& error) {
    return rejected_certificate(connection).value_or("TLS handshake failed: " + error.message());
}

std::string in_words(const ErrorCode& error) {
    if (error == boost::beast::error::timeout) return "it does not answer in time";
    if (error == asio::error::address_family_not_supported) {
        return "this service has no network; link node.conf into its unit's folder (docs/admin.md, "
               "Nodes of a hub)";
    }
    return error.message();
}

/// Detects a server that disappeared without a word by its missing acknowledgements.
void expect_acknowledgements(int fd) {
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kSilenceMilliseconds,
               sizeof(kSilenceMilliseconds));
}

}  // namespace

StatusOr<std::unique_ptr<ssl::context>> make_client_context(const std::string& ca,
                                                            const char* key) {
    auto context = std::make_unique<ssl::context>(ssl::context::tls_client);
    SSL_CTX_set_min_proto_version(context->native_handle(), TLS1_3_VERSION);
    SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_options(context->native_handle(), SSL_OP_CLEANSE_PLAINTEXT);
    context->set_verify_mode(ssl::verify_peer);
    ErrorCode error;
    if (ca.empty()) {
        context->set_default_verify_paths(error);
    } else {
        context->load_verify_file(ca, error);
    }
    if (error)
        return Status::failed(std::string(key) + ": cannot use " + ca + ": " + error.message());
    return context;
}

TlsSession copy_of(const SSL_SESSION* session) {
    return {session != nullptr ? SSL_SESSION_dup(session) : nullptr, &SSL_SESSION_free};
}

asio::awaitable<Status> HttpsConnection::connect(const HttpsUrl& url, Clock::time_point deadline) {
    constexpr auto kUse = HostResolver::Use::connection;
    ErrorCode error;
    bool again = true;
    while (again) {
        // Each time: the addresses that were known at first may be old ones.
        std::string name = url.host;
        const HostLookup host = co_await resolver_.look_up(std::move(name), kUse, deadline);
        if (host.addresses.empty()) {
            co_return Status::failed("cannot resolve its host name: " + host.trouble);
        }
        // Tries each address by itself: for a list, Asio reports a cancelled attempt, whatever was
        // wrong.
        error = asio::error::host_not_found;
        for (const asio::ip::address& address : host.addresses) {
            if (cancelled_) co_return Status::failed(kCancelled);
            transport().expires_at(std::min(deadline, Clock::now() + kFirstPacket));
            const Tcp::endpoint endpoint(address, url.port);
            co_await transport().async_connect(endpoint, into(error));
            if (!error) break;
            ErrorCode ignored;
            transport().socket().close(ignored);
        }
        again = error == boost::beast::error::timeout && Clock::now() < deadline;
    }
    if (error) co_return Status::failed(in_words(error));
    transport().expires_at(deadline);
    transport().socket().set_option(Tcp::no_delay(true), error);
    expect_acknowledgements(transport().socket().native_handle());
    co_return Status();
}

asio::awaitable<Status> HttpsConnection::open(const HttpsUrl& url, TlsSession session,
                                              Clock::time_point deadline) {
    auto failure = co_await connect(url, deadline);
    if (!failure.ok()) co_return failure;
    SSL* const connection = stream_.native_handle();
    X509_VERIFY_PARAM* const expected = SSL_get0_param(connection);
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(expected, url.host.c_str()) == 1;
    if (!is_address) {
        X509_VERIFY_PARAM_set1_host(expected, url.host.c_str(), url.host.size());
        // The macro SSL_set_tlsext_host_name() contains a C-style cast.
        std::string name = url.host;
        SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
    }
    if (session) SSL_set_session(connection, session.get());
    ErrorCode error;
    co_await stream_.async_handshake(ssl::stream_base::client, into(error));
    if (error) co_return Status::failed(why_no_handshake(connection, error));
    co_return Status();
}

asio::awaitable<Status> HttpsConnection::exchange(const HttpsUrl& url, const HttpsRequest& request,
                                                  const std::string& authorization,
                                                  HttpsResponse& answer,
                                                  Clock::time_point deadline) {
    http::request<http::span_body<const std::byte>> message;
    message.version(11);
    message.method_string(request.method);
    message.target(request.target);
    message.set(http::field::host, url.host);
    message.set(http::field::user_agent, "slurm-secretsd/" SLURM_SECRETS_VERSION);
    if (!authorization.empty()) message.set(http::field::authorization, authorization);
    for (const auto& [name, value] : request.fields) message.set(name, value);
    if (request.token.value) message.set(request.token.name, text_of(*request.token.value));
    if (!request.if_match.empty()) message.set(http::field::if_match, request.if_match);
    if (!request.if_none_match.empty()) {
        message.set(http::field::if_none_match, request.if_none_match);
    }
    const auto sent = request.secret.size() > 0 ? request.secret.view().bytes()
                                                : std::as_bytes(std::span(request.body));
    if (!sent.empty()) {
        message.set(http::field::content_type,
                    request.content_type.empty() ? "application/json" : request.content_type);
    }
    message.body() = {sent.data(), sent.size()};
    message.prepare_payload();
    transport().expires_at(deadline);
    ErrorCode error;
    co_await http::async_write(stream_, message, into(error));
    if (request.secret.size() > 0 || request.token.value) wipe_stack();
    if (error) co_return Status::unavailable(in_words(error));
    http::response_parser<http::empty_body> head;
    head.header_limit(kMaxHead);
    head.body_limit(boost::none);
    co_await http::async_read_header(stream_, buffer_, head, into(error));
    if (error) co_return Status::unavailable(in_words(error));
    keep_alive_ = head.keep_alive();
    answer.status = head.get().result_int();
    answer.etag = head.get()[http::field::etag];
    answer.content_type = head.get()[http::field::content_type];
    answer.allow = head.get()[http::field::allow];
    answer.retry_after = seconds_in(head.get()[http::field::retry_after]);
    answer.note = printable_ascii(std::string(head.get()[kNoteField]));
    answer.date = parse_http_date(std::string(head.get()[http::field::date]));
    if (answer.status == 204 || answer.status == 304) co_return Status();
    auto failure = co_await read_body(head, answer.body);
    if (!failure.ok()) co_return failure;
    transport().expires_never();
    if (answer.status >= 400) answer.detail = detail_of(answer.body.view().bytes());
    co_return Status();
}

asio::awaitable<Status> HttpsConnection::read_body(http::response_parser<http::empty_body>& head,
                                                   SecretBuffer& body) {
    const auto length = head.content_length().value_or(0);
    if (length > kMaxBody) co_return Status::unavailable("its response is too large");
    ErrorCode error;
    if (head.chunked()) {
        http::response_parser<http::string_body> parser(std::move(head));
        parser.body_limit(kMaxBody);
        co_await http::async_read(stream_, buffer_, parser, into(error));
        std::string& text = parser.get().body();
        body = SecretBuffer(text.size());
        std::copy_n(std::as_bytes(std::span(text)).begin(), text.size(), body.bytes().begin());
        wipe(std::as_writable_bytes(std::span(text)));
    } else {
        ArrivingBody arriving(length);
        while (!arriving.is_complete() && !error) {
            if (arriving.is_full()) arriving.grow();
            co_await arriving.read_some(stream_, buffer_, error);
        }
        body = arriving.take();
    }
    buffer_.clear();
    buffer_.shrink_to_fit();
    wipe_stack();
    if (error) co_return Status::unavailable(in_words(error));
    co_return Status();
}

bool HttpsConnection::is_alive() {
    return keep_alive_ && transport().socket().is_open() &&
           !peer_is_gone(transport().socket().native_handle());
}

void HttpsConnection::cancel() {
    cancelled_ = true;
    transport().close();
}

TlsSession HttpsConnection::session() {
    return copy_of(SSL_get0_session(stream_.native_handle()));
}

std::optional<std::chrono::sys_seconds> HttpsConnection::certificate_end() {
    return certificate_end_of_peer(stream_.native_handle());
}

}  // namespace secrets::net
