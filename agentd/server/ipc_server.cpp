// SPDX-License-Identifier: Apache-2.0
#include "agentd/server/ipc_server.h"

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <variant>

#include "agentd/audit/audit_log.h"
#include "agentd/base/scope_exit.h"
#include "agentd/base/spawn_request.h"
#include "agentd/net/readable.h"
#include "agentd/server/fair_share.h"
#include "common/base/limits.h"

namespace secrets::server {
namespace {

/// Time that a connection may stay silent before its request.
constexpr auto kPatience = std::chrono::seconds(5);

/// Limits of concurrent connections, each of at most one small request. The limit of one user other
/// than root, for whom the protocol is made, leaves others room.
constexpr std::size_t kMaxConnections = 4096;
constexpr std::ptrdiff_t kMaxConnectionsOfOne = 64;

std::string name_of(const plugin_protocol::Request& request) {
    if (const auto* grant = std::get_if<plugin_protocol::GrantRequest>(&request)) {
        return "GRANT for job " + std::to_string(grant->job.value) + " of uid " +
               std::to_string(grant->uid.value);
    }
    if (const auto* wipe = std::get_if<plugin_protocol::WipeRequest>(&request)) {
        return "WIPE of job " + std::to_string(wipe->job.value);
    }
    if (const auto* bind = std::get_if<plugin_protocol::BindRequest>(&request)) {
        return "BIND of job " + std::to_string(bind->job.value);
    }
    if (std::holds_alternative<plugin_protocol::MarkerRequest>(request)) return "MARKER";
    if (std::holds_alternative<plugin_protocol::GetRequest>(request)) return "GET";
    return std::holds_alternative<plugin_protocol::CheckRequest>(request) ? "CHECK" : "PING";
}

std::string name_of(const Peer& peer) {
    return "pid " + std::to_string(peer.pid) + " of uid " + std::to_string(peer.uid.value);
}

/// Records what a client did wrong. The event names the client's user, so that the number of such
/// events that one user can cause is limited.
void record_fault(const std::optional<Uid>& user, std::string sentence, std::string reason) {
    audit::Event event{.kind = audit::Kind::refuse_message, .sentence = std::move(sentence)};
    if (user) event.caller = audit::Account{*user, ""};
    event.reason = std::move(reason);
    audit::record(event);
}

}  // namespace

IpcServer::IpcServer(asio::io_context& loop, UniqueFd listener, std::string name, Gate gate,
                     Answer answer)
    : loop_(loop),
      name_(name),
      gate_(gate),
      answer_(std::move(answer)),
      listener_(loop, std::move(listener), std::move(name),
                [this](UniqueFd connection) { take(std::move(connection)); }) {}

void IpcServer::stop() {
    listener_.stop();
}

void IpcServer::end_silent() {
    for (const Silent& silent : silent_) {
        if (!is_readable(silent.descriptor->native_handle())) silent.descriptor->cancel();
    }
}

Status IpcServer::try_to_send(int fd, const plugin_protocol::Reply& reply, int passed_fd) {
    return send_packet(fd, plugin_protocol::encode(reply),
                       Deadline::in(std::chrono::milliseconds(0)), passed_fd);
}

void IpcServer::send(int fd, const plugin_protocol::Reply& reply) const {
    const Status failure = try_to_send(fd, reply);
    if (failure.ok() || peer_is_gone(fd)) return;  // a client that has gone is not an error
    const auto peer = peer_of(fd);
    record_fault(peer ? std::optional(peer->uid) : std::nullopt,
                 "the " + name_ + " cannot send its reply to " +
                     (peer ? name_of(*peer) : "a client") + ": " + failure.message(),
                 failure.message());
}

/// Makes room for a connection of a user: ends the one that has been silent for the longest, of
/// this user if the user has too many, else of the user who has most. Returns whether there is
/// room.
bool IpcServer::has_room(Uid uid) {
    const auto count = std::count(connections_.begin(), connections_.end(), uid.value);
    if (uid.value != 0 && count >= kMaxConnectionsOfOne) return end_oldest_silent(uid.value);
    if (connections_.size() < kMaxConnections) return true;
    std::map<uid_t, std::ptrdiff_t> counts;
    for (const uid_t each : connections_) ++counts[each];
    const auto most =
        std::max_element(counts.begin(), counts.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return may_displace(static_cast<std::size_t>(most->second), static_cast<std::size_t>(count)) &&
           end_oldest_silent(most->first);
}

bool IpcServer::end_oldest_silent(uid_t uid) {
    for (Silent& silent : silent_) {
        if (silent.uid != uid || silent.has_ended) continue;
        if (is_readable(silent.descriptor->native_handle())) continue;
        silent.has_ended = true;
        silent.descriptor->cancel();
        return true;
    }
    return false;
}

/// Checks the peer before anything is read.
void IpcServer::take(UniqueFd connection) {
    const auto peer = peer_of(connection.get());
    std::optional<plugin_protocol::Reply> refusal;
    if (!peer) {
        refusal = plugin_protocol::Refused{"cannot identify the calling process: " +
                                           peer.status().message()};
    } else if (const char* why = gate_(*peer)) {
        refusal = plugin_protocol::Refused{why};
    } else if (!has_room(peer->uid)) {
        refusal = plugin_protocol::Busy{"too many open connections to this socket"};
    }
    if (refusal) {
        send(connection.get(), *refusal);
        discard_input(connection.get());
        return;
    }
    const auto label = std::make_shared<RequestLabel>();
    label->caller = name_of(*peer);
    spawn_request(loop_, serve(std::move(connection), *peer, label), report_failure(name_, label));
}

/// Waits for the request of a client that has not sent one yet; returns whether a request came.
asio::awaitable<bool> IpcServer::wait_for_request(int fd, Uid uid) {
    const auto descriptor = std::make_shared<asio::posix::stream_descriptor>(loop_, fd);
    const auto entry = silent_.insert(silent_.end(), Silent{uid.value, descriptor.get()});
    const ScopeExit let_go([this, entry, &descriptor] {
        silent_.erase(entry);
        descriptor->release();  // the connection still owns the fd
    });
    const auto until = std::chrono::steady_clock::now() + kPatience;
    co_return co_await net::wait_until_readable(descriptor, until);
}

/// Answers and records a message that cannot be read.
void IpcServer::refuse(int fd, const Peer& peer, const std::string& reason) const {
    record_fault(peer.uid,
                 "a message from " + name_of(peer) + " to the " + name_ + " was refused: " + reason,
                 reason);
    send(fd, plugin_protocol::Refused{reason});
}

/// Checks the kind and length of a message before its content.
asio::awaitable<void> IpcServer::serve(UniqueFd connection, Peer peer,
                                       std::shared_ptr<RequestLabel> label) {
    const int fd = connection.get();
    const auto entry = connections_.insert(connections_.end(), peer.uid.value);
    const ScopeExit leave([this, entry] { connections_.erase(entry); });
    // Nearly always the request has arrived already: then the loop need not learn of the
    // connection.
    if (!is_readable(fd)) {
        const bool came = co_await wait_for_request(fd, peer.uid);
        if (!came) co_return;
    }
    std::array<std::byte, kMaxMessageBytes> buffer;
    const auto packet = receive_packet(fd, buffer, Deadline::in(std::chrono::milliseconds(0)));
    if (!packet) {
        refuse(fd, peer, "cannot read the request: " + packet.status().message());
        discard_input(fd);
        co_return;
    }
    if (packet->size == 0) co_return;
    if (packet->cut) {
        refuse(fd, peer, "the message is too long");
        co_return;
    }
    auto request = plugin_protocol::decode_request(std::span(buffer).first(packet->size));
    if (!request) {
        refuse(fd, peer, request.status().message());
        co_return;
    }
    label->request = name_of(*request);
    co_await answer_(fd, peer, std::move(request).value());
}

}  // namespace secrets::server
