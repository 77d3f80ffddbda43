// SPDX-License-Identifier: Apache-2.0
#include "slurmview/query_server.h"

#include <array>
#include <cstdio>

#include "common/base/limits.h"

namespace secrets::slurmview {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);

void complain(const std::string& sentence) {
    std::fprintf(stderr, "slurm-secrets-view: %s\n", sentence.c_str());
}

void reply(int fd, const slurm_query::Reply& reply) {
    if (Status lost = send_packet(fd, slurm_query::encode(reply), Deadline::in(kPatience));
        !lost.ok()) {
        complain("cannot send a reply: " + lost.message());
    }
}

}  // namespace

void serve_one(int listener, Uid owner, QueryQueue& questions) {
    const auto connection = accept_from(listener);
    if (!connection) return complain(connection.status().message());
    if (!*connection) return;
    const int fd = connection->get();
    // Checks the peer first, then content and length, before parsing a byte.
    const auto peer = peer_of(fd);
    if (!peer || (peer->uid.value != 0 && peer->uid != owner)) {
        reply(fd, slurm_query::Refused{"only root and the agent may query slurm-secrets-view"});
        return discard_input(fd);
    }
    std::array<std::byte, kMaxQueryMessageBytes> buffer;
    const auto packet = receive_packet(fd, buffer, Deadline::in(kPatience));
    if (!packet || packet->size == 0) return;
    if (packet->cut) return reply(fd, slurm_query::Refused{"the message is too long"});
    const auto request = slurm_query::decode_request(std::span(buffer).first(packet->size));
    if (!request) {
        complain("rejected a message from pid " + std::to_string(peer->pid) + ": " +
                 request.status().message());
        return reply(fd, slurm_query::Refused{request.status().message()});
    }
    if (peer_is_gone(fd)) return;  // the request waited at the socket for too long
    reply(fd, questions.answer(*request));
}

}  // namespace secrets::slurmview
