// SPDX-License-Identifier: Apache-2.0
// Promise: a socket file admits only its users and replaces no other process's socket, and a
// connect to it ends in time.

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "common/ipc/unix_socket.h"
#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/skip.h"
#include "tests/unit/temporary_folder.h"

namespace secrets {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

Deadline plenty() {
    return Deadline::in(std::chrono::seconds(20));
}

/// As in unix_socket_test.cpp: the margin tells "waits for ever" from "gives up".
constexpr milliseconds kShort{120};
constexpr milliseconds kMargin{5000};

UniqueFd listening_at(const std::string& path, mode_t mode = 0600) {
    auto listener = listen_at(path, SocketKind::seqpacket, mode);
    if (!listener) FAIL(listener.status().message());
    return std::move(listener).value();
}

std::string refusal_at(const std::string& path, SocketKind kind = SocketKind::seqpacket) {
    const auto listener = listen_at(path, kind, 0600);
    return listener.ok() ? "(listens)" : listener.status().message();
}

bool somebody_answers_at(const std::string& path) {
    return connect_seqpacket(path, plenty()).ok();
}

/// The permission bits of a file; 0 when it is not there.
mode_t mode_of(const std::string& path) {
    struct stat status {};
    return lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

class Umask {
  public:
    explicit Umask(mode_t mask) : old_(umask(mask)) {}
    Umask(const Umask&) = delete;
    Umask& operator=(const Umask&) = delete;
    ~Umask() { umask(old_); }

  private:
    mode_t old_;
};

/// A listener whose queue takes `backlog` connections, which nobody accepts by itself.
UniqueFd slow_listener_at(const std::string& path, int backlog) {
    UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    REQUIRE(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0);
    REQUIRE(listen(fd.get(), backlog) == 0);
    return fd;
}

/// Connects until the queue is full.
std::vector<UniqueFd> fill_queue(const std::string& path) {
    std::vector<UniqueFd> clients;
    while (true) {
        auto client = connect_seqpacket(path, Deadline::in(milliseconds(0)));
        if (!client) return clients;
        clients.push_back(std::move(client).value());
        REQUIRE(clients.size() < 100);
    }
}

TEST_CASE("Unix socket: creates a socket with the requested mode under any umask", "[socket]") {
    for (const mode_t mask : {0000U, 0022U, 0077U, 0777U}) {
        for (const mode_t mode : {0600U, 0660U, 0666U}) {
            CAPTURE(mask, mode);
            const TemporaryFolder folder;
            const Umask umask(mask);
            const UniqueFd listener = listening_at(folder.file("s.sock"), mode);
            CHECK(mode_of(folder.file("s.sock")) == mode);
        }
    }
}

TEST_CASE("Unix socket: never exposes a wider mode while it creates a socket", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const Umask umask(0);
    std::atomic<bool> done = false;
    mode_t widest = 0;
    std::thread watcher([&] {
        while (!done) widest |= mode_of(path);
    });
    for (int i = 0; i < 3000; ++i) {
        const UniqueFd listener = listening_at(path);
        unlink(path.c_str());
    }
    done = true;
    watcher.join();
    CHECK((widest & ~0600U) == 0);
}

TEST_CASE("Unix socket: denies another account on a socket of mode 0600", "[socket]") {
    if (geteuid() != 0) SKIP_BECAUSE("it takes root to become another account");
    const TemporaryFolder folder;
    const UniqueFd narrow = listening_at(folder.file("narrow.sock"), 0600);
    const UniqueFd wide = listening_at(folder.file("wide.sock"), 0666);
    Child child([&] {
        if (!become_other_user()) return 1;
        if (!connect_seqpacket(folder.file("wide.sock"), plenty())) return 2;
        const auto refused = connect_seqpacket(folder.file("narrow.sock"), plenty());
        if (refused) return 3;
        return refused.status().message().ends_with("Permission denied") ? 0 : 4;
    });
    CHECK(child.wait() == 0);
}

TEST_CASE("Unix socket: replaces a socket file without a listener", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    listening_at(path, 0666).reset();
    REQUIRE(mode_of(path) == 0666);
    CHECK_FALSE(somebody_answers_at(path));

    const UniqueFd listener = listening_at(path, 0600);
    CHECK(mode_of(path) == 0600);
    CHECK(somebody_answers_at(path));
}

TEST_CASE("Unix socket: rejects a path with a live listener and leaves the listener working",
          "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const UniqueFd listener = listening_at(path);
    for (const SocketKind kind : {SocketKind::seqpacket, SocketKind::stream}) {
        CHECK(refusal_at(path, kind) == "another process listens on " + path);
    }
    CHECK(somebody_answers_at(path));
}

TEST_CASE("Unix socket: treats a listener with a full queue as live", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const UniqueFd listener = slow_listener_at(path, 0);
    const auto clients = fill_queue(path);
    CHECK(refusal_at(path) == "another process listens on " + path);
    CHECK(mode_of(path) != 0);
}

TEST_CASE("Unix socket: rejects and preserves a file that is not a socket", "[socket]") {
    const TemporaryFolder folder;
    const std::string file = folder.file("file");
    std::ofstream(file) << "precious";
    CHECK(refusal_at(file) == file + " exists and is not a socket; remove it");
    std::ifstream input(file);
    CHECK(std::string(std::istreambuf_iterator<char>(input), {}) == "precious");

    const std::string folder_inside = folder.file("folder");
    std::filesystem::create_directory(folder_inside);
    CHECK(refusal_at(folder_inside) == folder_inside + " exists and is not a socket; remove it");

    const std::string dead = folder.file("dead.sock");
    listening_at(dead).reset();
    for (const std::string& target : {dead, folder.file("nowhere")}) {
        const std::string link = folder.file("link");
        std::filesystem::create_symlink(target, link);
        CHECK(refusal_at(link) == link + " exists and is not a socket; remove it");
        CHECK(std::filesystem::read_symlink(link) == target);
        std::filesystem::remove(link);
    }
}

TEST_CASE("Unix socket: rejects a path of invalid length and names the limit", "[socket]") {
    const TemporaryFolder folder;
    const std::string longest = folder.file(std::string(107 - folder.file("").size(), 's'));
    REQUIRE(longest.size() == 107);
    const UniqueFd listener = listening_at(longest);
    CHECK(somebody_answers_at(longest));

    for (const std::string& path : {std::string(), longest + "s"}) {
        const std::string sentence = "the socket's path " + path + " must have 1 to 107 characters";
        CHECK(refusal_at(path) == sentence);
        const auto client = connect_seqpacket(path, plenty());
        REQUIRE_FALSE(client.ok());
        CHECK(client.status().message() == sentence);
    }
}

TEST_CASE("Unix socket: fails a connect without a listener at once", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const auto begin = Clock::now();
    auto client = connect_seqpacket(path, plenty());
    REQUIRE_FALSE(client.ok());
    CHECK(client.status().message() ==
          "connect() to " + path + " failed: No such file or directory");

    listening_at(path).reset();
    client = connect_seqpacket(path, plenty());
    REQUIRE_FALSE(client.ok());
    CHECK(client.status().message() == "connect() to " + path + " failed: Connection refused");
    CHECK(Clock::now() - begin < kMargin);
}

TEST_CASE("Unix socket: fails a connect to a full queue at its deadline", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const UniqueFd listener = slow_listener_at(path, 1);
    const auto clients = fill_queue(path);
    REQUIRE_FALSE(clients.empty());

    const auto begin = Clock::now();
    const auto client = connect_seqpacket(path, Deadline::in(kShort));
    const auto taken = Clock::now() - begin;
    REQUIRE_FALSE(client.ok());
    CHECK(client.status().message() ==
          "connect() to " + path + " failed: Resource temporarily unavailable");
    CHECK(taken >= kShort);
    CHECK(taken < kShort + kMargin);
}

TEST_CASE("Unix socket: completes a connect as soon as a full queue has room", "[socket]") {
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const UniqueFd listener = slow_listener_at(path, 0);
    const auto clients = fill_queue(path);
    bool accepted = false;
    std::thread accepting([&] {
        std::this_thread::sleep_for(milliseconds(50));
        accepted = accept_from(listener.get()).ok();
    });
    CHECK(connect_seqpacket(path, plenty()).ok());
    accepting.join();
    CHECK(accepted);
}

TEST_CASE("Unix socket: leaks no descriptor when an operation fails", "[socket]") {
    const auto open_descriptors = [] {
        const std::filesystem::directory_iterator begin("/proc/self/fd");
        return std::distance(begin, std::filesystem::directory_iterator());
    };
    const TemporaryFolder folder;
    const std::string path = folder.file("s.sock");
    const UniqueFd listener = listening_at(path);
    const auto before = open_descriptors();
    CHECK_FALSE(listen_at(path, SocketKind::seqpacket, 0600).ok());
    CHECK_FALSE(listen_at(folder.file("no/s.sock"), SocketKind::seqpacket, 0600).ok());
    CHECK_FALSE(connect_seqpacket(folder.file("other.sock"), plenty()).ok());
    CHECK(open_descriptors() == before);
}

}  // namespace
}  // namespace secrets
