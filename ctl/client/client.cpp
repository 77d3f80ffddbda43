// SPDX-License-Identifier: Apache-2.0
#include "ctl/client/client.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <future>
#include <optional>

#include "ctl/client/munge_credential.h"
#include "ctl/io/exit_codes.h"

namespace secrets::ctl {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Protocol = asio::local::stream_protocol;
using Stream = beast::basic_stream<Protocol>;
using HttpRequest = http::request<http::span_body<const std::byte>>;

/// Several times the size of the names and sizes of all runs of a busy site.
constexpr std::size_t kMaxAnswerBytes = 64 * 1024 * 1024;

/// Maximum number of repetitions of a request because another hub answers by now.
constexpr int kMaxHubs = 4;

/// An agent that has not answered a request after the first time is asked whether it is there. If
/// that is not answered before the second time either, nothing serves the socket: systemd listens
/// for an agent that cannot start, or the agent hangs.
constexpr auto kProbeAfter = std::chrono::milliseconds(1200);
constexpr auto kSilentAfter = std::chrono::milliseconds(2300);

http::verb verb_of(Method method) {
    switch (method) {
        case Method::get:
            return http::verb::get;
        case Method::put:
            return http::verb::put;
        case Method::remove:
            return http::verb::delete_;
        case Method::patch:
            return http::verb::patch;
    }
    return http::verb::unknown;
}

/// `hub`: the hub that a munge credential is made for; empty if the request needs none.
HttpRequest make_http_request(const Request& request, const std::string& hub) {
    HttpRequest message(verb_of(request.method), request.target, 11);
    message.set(http::field::host, "localhost");
    message.set(http::field::user_agent, "secretctl/" SLURM_SECRETS_VERSION);
    message.set(http::field::accept, "application/json");
    message.keep_alive(false);
    if (!hub.empty()) {
        message.set(http::field::authorization,
                    "Munge " + munge_credential(hub, message.method_string(), request));
    }
    if (request.if_new) message.set(http::field::if_none_match, "*");
    if (!request.if_match.empty()) message.set(http::field::if_match, request.if_match);
    if (request.body.size() > 0) {
        message.set(http::field::content_type, "application/json");
        message.body() = {request.body.bytes().data(), request.body.size()};
    }
    message.prepare_payload();
    return message;
}

/// Connects with the blocking system call: if the listener's queue is full, the kernel waits for a
/// free slot, while a non-blocking connect() of Asio treats such a socket as connected.
Protocol::socket connect(asio::io_context& loop, const std::string& path,
                         std::chrono::milliseconds timeout) {
    const Protocol::endpoint endpoint(path);
    Protocol::socket socket(loop, Protocol());
    const timeval limit{.tv_sec = timeout.count() / 1000, .tv_usec = timeout.count() % 1000 * 1000};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (::connect(socket.native_handle(), endpoint.data(),
                  static_cast<socklen_t>(endpoint.size())) != 0) {
        const int error = errno == EAGAIN ? ETIMEDOUT : errno;
        throw boost::system::system_error(error, boost::system::system_category());
    }
    return socket;
}

/// Returns the hub for which a challenge (WWW-Authenticate) requires a munge credential; empty if
/// the challenge requires something else.
std::string hub_in(std::string_view challenge) {
    constexpr std::string_view kBegin = "Munge hub=\"";
    if (!challenge.starts_with(kBegin) || !challenge.ends_with('"')) return {};
    challenge.remove_prefix(kBegin.size());
    return std::string(challenge.substr(0, challenge.find('"')));
}

bool is_closed_by_peer(const beast::error_code& error) {
    return error == asio::error::broken_pipe || error == asio::error::connection_reset ||
           error == asio::error::eof || error == http::error::end_of_stream ||
           error == http::error::partial_message;
}

asio::awaitable<Answer> exchange(Stream& stream, const HttpRequest& request,
                                 std::chrono::milliseconds timeout) {
    stream.expires_after(timeout);

    // An agent that rejects a request early may close the connection before it has read the whole
    // request. Its answer can be read all the same.
    beast::error_code write_error;
    co_await http::async_write(stream, request,
                               asio::redirect_error(asio::use_awaitable, write_error));
    if (write_error && !is_closed_by_peer(write_error)) {
        throw boost::system::system_error(write_error);
    }

    beast::flat_buffer buffer;
    http::response_parser<http::string_body> parser;
    parser.body_limit(kMaxAnswerBytes);
    co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
    Answer answer{parser.get().result_int(), std::move(parser.get().body())};
    if (answer.status == 401) answer.hub = hub_in(parser.get()[http::field::www_authenticate]);
    co_return answer;
}

const char* const kSee = "; see: systemctl status slurm-secretsd";

CommandError no_agent(const std::string& path, const boost::system::system_error& error) {
    return CommandError(ExitCode::unreachable, "cannot connect to the agent at " + path + ": " +
                                                   error.code().message() + kSee);
}

CommandError silent_agent(const std::string& path) {
    return CommandError(ExitCode::unreachable,
                        "no agent answers at " + path +
                            ": it is not running, or it hangs, though its socket exists" + kSee);
}

CommandError no_answer(const std::string& path, std::chrono::milliseconds timeout,
                       const beast::error_code& error) {
    const std::string agent = "the agent at " + path;
    std::string sentence = "cannot read the response of " + agent + ": " + error.message() +
                           "; is it slurm-secretsd's control socket?";
    if (error == beast::error::timeout) {
        sentence = agent + " did not respond within " + std::to_string(timeout.count() / 1000) +
                   " s" + kSee;
    } else if (is_closed_by_peer(error)) {
        sentence = agent + " closed the connection without a response; try again, and see its " +
                   "journal if it happens again";
    }
    return CommandError(ExitCode::unreachable, sentence);
}

bool is_ready(const std::future<Answer>& answer) {
    return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

/// Returns whether the agent at `path` answers at all. An agent that closes the connection is
/// there.
bool is_served(const std::string& path, std::chrono::milliseconds timeout) {
    const HttpRequest message = make_http_request({Method::get, "/v1/status", {}}, "");
    asio::io_context loop(1);
    try {
        Stream stream(connect(loop, path, timeout));
        auto answer = asio::co_spawn(loop, exchange(stream, message, timeout), asio::use_future);
        loop.run();
        answer.get();
    } catch (const boost::system::system_error& error) {
        return error.code() != beast::error::timeout && error.code() != asio::error::timed_out;
    }
    return true;
}

}  // namespace

Answer Client::send(const Request& request) const {
    std::string hub;
    Answer answer = send_once(request, hub);
    for (int i = 0; i < kMaxHubs && !answer.hub.empty() && answer.hub != hub; ++i) {
        hub = answer.hub;
        answer = send_once(request, hub);
    }
    return answer;
}

/// `hub`: the hub that the agent passes the request on to; empty if no such hub is known.
Answer Client::send_once(const Request& request, const std::string& hub) const {
    const HttpRequest message = make_http_request(request, hub);
    asio::io_context loop(1);
    std::optional<Stream> stream;
    try {
        stream.emplace(connect(loop, socket_path_, std::min(timeout_, kSilentAfter)));
    } catch (const boost::system::system_error& error) {
        if (error.code() == asio::error::timed_out) throw silent_agent(socket_path_);
        throw no_agent(socket_path_, error);
    }
    try {
        auto answer = asio::co_spawn(loop, exchange(*stream, message, timeout_), asio::use_future);
        loop.run_for(kProbeAfter);
        if (!is_ready(answer) && !is_served(socket_path_, kSilentAfter - kProbeAfter)) {
            loop.poll();  // the answer may have come in the meantime
            if (!is_ready(answer)) throw silent_agent(socket_path_);
        }
        loop.run();
        return answer.get();
    } catch (const boost::system::system_error& error) {
        throw no_answer(socket_path_, timeout_, error.code());
    }
}

}  // namespace secrets::ctl
