// SPDX-License-Identifier: Apache-2.0
#include "spank/submit_check.h"

#include <array>
#include <variant>

#include "common/base/deadline.h"
#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/refused_version.h"
#include "common/ipc/unix_socket.h"

namespace secrets::spank {
namespace {

/// The timeout of the whole check: a person waits.
constexpr auto kPatience = std::chrono::milliseconds(1000);

}  // namespace

std::optional<std::string> why_not_submit(const std::string& job_socket, std::string ask) {
    const auto deadline = Deadline::in(kPatience);
    const auto fd = connect_seqpacket(job_socket, deadline);
    if (!fd) return std::nullopt;
    const auto request = plugin_protocol::encode(
        plugin_protocol::Request(plugin_protocol::CheckRequest{std::move(ask)}));
    if (!send_packet(fd->get(), request, deadline).ok()) return std::nullopt;
    std::array<std::byte, kMaxMessageBytes> buffer;
    const auto packet = receive_packet(fd->get(), buffer, deadline);
    if (!packet) return std::nullopt;
    const auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
    if (!reply) return std::nullopt;
    const auto* refused = std::get_if<plugin_protocol::Refused>(&*reply);
    if (refused == nullptr || refused->sentence.empty()) return std::nullopt;
    return ipc::with_remedy(refused->sentence);
}

}  // namespace secrets::spank
