#include "agentd/doors/node_door.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdio>
#include <memory>

#include "agentd/audit/audit.h"
#include "common/limits.h"
#include "common/unix_socket.h"

namespace secrets::doors {
namespace {

/// How long a connection may stay silent before its request.
constexpr auto kPatience = std::chrono::seconds(5);

/// A reply is small and the socket empty: it goes out at once or the other side is broken.
void send(int fd, const wire::Reply& reply, int passed_fd = -1) {
    const auto failure =
        send_packet(fd, wire::encode(reply), Deadline::in(std::chrono::milliseconds(0)), passed_fd);
    if (failure) audit::trouble("node door: the reply was lost: " + failure->sentence);
}

/// Writes down that a message could not be read.
void refuse(const Peer& peer, const std::string& reason) {
    audit::Event event{.kind = audit::Kind::refuse_message,
                       .sentence = "a message from pid " + std::to_string(peer.pid) + " of uid " +
                                   std::to_string(peer.uid.value) +
                                   " to the node door was refused: " + reason};
    event.caller = audit::Account{peer.uid, ""};
    event.reason = reason;
    audit::record(event);
}

std::string waited_note(std::chrono::steady_clock::time_point since, const RunId& run) {
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - since;
    std::array<char, 32> seconds{};
    std::snprintf(seconds.data(), seconds.size(), "%.1f", waited.count());
    return "waited " + std::string(seconds.data()) + " s for run " + run.text();
}

}  // namespace

NodeDoor::NodeDoor(asio::io_context& loop, UniqueFd listener, desk::Desk& desk)
    : loop_(loop),
      desk_(desk),
      listener_(loop, std::move(listener), "node door", [this](UniqueFd connection) {
          asio::co_spawn(loop_, serve(std::move(connection)), asio::detached);
      }) {
    desk_.on_push([this](const RunId& run) { wake(run); });
}

void NodeDoor::stop() {
    stopped_ = true;
    listener_.stop();
    for (const Waiter& waiter : waiters_) waiter.timer->cancel();
    for (asio::posix::stream_descriptor* silent : silent_) silent->cancel();
}

void NodeDoor::wake(const RunId& run) {
    for (const Waiter& waiter : waiters_) {
        if (waiter.run == run) waiter.timer->cancel();
    }
}

/// Waits for the request of a client that has not sent it yet; whether it came.
asio::awaitable<bool> NodeDoor::wait_for_request(int fd) {
    // Shared with the timer's handler, which may run after this coroutine went on.
    const auto descriptor = std::make_shared<asio::posix::stream_descriptor>(loop_, fd);
    asio::steady_timer patience(loop_, kPatience);
    patience.async_wait([descriptor](const ErrorCode& error) {
        ErrorCode ignored;
        if (!error) descriptor->cancel(ignored);
    });
    silent_.insert(descriptor.get());
    ErrorCode error;
    co_await descriptor->async_wait(asio::posix::stream_descriptor::wait_read, into(error));
    silent_.erase(descriptor.get());
    patience.cancel();
    descriptor->release();  // the descriptor stays the connection's
    co_return !error;
}

asio::awaitable<void> NodeDoor::serve(UniqueFd connection) {
    const int fd = connection.get();
    // Who, then what and how long, before a byte of it is read.
    const auto peer = peer_of(fd);
    if (!peer || peer->uid.value != 0) {
        send(fd, wire::Refused{"only root may speak on the agent's node socket"});
        discard_input(fd);
        co_return;
    }
    // Nearly always the request is there already: then the loop need not learn of the connection.
    if (!is_readable(fd)) {
        const bool came = co_await wait_for_request(fd);
        if (!came) co_return;
    }
    std::array<std::byte, kMaxMessageBytes> buffer;
    const auto packet = receive_packet(fd, buffer, Deadline::in(std::chrono::milliseconds(0)));
    if (!packet || packet->size == 0) co_return;
    if (packet->cut) {
        send(fd, wire::Refused{"a message is too long"});
        co_return;
    }
    auto request = wire::decode_request(std::span(buffer).first(packet->size));
    if (!request) {
        refuse(*peer, request.error().sentence);
        send(fd, wire::Refused{request.error().sentence});
        co_return;
    }
    co_await answer(fd, std::move(request).value());
}

asio::awaitable<void> NodeDoor::answer(int fd, wire::Request request) {
    if (const auto* wipe = std::get_if<wire::WipeRequest>(&request)) {
        send(fd, wire::Done{desk_.wipe(wipe->job)});
        co_return;
    }
    if (std::holds_alternative<wire::PingRequest>(request)) {
        send(fd, wire::Done{"slurm-secretsd " SLURM_SECRETS_VERSION});
        co_return;
    }
    const auto since = std::chrono::steady_clock::now();
    auto& ask_request = std::get<wire::AskRequest>(request);
    desk::AskAnswer answer = desk_.ask(ask_request);
    std::string note;
    if (const auto* wait = std::get_if<desk::WaitFor>(&answer)) {
        const RunId run = wait->run;
        answer = co_await ask(fd, ask_request);
        note = waited_note(since, run);
    }
    if (const auto* granted = std::get_if<desk::Granted>(&answer)) {
        send(fd, wire::Granted{granted->delivery.image_length, note}, granted->delivery.fd.get());
    } else if (std::holds_alternative<desk::Nothing>(answer)) {
        send(fd, wire::Nothing{note});
    } else if (const auto* refusal = std::get_if<desk::Refusal>(&answer)) {
        send(fd, wire::Refused{refusal->sentence});
    }
    // Still WaitFor: the agent is about to end. Closing without an answer makes the plugin try
    // again.
}

/// Waits until the run is pushed or the request's time is up, and asks again.
asio::awaitable<desk::AskAnswer> NodeDoor::ask(int fd, wire::AskRequest request) {
    const auto deadline =
        std::chrono::steady_clock::now() + std::chrono::milliseconds(request.wait_milliseconds);
    send(fd, wire::Waiting{request.wait_milliseconds});
    while (true) {
        desk::AskAnswer answer = desk_.ask(request);
        const auto* wait = std::get_if<desk::WaitFor>(&answer);
        if (wait == nullptr || stopped_) co_return answer;
        if (std::chrono::steady_clock::now() >= deadline) {
            co_return desk_.never_pushed(request, wait->run);
        }
        asio::steady_timer timer(loop_, deadline);
        const auto waiter = waiters_.insert(waiters_.end(), Waiter{wait->run, &timer});
        ErrorCode woken;
        co_await timer.async_wait(into(woken));
        waiters_.erase(waiter);
        // A job that was cancelled while it waited must not be given a hold.
        if (peer_is_gone(fd)) co_return desk::Nothing{};
    }
}

}  // namespace secrets::doors
