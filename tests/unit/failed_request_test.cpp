// SPDX-License-Identifier: Apache-2.0
// Promise: a request that an exception ends is reported with the cause, who made it and which it
// was, and costs no other request.

#include <unistd.h>

#include <stdexcept>

#include "agentd/audit/recent_events.h"
#include "agentd/server/ipc_server.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::server {
namespace {

using std::chrono::milliseconds;

const char* anybody(const Peer&) {
    return nullptr;
}

TEST_CASE("IpcServer: reports a request whose handler throws, and serves the next") {
    service::keep_the_log_quiet();
    const TemporaryFolder folder;
    const std::string path = folder.file("node.sock");
    auto listener = listen_at(path, SocketKind::seqpacket, 0600);
    REQUIRE(listener.ok());
    asio::io_context loop;
    int answered = 0;
    const auto fail = [&](int, Peer, plugin_protocol::Request) -> asio::awaitable<void> {
        if (++answered == 1) throw std::runtime_error("no memory");
        co_return;
    };
    IpcServer server(loop, std::move(listener).value(), "node socket", anybody, fail);
    for (const plugin_protocol::Request& request :
         {plugin_protocol::Request(plugin_protocol::GrantRequest{JobId{7}, {}, Uid{1001}, 0, "A"}),
          plugin_protocol::Request(plugin_protocol::PingRequest{})}) {
        const auto deadline = Deadline::in(std::chrono::seconds(5));
        const auto client = connect_seqpacket(path, deadline);
        REQUIRE(client.ok());
        REQUIRE(send_packet(client->get(), plugin_protocol::encode(request), deadline).ok());
        loop.restart();
        loop.run_for(milliseconds(50));
    }
    CHECK(answered == 2);
    const auto& entries = audit::recent().entries();
    REQUIRE_FALSE(entries.empty());
    CHECK(entries.back().event.sentence ==
          "node socket: cannot answer GRANT for job 7 of uid 1001 from pid " +
              std::to_string(getpid()) + " of uid " + std::to_string(getuid()) + ": no memory");
    server.stop();
    loop.restart();
    loop.run_for(milliseconds(10));
}

}  // namespace
}  // namespace secrets::server
