// SPDX-License-Identifier: Apache-2.0
#pragma once
// The plugin's end of a node or job socket.

#include <array>
#include <string>

#include "common/base/limits.h"
#include "common/ipc/plugin_protocol.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"

namespace secrets {

/// Returns a reply if it is one of this kind.
template <typename Kind>
std::optional<Kind> as(const std::optional<plugin_protocol::Reply>& reply) {
    const auto* kind = reply ? std::get_if<Kind>(&*reply) : nullptr;
    return kind != nullptr ? std::optional(*kind) : std::nullopt;
}

/// One connection to a server that runs in `loop`.
class PluginClient {
  public:
    PluginClient(EventLoop& loop, const std::string& path) : loop_(loop) {
        auto connected = connect_seqpacket(path, soon());
        REQUIRE(connected.ok());
        fd_ = std::move(connected).value();
    }

    void send(const plugin_protocol::Request& request) {
        send_bytes(plugin_protocol::encode(request));
    }
    void send_bytes(std::span<const std::byte> packet) {
        REQUIRE(send_packet(fd_.get(), packet, soon()).ok());
    }

    /// Returns the next reply, or nothing if the server closes the connection; `fd` is what came
    /// with the reply.
    std::optional<plugin_protocol::Reply> next() {
        REQUIRE(loop_.turns_until([&] { return is_readable(fd_.get()); }));
        std::array<std::byte, kMaxMessageBytes> buffer;
        auto packet = receive_packet(fd_.get(), buffer, soon());
        REQUIRE(packet.ok());
        if (packet->size == 0) return std::nullopt;
        fd = std::move(packet->fd);
        auto reply = plugin_protocol::decode_reply(std::span(buffer).first(packet->size));
        REQUIRE(reply.ok());
        return std::move(reply).value();
    }

    /// Returns the next reply if it is one of this kind.
    template <typename Kind>
    std::optional<Kind> next_if() {
        return as<Kind>(next());
    }

    bool is_answered() const { return is_readable(fd_.get()); }
    void close() { fd_ = UniqueFd(); }

    UniqueFd fd;

  private:
    static Deadline soon() { return Deadline::in(std::chrono::seconds(5)); }

    EventLoop& loop_;
    UniqueFd fd_;
};

/// Sends one request on a connection of its own, and returns the first reply.
inline std::optional<plugin_protocol::Reply> ask_once(EventLoop& loop, const std::string& path,
                                                      const plugin_protocol::Request& request) {
    PluginClient client(loop, path);
    client.send(request);
    return client.next();
}

}  // namespace secrets
