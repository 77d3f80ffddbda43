#include "agentd/doors/http_door.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/span_body.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "agentd/audit/audit.h"
#include "agentd/wipe_stack.h"
#include "common/unix_socket.h"

namespace secrets::doors {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using Local = asio::local::stream_protocol;
using Stream = beast::basic_stream<Local>;

constexpr auto kIdle = std::chrono::seconds(60);      ///< between requests of one connection
constexpr auto kTransfer = std::chrono::seconds(30);  ///< for a body, and for an answer
constexpr std::uint32_t kMaxHead = 32 * 1024;  ///< an ask may be 8 KiB, and each byte of it `%3A`
constexpr std::size_t kMaxConnections = 1024;
constexpr std::ptrdiff_t kMaxConnectionsOfOne = 128;  ///< of one user: root and others keep room

http::response<http::string_body> to_http(HttpAnswer answer, bool keep_alive) {
    http::response<http::string_body> response;
    response.version(11);
    response.result(answer.status);
    response.set(http::field::server, "slurm-secretsd/" SLURM_SECRETS_VERSION);
    response.set(http::field::cache_control, "no-store");
    if (!answer.content_type.empty()) {
        response.set(http::field::content_type, answer.content_type);
    }
    if (!answer.allow.empty()) response.set(http::field::allow, answer.allow);
    if (!answer.etag.empty()) response.set(http::field::etag, answer.etag);
    if (answer.retry_after) {
        response.set(http::field::retry_after, std::to_string(answer.retry_after->count()));
    }
    response.keep_alive(keep_alive);
    response.body() = std::move(answer.body);
    if (answer.status != 204) response.prepare_payload();
    return response;
}

HttpHead head_of(const http::request_parser<http::empty_body>& parser, Uid caller) {
    const auto& request = parser.get();
    HttpHead head;
    head.caller = caller;
    head.method = request.method_string();
    head.target = request.target();
    head.content_type = request[http::field::content_type];
    head.if_match = request[http::field::if_match];
    head.if_none_match = request[http::field::if_none_match];
    if (const auto length = parser.content_length()) head.content_length = *length;
    head.has_body = parser.chunked() || head.content_length.value_or(0) > 0;
    return head;
}

}  // namespace

/// One client. Reads a head, decides, reads the body into one buffer of the announced size,
/// answers.
class HttpDoor::Connection {
  public:
    Connection(HttpDoor& door, Local::socket socket, Uid caller)
        : door_(door), stream_(std::move(socket)), caller_(caller) {
        door_.connections_.insert(this);
    }
    ~Connection() { door_.connections_.erase(this); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// A client that was answered before expects that its connection may be closed.
    void end_if_kept_alive() {
        if (served_) end_if_idle();
    }
    void end_if_idle() {
        if (idle_ && !is_readable(stream_.socket().native_handle())) stream_.cancel();
    }
    void end() { stream_.cancel(); }
    Uid caller() const { return caller_; }

    asio::awaitable<void> run() {
        // co_await stands alone in its statement: GCC 12 miscompiles it behind && and ||.
        bool more = true;
        while (more) {
            more = co_await serve_one();
            if (door_.stopped_) more = false;
        }
        // Its timers would keep the loop running.
        stream_.close();
    }

  private:
    /// Serves one request; whether there may be another on this connection.
    asio::awaitable<bool> serve_one() {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(kMaxHead);
        parser.body_limit(boost::none);  // the routes decide, on the head
        stream_.expires_after(kIdle);
        ErrorCode error;
        idle_ = true;
        co_await http::async_read_header(stream_, buffer_, parser, into(error));
        idle_ = false;
        if (error) {
            co_await complain(error);
            co_return false;
        }
        head_only_ = parser.get().method() == http::verb::head;
        auto found = door_.routes_.find(head_of(parser, caller_));
        const bool keep_alive = parser.keep_alive();
        if (auto* refused = std::get_if<HttpAnswer>(&found)) {
            // A body that was not read can't be told from the next request.
            const bool more =
                keep_alive && !parser.content_length().value_or(0) && !parser.chunked();
            co_return co_await write(std::move(*refused), more);
        }
        SecretBuffer body(parser.content_length().value_or(0));
        if (body.size() > 0) {
            const bool whole = co_await read_body(parser, body);
            if (!whole) co_return false;
        }
        HttpAnswer answer = std::get<Routes::Handler>(found)(body.bytes());
        forget_request(std::move(body));
        served_ = true;
        co_return co_await write(std::move(answer), keep_alive);
    }

    asio::awaitable<bool> read_body(http::request_parser<http::empty_body>& head,
                                    SecretBuffer& body) {
        stream_.expires_after(kTransfer);
        ErrorCode error;
        if (beast::iequals(head.get()[http::field::expect], "100-continue")) {
            http::response<http::empty_body> go_on(http::status::continue_, 11);
            co_await http::async_write(stream_, go_on, into(error));
            if (error) co_return false;
        }
        http::request_parser<http::span_body<char>> parser(std::move(head));
        parser.body_limit(body.size());
        parser.get().body() = {reinterpret_cast<char*>(body.bytes().data()), body.size()};
        co_await http::async_read(stream_, buffer_, parser, into(error));
        co_return !error;
    }

    asio::awaitable<bool> write(HttpAnswer answer, bool keep_alive) {
        auto response = to_http(std::move(answer), keep_alive && !door_.stopped_);
        if (head_only_) response.body().clear();  // Content-Length stays what it would be
        stream_.expires_after(kTransfer);
        ErrorCode error;
        co_await http::async_write(stream_, response, into(error));
        if (!response.keep_alive()) stream_.socket().shutdown(Local::socket::shutdown_send, error);
        co_return !error && response.keep_alive();
    }

    /// A head that is no HTTP, or too long, gets an answer; a client that went gets none.
    asio::awaitable<void> complain(ErrorCode error) {
        if (error == http::error::header_limit) {
            co_await write(problem(431, "the request's head is longer than 32 KiB"), false);
        } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
                   error != http::error::end_of_stream && error != http::error::partial_message) {
            co_await write(problem(400, "this is no HTTP/1.1 request: " + error.message()), false);
        }
    }

    /// The buffer may have read bytes of the body together with the head; the parsers used the
    /// stack.
    void forget_request(SecretBuffer body) {
        body = SecretBuffer();
        if (buffer_.size() == 0) {
            buffer_.clear();
            buffer_.shrink_to_fit();
        }
        wipe_stack();
    }

    HttpDoor& door_;
    Stream stream_;
    Uid caller_;
    beast::flat_buffer buffer_;
    bool idle_ = true;
    bool served_ = false;
    bool head_only_ = false;  ///< a HEAD request, whose answer has no body
};

HttpDoor::HttpDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk)
    : loop_(loop),
      routes_(desk),
      listener_(loop, std::move(listener), "control door",
                [this](UniqueFd fd) { take(std::move(fd)); }) {}

void HttpDoor::take(UniqueFd fd) {
    const auto peer = peer_of(fd.get());
    if (!peer) return;
    const auto theirs = std::count_if(
        connections_.begin(), connections_.end(),
        [&](const Connection* connection) { return connection->caller() == peer->uid; });
    if (connections_.size() >= kMaxConnections || theirs >= kMaxConnectionsOfOne) {
        return refuse(peer->uid, theirs);
    }
    asio::co_spawn(loop_, serve(std::move(fd), peer->uid), [](const std::exception_ptr& thrown) {
        if (thrown) audit::trouble("control door: a request failed and was dropped");
    });
}

/// Writes down that a user who has `theirs` connections got no further one.
void HttpDoor::refuse(Uid uid, std::ptrdiff_t theirs) const {
    const std::string reason =
        theirs >= kMaxConnectionsOfOne
            ? "it has " + std::to_string(theirs) + " open, and nobody is given more"
            : "all users together have " + std::to_string(connections_.size()) +
                  " open, and the control door takes no more";
    audit::Event event{.kind = audit::Kind::refuse_connection,
                       .sentence = "uid " + std::to_string(uid.value) +
                                   " was refused a connection to the control door: " + reason};
    event.caller = audit::Account{uid, ""};
    event.reason = reason;
    audit::record(event);
}

void HttpDoor::stop() {
    stopped_ = true;
    listener_.stop();
    for (Connection* connection : connections_) connection->end_if_kept_alive();
}

void HttpDoor::end_silent() {
    for (Connection* connection : connections_) connection->end_if_idle();
}

void HttpDoor::abort() {
    for (Connection* connection : connections_) connection->end();
}

asio::awaitable<void> HttpDoor::serve(UniqueFd fd, Uid caller) {
    Local::socket socket(loop_);
    socket.assign(Local(), fd.get());
    fd.release();  // only now: assign() throws where the loop can't take it
    Connection connection(*this, std::move(socket), caller);
    co_await connection.run();
}

}  // namespace secrets::doors
