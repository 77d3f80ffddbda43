// SPDX-License-Identifier: Apache-2.0
// Promise: a packet and its descriptor arrive whole, from whom the kernel says, and no call here
// blocks past its deadline, raises SIGPIPE or leaves a descriptor that a child would inherit.

#include "common/ipc/unix_socket.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <filesystem>
#include <string>
#include <thread>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/skip.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// Long enough for any machine to do what takes no waiting.
Deadline plenty() {
    return Deadline::in(std::chrono::seconds(20));
}

/// A deadline that passes while a test looks on, and how late something may be that keeps it. The
/// margin is wide: it tells "waits for ever" from "gives up", however busy the machine is.
constexpr milliseconds kShort{120};
constexpr milliseconds kMargin{5000};

UniqueFd listening_at(const std::string& path, SocketKind kind = SocketKind::seqpacket) {
    auto listener = listen_at(path, kind, 0600);
    if (!listener) FAIL(listener.status().message());
    return std::move(listener).value();
}

UniqueFd connected_to(const std::string& path) {
    auto client = connect_seqpacket(path, plenty());
    if (!client) FAIL(client.status().message());
    return std::move(client).value();
}

/// A connection through a real listener.
struct Connection {
    TemporaryFolder folder;
    UniqueFd listener = listening_at(folder.file("s.sock"));
    UniqueFd client = connected_to(folder.file("s.sock"));
    UniqueFd server = std::move(accept_from(listener.get())).value();
};

Packet received(int fd, std::span<std::byte> buffer) {
    auto packet = receive_packet(fd, buffer, plenty());
    if (!packet) FAIL(packet.status().message());
    return std::move(packet).value();
}

bool closed_by_exec(int fd) {
    return (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator begin("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin, std::filesystem::directory_iterator()));
}

ino_t inode_of(int fd) {
    struct stat status {};
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

TEST_CASE("Unix socket: delivers packets whole and one at a time", "[socket]") {
    const Connection connection;
    const Bytes first = bytes_of("first");
    const Bytes second(8000, std::byte{0xEE});
    REQUIRE(send_packet(connection.client.get(), first, plenty()).ok());
    REQUIRE(send_packet(connection.client.get(), second, plenty()).ok());

    Bytes buffer(10000);
    Packet packet = received(connection.server.get(), buffer);
    CHECK(Bytes(buffer.begin(), buffer.begin() + 5) == first);
    CHECK(packet.size == first.size());
    CHECK_FALSE(packet.cut);
    CHECK_FALSE(static_cast<bool>(packet.fd));
    packet = received(connection.server.get(), buffer);
    CHECK(packet.size == second.size());
    CHECK(Bytes(buffer.begin(), buffer.begin() + 8000) == second);

    REQUIRE(send_packet(connection.server.get(), first, plenty()).ok());
    CHECK(received(connection.client.get(), buffer).size == first.size());
}

TEST_CASE("Unix socket: marks a packet longer than the buffer as truncated", "[socket]") {
    const Connection connection;
    const Bytes message(100, std::byte{7});
    for (const std::size_t room : {99U, 100U, 101U}) {
        CAPTURE(room);
        REQUIRE(send_packet(connection.client.get(), message, plenty()).ok());
        Bytes buffer(room);
        const Packet packet = received(connection.server.get(), buffer);
        CHECK(packet.cut == (room < 100));
        CHECK(packet.size == std::min<std::size_t>(room, 100));
    }
}

TEST_CASE("Unix socket: returns an empty packet when the peer has closed", "[socket]") {
    Connection connection;
    connection.client.reset();
    Bytes buffer(10);
    CHECK(received(connection.server.get(), buffer).size == 0);
}

TEST_CASE("Unix socket: detects a gone peer without reading its data", "[socket]") {
    Connection connection;
    CHECK_FALSE(peer_is_gone(connection.server.get()));
    REQUIRE(send_packet(connection.client.get(), bytes_of("last"), plenty()).ok());
    CHECK_FALSE(peer_is_gone(connection.server.get()));
    connection.client.reset();
    CHECK(peer_is_gone(connection.server.get()));
    Bytes buffer(10);
    CHECK(received(connection.server.get(), buffer).size == 4);
    CHECK(peer_is_gone(connection.server.get()));
}

TEST_CASE("Unix socket: passes a descriptor with a packet", "[socket]") {
    const Connection connection;
    const UniqueFd sent(memfd_create("sent", MFD_CLOEXEC));
    REQUIRE(send_packet(connection.server.get(), bytes_of("x"), plenty(), sent.get()).ok());
    Bytes buffer(10);
    const Packet packet = received(connection.client.get(), buffer);
    REQUIRE(static_cast<bool>(packet.fd));
    CHECK(packet.fd.get() != sent.get());
    CHECK(inode_of(packet.fd.get()) == inode_of(sent.get()));
    CHECK(closed_by_exec(packet.fd.get()));
}

/// Sends one byte and `count` descriptors, as no well-meaning peer does.
bool send_descriptors(int socket, int passed_fd, std::size_t count) {
    std::byte byte{1};
    iovec part{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(count * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(count * sizeof(int));
    for (std::size_t i = 0; i < count; ++i) {
        memcpy(CMSG_DATA(header) + i * sizeof(int), &passed_fd, sizeof(int));
    }
    return sendmsg(socket, &message, MSG_NOSIGNAL) == 1;
}

TEST_CASE("Unix socket: leaks no descriptor when a peer sends several", "[socket]") {
    const Connection connection;
    const UniqueFd sent(memfd_create("sent", MFD_CLOEXEC));
    for (const std::size_t count : {1U, 2U, 3U, 16U}) {
        CAPTURE(count);
        const std::size_t before = open_descriptors();
        REQUIRE(send_descriptors(connection.client.get(), sent.get(), count));
        Bytes buffer(10);
        CHECK(received(connection.server.get(), buffer).size == 1);
        CHECK(open_descriptors() == before);
    }
}

TEST_CASE("Unix socket: makes every descriptor close-on-exec and non-blocking", "[socket]") {
    const Connection connection;
    for (const int fd :
         {connection.listener.get(), connection.client.get(), connection.server.get()}) {
        CHECK(closed_by_exec(fd));
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    }
    const auto nobody = accept_from(connection.listener.get());
    REQUIRE(nobody.ok());
    CHECK_FALSE(static_cast<bool>(*nobody));
}

TEST_CASE("Unix socket: reports uid and pid of the peer from the kernel", "[socket]") {
    const Connection connection;
    for (const int fd : {connection.client.get(), connection.server.get()}) {
        const auto peer = peer_of(fd);
        REQUIRE(peer.ok());
        CHECK(peer->uid == Uid{geteuid()});
        CHECK(peer->pid == getpid());
    }
    const UniqueFd file(memfd_create("file", MFD_CLOEXEC));
    CHECK_FALSE(peer_of(file.get()).ok());
}

TEST_CASE("Unix socket: reports uid and pid of a peer with another account", "[socket]") {
    if (geteuid() != 0) SKIP_BECAUSE("it takes root to become another account");
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const auto listener = listen_at(path, SocketKind::seqpacket, 0666);
    REQUIRE(listener.ok());
    Child child([&] {
        if (!become_other_user()) return 1;
        const auto client = connect_seqpacket(path, plenty());
        std::byte byte{};
        return client.ok() && receive_packet(client->get(), {&byte, 1}, plenty()).ok() ? 0 : 2;
    });
    UniqueFd server;
    for (const Deadline end = plenty(); !server && !end.passed();) {
        server = std::move(accept_from(listener->get())).value();
        std::this_thread::sleep_for(milliseconds(1));
    }
    const auto peer = peer_of(server.get());
    REQUIRE(peer.ok());
    CHECK(peer->uid == Uid{kOtherUid});
    CHECK(peer->pid == child.pid());
    server.reset();
    CHECK(child.wait() == 0);
}

TEST_CASE("Unix socket: fails a receive at its deadline", "[socket]") {
    const Connection connection;
    Bytes buffer(10);
    const auto begin = Clock::now();
    const auto packet = receive_packet(connection.client.get(), buffer, Deadline::in(kShort));
    const auto taken = Clock::now() - begin;
    REQUIRE_FALSE(packet.ok());
    CHECK(packet.status().message() == "receiving timed out");
    CHECK(taken >= kShort);
    CHECK(taken < kShort + kMargin);
}

TEST_CASE("Unix socket: fails a send to a peer that does not read at its deadline", "[socket]") {
    const Connection connection;
    const Bytes message(4096);
    const auto begin = Clock::now();
    const Deadline deadline = Deadline::in(kShort);
    Status wrong;
    for (int i = 0; i < 100000 && wrong.ok(); ++i) {
        wrong = send_packet(connection.client.get(), message, deadline);
    }
    const auto taken = Clock::now() - begin;
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.message() == "sending timed out");
    CHECK(taken >= kShort);
    CHECK(taken < kShort + kMargin);
}

TEST_CASE("Unix socket: receives a waiting packet even after the deadline", "[socket]") {
    const Connection connection;
    REQUIRE(
        send_packet(connection.client.get(), bytes_of("x"), Deadline::in(milliseconds(-1))).ok());
    Bytes buffer(10);
    const auto packet =
        receive_packet(connection.server.get(), buffer, Deadline::in(milliseconds(-1)));
    REQUIRE(packet.ok());
    CHECK(packet->size == 1);
}

TEST_CASE("Unix socket: neither shortens nor prolongs a wait when signals arrive", "[socket]") {
    const Connection connection;
    Child child([&] {
        struct sigaction action {};
        action.sa_handler = [](int) {};
        sigaction(SIGALRM, &action, nullptr);
        const itimerval every{{0, 10000}, {0, 10000}};
        setitimer(ITIMER_REAL, &every, nullptr);
        std::byte byte{};
        const auto begin = Clock::now();
        const auto packet =
            receive_packet(connection.client.get(), {&byte, 1}, Deadline::in(kShort));
        const auto taken = Clock::now() - begin;
        if (packet || packet.status().message() != "receiving timed out") return 1;
        return taken >= kShort && taken < kShort + kMargin ? 0 : 2;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("Unix socket: returns an error without SIGPIPE when the peer is gone", "[socket]") {
    Connection connection;
    connection.server.reset();
    Child child([&] {
        signal(SIGPIPE, SIG_DFL);
        const Status wrong = send_packet(connection.client.get(), bytes_of("x"), plenty());
        return wrong.message() == "sending failed: Broken pipe" ? 0 : 1;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("Deadline: never rounds remaining time down to a poll that does not wait", "[socket]") {
    const Deadline soon = Deadline::in(milliseconds(2));
    while (soon.poll_milliseconds() > 0) continue;
    CHECK(soon.passed());
    CHECK(Deadline::in(milliseconds(-5)).poll_milliseconds() == 0);
    CHECK(Deadline::in(std::chrono::hours(1000)).poll_milliseconds() == 24 * 3600 * 1000);
}

}  // namespace
}  // namespace secrets
