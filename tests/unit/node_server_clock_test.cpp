// SPDX-License-Identifier: Apache-2.0
// Promise: the node socket keeps its times: a step waits for its run as long as it may and no
// longer, and a client that sends nothing is let go.

#include <dlfcn.h>
#include <sys/socket.h>

#include "agentd/server/node_server.h"
#include "common/ipc/unix_socket.h"
#include "common/secure_memory/delivery.h"
#include "common/secure_memory/locked_region.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/test_loop.h"

namespace {

/// The user that the kernel names as the other end of every Unix socket; nobody: the real one.
std::optional<uid_t> uid_of_peers;

}  // namespace

/// Replaces the C library's for what is linked into this program, so that tests need not be root.
extern "C" int getsockopt(int fd, int level, int name, void* value, socklen_t* length) noexcept {
    static const auto real =
        reinterpret_cast<decltype(&getsockopt)>(dlsym(RTLD_NEXT, "getsockopt"));
    const int result = real(fd, level, name, value, length);
    if (result == 0 && level == SOL_SOCKET && name == SO_PEERCRED && uid_of_peers) {
        static_cast<ucred*>(value)->uid = *uid_of_peers;
    }
    return result;
}

namespace secrets::server {
namespace {

using plugin_protocol::Reply;
using std::chrono::milliseconds;
using std::chrono::seconds;

Deadline at_once() {
    return Deadline::in(milliseconds(0));
}

/// The node socket of services, and clients of it.
struct Fixture : TestLoop {
    Fixture()
        : server(loop, listen_at(folder.file("node.sock"), SocketKind::seqpacket, 0600).value(),
                 office.services, waiters, nullptr, nullptr) {
        uid_of_peers = 0;
        office.events.on_push = [this](const RunId& run) { waiters.wake(run); };
    }
    ~Fixture() {
        waiters.stop();
        server.stop();
        server.end_silent();
        turn(milliseconds(20));
        uid_of_peers.reset();
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    UniqueFd connect() const {
        return connect_seqpacket(folder.file("node.sock"), at_once()).value();
    }
    /// Connects, and sends a request.
    UniqueFd send(const plugin_protocol::Request& request) {
        UniqueFd client = connect();
        REQUIRE(send_packet(client.get(), plugin_protocol::encode(request), at_once()).ok());
        return client;
    }
    plugin_protocol::GrantRequest grant_of(std::string spec,
                                           milliseconds wait = seconds(10)) const {
        return {JobId{7}, StepId{0}, office.alice, static_cast<std::uint32_t>(wait.count()),
                std::move(spec)};
    }
    /// Sends a request that waits, and reads that it does.
    UniqueFd send_waiting(std::string spec, milliseconds wait = seconds(10)) {
        UniqueFd client = send(grant_of(std::move(spec), wait));
        CHECK(std::holds_alternative<plugin_protocol::Waiting>(next_reply(client)));
        return client;
    }
    bool has_reply(const UniqueFd& client) {
        turn(milliseconds(10));
        return is_readable(client.get());
    }
    Packet next_packet(const UniqueFd& client) {
        REQUIRE(turns_until([&] { return is_readable(client.get()); }));
        auto packet = receive_packet(client.get(), buffer, at_once());
        REQUIRE(packet.ok());
        return std::move(packet).value();
    }
    /// Reads a reply; `region` is then what came with it.
    Reply next_reply(const UniqueFd& client) {
        Packet packet = next_packet(client);
        region = std::move(packet.fd);
        return plugin_protocol::decode_reply(std::span(buffer).first(packet.size)).value();
    }
    void push(std::string_view run) {
        REQUIRE(office.push(office.alice, run, {}, list_of(user_secret("A", "value"))).ok());
    }

    TemporaryFolder folder;
    service::Office office;
    service::RunWaiters waiters;
    NodeServer server;
    std::array<std::byte, kMaxMessageBytes> buffer{};
    UniqueFd region;
};

TEST_CASE("NodeServer: denies a step whose run is not pushed in time", "[node_server]") {
    Fixture fixture;
    const UniqueFd client = fixture.send_waiting("run:r");
    fixture.pass(milliseconds(9900));
    CHECK_FALSE(fixture.has_reply(client));
    fixture.pass(milliseconds(200));
    CHECK(std::holds_alternative<plugin_protocol::Refused>(fixture.next_reply(client)));
    fixture.push("r");
    CHECK(fixture.office.vault.find_hold(JobId{7}) == nullptr);
    CHECK(fixture.next_packet(client).size == 0);
}

TEST_CASE("NodeServer: denies at once a run that may not be waited for", "[node_server]") {
    Fixture fixture;
    const UniqueFd client = fixture.send(fixture.grant_of("run:r", {}));
    CHECK(std::holds_alternative<plugin_protocol::Refused>(fixture.next_reply(client)));
}

TEST_CASE("NodeServer: closes a connection that sends nothing for five seconds", "[node_server]") {
    Fixture fixture;
    const UniqueFd silent = fixture.connect();
    fixture.turn(milliseconds(10));
    fixture.pass(milliseconds(4900));
    CHECK_FALSE(fixture.has_reply(silent));
    fixture.pass(milliseconds(200));
    CHECK(fixture.next_packet(silent).size == 0);
}

}  // namespace
}  // namespace secrets::server
