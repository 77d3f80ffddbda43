// SPDX-License-Identifier: Apache-2.0
#include "spank/agent_client.h"

#include <array>
#include <thread>
#include <variant>

#include "common/base/limits.h"
#include "common/ipc/refused_version.h"
#include "common/ipc/unix_socket.h"

namespace secrets::spank {
namespace {

constexpr auto kRetryPause = std::chrono::milliseconds(50);
constexpr int kWipeTries = 3;

struct Answer {
    plugin_protocol::Reply reply;
    UniqueFd fd;
};

StatusOr<Answer> receive(int fd, Deadline deadline) {
    std::array<std::byte, kMaxMessageBytes> buffer;
    auto packet = receive_packet(fd, buffer, deadline);
    if (!packet) return packet.status();
    if (packet->size == 0) return Status::failed("the agent closed the connection");
    auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) return reply.status();
    return Answer{std::move(reply).value(), std::move(packet->fd)};
}

StatusOr<Answer> exchange(int fd, const plugin_protocol::Request& request, Deadline deadline) {
    if (Status failure = send_packet(fd, plugin_protocol::encode(request), deadline); !failure.ok())
        return failure;
    return receive(fd, deadline);
}

/// Sends one request over one connection and returns the final reply. If the agent reports that it
/// waits for a push, sets `kept_waiting` and waits for that long plus `timeout`.
StatusOr<Answer> ask_once(const std::string& socket, const plugin_protocol::GrantRequest& request,
                          Deadline deadline, std::chrono::milliseconds timeout,
                          bool& kept_waiting) {
    auto fd = connect_seqpacket(socket, deadline);
    if (!fd) return fd.status();
    auto answer = exchange(fd->get(), request, deadline);
    if (!answer) return answer;
    const auto* waiting = std::get_if<plugin_protocol::Waiting>(&answer->reply);
    if (waiting == nullptr) return answer;
    kept_waiting = true;
    const std::chrono::milliseconds wait(
        std::min(waiting->wait_milliseconds, kMaxWaitMilliseconds));
    return receive(fd->get(), Deadline::in(wait + timeout));
}

/// Tells whether the agent is older than this plugin, and knows no patience in a request.
bool is_older(const plugin_protocol::Reply& reply) {
    const auto* refused = std::get_if<plugin_protocol::Refused>(&reply);
    return refused != nullptr && ipc::refuses_version(refused->sentence);
}

GrantOutcome outcome_of(Answer answer) {
    GrantOutcome outcome;
    if (auto* granted = std::get_if<plugin_protocol::Granted>(&answer.reply)) {
        outcome.note = std::move(granted->note);
        if (answer.fd) {
            outcome.delivery = std::move(answer.fd);
        } else {
            outcome.refusal = "protocol error: the agent granted the secrets but sent no delivery";
        }
    } else if (auto* nothing = std::get_if<plugin_protocol::Nothing>(&answer.reply)) {
        outcome.note = std::move(nothing->note);
    } else if (auto* refused = std::get_if<plugin_protocol::Refused>(&answer.reply)) {
        outcome.refusal = ipc::with_remedy(std::move(refused->sentence));
    } else if (auto* busy = std::get_if<plugin_protocol::Busy>(&answer.reply)) {
        outcome.refusal = std::move(busy->sentence);
    } else {
        outcome.refusal = "protocol error: the agent's reply does not match the request";
    }
    return outcome;
}

}  // namespace

GrantOutcome request_grant(const std::string& socket, std::chrono::seconds timeout,
                           plugin_protocol::GrantRequest request) {
    auto wait = Deadline::in(std::chrono::milliseconds(request.wait_milliseconds));
    auto silence = Deadline::in(timeout);
    bool says_patience = true;
    std::string cause;
    while (true) {
        request.patience_milliseconds =
            says_patience ? static_cast<std::uint32_t>(silence.poll_milliseconds()) : 0;
        request.wait_milliseconds = static_cast<std::uint32_t>(wait.poll_milliseconds());
        bool kept_waiting = false;
        auto answer = ask_once(socket, request, silence, timeout, kept_waiting);
        if (answer && says_patience && is_older(answer->reply)) {
            says_patience = false;
            continue;
        }
        if (answer) return outcome_of(std::move(answer).value());
        // The agent ran until now (a restart): it gets the full timeout again. `wait` bounds the
        // retries.
        if (kept_waiting) silence = Deadline::in(timeout);
        // A last try that the deadline cut off does not show what is wrong; the one before it does.
        if (cause.empty() || !silence.passed()) cause = answer.status().message();
        if (silence.passed()) {
            return {UniqueFd(),
                    "the agent on this node did not reply within " +
                        std::to_string(timeout.count()) + " s (" + cause +
                        "); is slurm-secretsd running?",
                    ""};
        }
        std::this_thread::sleep_for(kRetryPause);
    }
}

Status bind_run(const std::string& socket, std::chrono::milliseconds timeout,
                plugin_protocol::BindRequest request) {
    const auto deadline = Deadline::in(timeout);
    auto fd = connect_seqpacket(socket, deadline);
    if (!fd) return fd.status();
    auto answer = exchange(fd->get(), std::move(request), deadline);
    if (!answer) return answer.status();
    auto* refused = std::get_if<plugin_protocol::Refused>(&answer->reply);
    if (refused == nullptr) return Status();
    if (ipc::refuses_type(refused->sentence)) {
        return Status::failed(
            "slurm-secretsd on this node is older than the plugin and does not know the request; "
            "upgrade it");
    }
    return Status::failed(refused->sentence);
}

StatusOr<std::string> wipe_job(const std::string& socket, std::chrono::milliseconds timeout,
                               JobId job) {
    for (int tries_left = kWipeTries - 1;; --tries_left) {
        const auto deadline = Deadline::in(timeout);
        auto fd = connect_seqpacket(socket, deadline);
        if (!fd) return fd.status();
        auto answer = exchange(fd->get(), plugin_protocol::WipeRequest{job}, deadline);
        if (!answer) {
            if (tries_left == 0 || deadline.passed()) return answer.status();
            std::this_thread::sleep_for(kRetryPause);
            continue;
        }
        if (auto* done = std::get_if<plugin_protocol::Done>(&answer->reply))
            return std::move(done->note);
        if (auto* refused = std::get_if<plugin_protocol::Refused>(&answer->reply)) {
            return Status::failed(refused->sentence);
        }
        if (auto* busy = std::get_if<plugin_protocol::Busy>(&answer->reply))
            return Status::failed(busy->sentence);
        return Status::failed("protocol error: the agent's reply does not match the request");
    }
}

}  // namespace secrets::spank
