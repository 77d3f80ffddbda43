#include "agentd/doors/node_door.h"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <cstdio>
#include <memory>

#include "agentd/audit.h"
#include "common/limits.h"
#include "common/unix_socket.h"

namespace secrets::doors {
namespace {

/// How long a connection may stay silent before its request.
constexpr auto kPatience = std::chrono::seconds(5);

/// A reply is small and the socket empty: it goes out at once or the other side is broken.
Failure try_to_send(int fd, const wire::Reply& reply, int passed_fd = -1) {
    return send_packet(fd, wire::encode(reply), Deadline::in(std::chrono::milliseconds(0)),
                       passed_fd);
}

void send(int fd, const wire::Reply& reply) {
    const auto failure = try_to_send(fd, reply);
    if (failure) audit::trouble("node door: the reply was lost: " + failure->sentence);
}

/// The job's hold stays where the delivery can't be handed over: its next step may need it, and its
/// epilog ends it.
void hand_over(int fd, const vault::Delivery& delivery, const std::string& note) {
    const auto failure =
        try_to_send(fd, wire::Granted{delivery.image_length, note}, delivery.fd.get());
    if (!failure) return;
    const std::string sentence = "the delivery could not be handed over: " + failure->sentence;
    audit::trouble("node door: " + sentence);
    send(fd, wire::Refused{sentence});
}

/// Runs a function at the end of a scope, however that comes.
template <typename Function>
class AtEnd {
  public:
    explicit AtEnd(Function function) : function_(std::move(function)) {}
    ~AtEnd() { function_(); }
    AtEnd(const AtEnd&) = delete;
    AtEnd& operator=(const AtEnd&) = delete;

  private:
    Function function_;
};

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
          asio::co_spawn(loop_, serve(std::move(connection)), [](const std::exception_ptr& thrown) {
              if (thrown) audit::trouble("node door: a request failed and was dropped");
          });
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
    const AtEnd let_go([this, &descriptor] {
        silent_.erase(descriptor.get());
        descriptor->release();  // it stays the connection's
    });
    asio::steady_timer patience(loop_, kPatience);
    patience.async_wait([descriptor](const ErrorCode& error) {
        ErrorCode ignored;
        if (!error) descriptor->cancel(ignored);
    });
    ErrorCode error;
    silent_.insert(descriptor.get());
    co_await descriptor->async_wait(asio::posix::stream_descriptor::wait_read, into(error));
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
    if (!packet) {
        const std::string sentence = "the request could not be read: " + packet.error().sentence;
        audit::trouble("node door: " + sentence);
        send(fd, wire::Refused{sentence});
        discard_input(fd);
        co_return;
    }
    if (packet->size == 0) co_return;
    if (packet->cut) {
        send(fd, wire::Refused{"a message is too long"});
        co_return;
    }
    auto request = wire::decode_request(std::span(buffer).first(packet->size));
    if (!request) {
        audit::refused("pid " + std::to_string(peer->pid), "a message", request.error().sentence);
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
        hand_over(fd, granted->delivery, note);
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
        const AtEnd forget([this, waiter] { waiters_.erase(waiter); });
        ErrorCode woken;
        co_await timer.async_wait(into(woken));
        // A job that was cancelled while it waited must not be given a hold.
        if (peer_is_gone(fd)) co_return desk::Nothing{};
    }
}

}  // namespace secrets::doors
