// SPDX-License-Identifier: Apache-2.0
#include "agentd/net/listener.h"

#include <sys/socket.h>

#include <vector>

#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/temporary_folder.h"

using namespace secrets;

TEST_CASE("Listener: accepts all waiting clients in one turn of the loop", "[listener]") {
    const TemporaryFolder folder;
    const std::string path = folder.path() + "/socket";
    auto listening = listen_at(path, SocketKind::seqpacket, 0600);
    REQUIRE(listening.ok());
    boost::asio::io_context loop(1);
    std::size_t taken = 0;
    net::Listener listener(loop, std::move(listening).value(), "a socket",
                           [&](UniqueFd) { ++taken; });
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 50; ++i) {
        auto client = connect_seqpacket(path, Deadline::in(std::chrono::seconds(1)));
        REQUIRE(client.ok());
        clients.push_back(std::move(client).value());
    }
    loop.run_one();
    CHECK(taken == 50);
    listener.stop();
}
