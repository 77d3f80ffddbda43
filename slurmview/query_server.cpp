// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_server.h"

#include <poll.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <system_error>
#include <thread>

#include "common/base/limits.h"

namespace secrets::slurmview {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

void complain(const std::string& sentence) {
    std::fprintf(stderr, "slurm-secrets-view: %s\n", sentence.c_str());
}

void reply(int fd, const slurm_query::Reply& reply,
           std::uint16_t version = slurm_query::kOldestVersion) {
    if (Status lost = send_packet(fd, slurm_query::encode(reply, version), Deadline::in(kPatience));
        !lost.ok()) {
        complain("cannot send a reply: " + lost.message());
    }
}

void refuse(int fd, const char* sentence) {
    reply(fd, slurm_query::Refused{sentence});
    discard_input(fd);
}

void answer(int fd, pid_t client, QueryQueue& queue) {
    std::array<std::byte, kMaxQueryMessageBytes> buffer;
    const auto packet = receive_packet(fd, buffer, Deadline::in(kPatience));
    if (!packet || packet->size == 0) return;
    if (packet->cut) return reply(fd, slurm_query::Refused{"the message is too long"});
    const auto message = std::span(buffer).first(packet->size);
    const auto request = slurm_query::decode_request(message);
    if (!request) {
        complain("rejected a message from pid " + std::to_string(client) + ": " +
                 request.status().message());
        return reply(fd, slurm_query::Refused{request.status().message()});
    }
    if (peer_is_gone(fd)) return;  // the request waited at the socket for too long
    reply(fd, queue.answer(*request), ipc::message_version(message));
}

}  // namespace

struct QueryServer::Shared {
    QueryQueue& queue;
    std::atomic<unsigned> connections{0};
};

QueryServer::QueryServer(int listener, Uid owner, QueryQueue& queue)
    : listener_(listener), owner_(owner), shared_(new Shared{queue}) {}

void QueryServer::serve(std::optional<Deadline> end) {
    while (!end || !end->passed()) {
        pollfd entry{listener_, POLLIN, 0};
        if (poll(&entry, 1, end ? end->poll_milliseconds() : -1) > 0) serve_one();
    }
    while (const unsigned open = shared_->connections) shared_->connections.wait(open);
}

/// Accepts the connection that waits at the listener.
void QueryServer::serve_one() {
    auto connection = accept_from(listener_);
    if (!connection) return complain(connection.status().message());
    UniqueFd client = std::move(connection).value();
    if (!client) return;
    // Checks the peer first, then content and length, before parsing a byte.
    const auto peer = peer_of(client.get());
    if (!peer || (peer->uid.value != 0 && peer->uid != owner_)) {
        return refuse(client.get(), "only root and the agent may query slurm-secrets-view");
    }
    if (shared_->connections >= kMostConnections) {
        return refuse(client.get(), "slurm-secrets-view answers too many queries already");
    }
    ++shared_->connections;
    try {
        std::thread([shared = shared_, fd = client.get(), pid = peer->pid] {
            const UniqueFd owned(fd);
            try {
                answer(fd, pid, shared->queue);
            } catch (const std::exception& error) {
                complain(std::string("cannot answer a query: ") + error.what());
            }
            --shared->connections;
            shared->connections.notify_all();
        }).detach();
        (void)client.release();
    } catch (const std::system_error& error) {
        --shared_->connections;
        refuse(client.get(), "slurm-secrets-view cannot start a thread for the query");
    }
}

}  // namespace secrets::slurmview
