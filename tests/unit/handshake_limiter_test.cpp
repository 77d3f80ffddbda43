// SPDX-License-Identifier: Apache-2.0
// The order in which clients shake hands with the hub: real connections over loopback. What
// a handshake would be is what the test does with a place.

#include "agentd/net/handshake_limiter.h"

#include <array>
#include <boost/asio/write.hpp>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"

using secrets::net::ConnectionLimits;
using secrets::net::HandshakeLimiter;
using namespace std::chrono_literals;
using Tcp = boost::asio::ip::tcp;

namespace {

constexpr HandshakeLimiter::Manner kTwoPlaces{2, 200ms, 40ms};

class Server {
  public:
    explicit Server(HandshakeLimiter::Manner manner = kTwoPlaces)
        : queue_(
              loop_, manner,
              [this](HandshakeLimiter::Client client, HandshakeLimiter::Slot place) {
                  const std::string name = client.counted.address();
                  begun_.push_back(name);
                  shaking_.emplace(name, Shaking{std::move(client), std::move(place)});
              },
              [this](const std::string& name) { silent_.push_back(name); }) {}
    ~Server() {
        queue_.stop();
        shaking_.clear();
    }

    /// A client of that name, which stands where its address would.
    Tcp::socket& come(const std::string& name) {
        Tcp::socket client(loop_);
        client.connect(acceptor_.local_endpoint());
        auto counted = limits_.admit(name);
        REQUIRE(counted.ok());
        queue_.add(HandshakeLimiter::Client(acceptor_.accept(), std::move(counted).value()));
        return clients_.emplace(name, std::move(client)).first->second;
    }
    void come_and_speak(const std::string& name) {
        boost::asio::write(come(name), boost::asio::buffer("hello", 5));
        run();
    }
    void leave(const std::string& name) { clients_.erase(name); }

    void run(std::chrono::milliseconds time = 5ms) {
        loop_.restart();
        loop_.run_for(time);
    }
    /// Until nothing is left to be waited for; whether that is so within a second.
    bool runs_out() {
        loop_.restart();
        loop_.run_for(1s);
        return loop_.stopped();
    }
    void read_of(const std::string& name) {
        std::array<char, 64> bytes;
        shaking_.at(name).client.socket.read_some(boost::asio::buffer(bytes));
    }
    void answer(const std::string& name) {
        boost::asio::write(shaking_.at(name).client.socket, boost::asio::buffer("hello", 5));
    }
    void shaken(const std::string& name) {
        Shaking shaking = std::move(shaking_.extract(name).mapped());
        const auto place_goes_first = std::move(shaking.place);
    }
    void stop() { queue_.stop(); }

    const std::vector<std::string>& begun() const { return begun_; }
    const std::vector<std::string>& turned_away() const { return silent_; }

  private:
    struct Shaking {
        HandshakeLimiter::Client client;
        HandshakeLimiter::Slot place;
    };

    boost::asio::io_context loop_{1};
    Tcp::acceptor acceptor_{loop_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
    ConnectionLimits limits_{{20, 5, 5}, [](const auto&, const auto&) {}};
    HandshakeLimiter queue_;
    std::map<std::string, Tcp::socket> clients_;
    std::map<std::string, Shaking> shaking_;
    std::vector<std::string> begun_;
    std::vector<std::string> silent_;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("HandshakeLimiter: runs a limited number of handshakes in order of arrival",
          "[handshake_queue]") {
    Server server({2, 200ms, 10s});
    for (const char* name : {"a", "b", "c", "d", "e"}) server.come_and_speak(name);
    CHECK(server.begun() == Names{"a", "b"});
    server.shaken("b");
    CHECK(server.begun() == Names{"a", "b", "c"});
    server.shaken("a");
    server.shaken("c");
    CHECK(server.begun() == Names{"a", "b", "c", "d", "e"});
}

TEST_CASE("HandshakeLimiter: never drops a client that waits for its turn", "[handshake_queue]") {
    Server server({1, 50ms, 10s});
    server.come_and_speak("a");
    server.come_and_speak("b");
    server.run(200ms);
    CHECK(server.turned_away().empty());
    server.shaken("a");
    CHECK(server.begun() == Names{"a", "b"});
}

TEST_CASE("HandshakeLimiter: gives a silent client no slot and drops it after a timeout",
          "[handshake_queue]") {
    Server server;
    for (const char* name : {"s1", "s2", "s3"}) server.come(name);
    server.come_and_speak("a");
    CHECK(server.begun() == Names{"a"});
    server.run(100ms);
    CHECK(server.turned_away().empty());
    server.run(150ms);
    CHECK(server.turned_away() == Names{"s1", "s2", "s3"});
    server.shaken("a");
    CHECK(server.runs_out());
}

TEST_CASE("HandshakeLimiter: skips a client that leaves before its turn", "[handshake_queue]") {
    Server server({1, 200ms, 10s});
    for (const char* name : {"a", "b", "c"}) server.come_and_speak(name);
    server.leave("b");
    server.shaken("a");
    CHECK(server.begun() == Names{"a", "c"});
}

TEST_CASE("HandshakeLimiter: passes the slot of a stalled client to the next one",
          "[handshake_queue]") {
    Server server;
    for (const char* name : {"a", "b", "c"}) server.come_and_speak(name);
    server.read_of("a");
    server.run(100ms);
    CHECK(server.begun() == Names{"a", "b", "c"});
    server.come_and_speak("d");
    server.shaken("a");  // it has no place to give back
    CHECK(server.begun() == Names{"a", "b", "c"});
    server.shaken("b");
    CHECK(server.begun() == Names{"a", "b", "c", "d"});
}

TEST_CASE("HandshakeLimiter: starts handshakes more slowly when many clients stall",
          "[handshake_queue]") {
    Server server({1, 1s, 20ms, 2, 300ms});
    for (const char* name : {"a", "b", "c", "d"}) server.come_and_speak(name);
    for (const char* name : {"a", "b"}) {
        server.read_of(name);
        server.run(60ms);
    }
    CHECK(server.begun() == Names{"a", "b", "c"});
    server.read_of("c");
    server.run(100ms);
    CHECK(server.begun() == Names{"a", "b", "c"});
    server.run(400ms);
    CHECK(server.begun() == Names{"a", "b", "c", "d"});
}

TEST_CASE("HandshakeLimiter: keeps the slot of a client that waits for the server",
          "[handshake_queue]") {
    Server server({1, 200ms, 100ms});
    server.come_and_speak("a");
    server.come_and_speak("b");
    server.run(250ms);  // the server has not read yet what it said
    CHECK(server.begun() == Names{"a"});
    server.read_of("a");
    server.answer("a");
    server.run(50ms);  // it had no time to answer yet
    CHECK(server.begun() == Names{"a"});
    server.run(150ms);
    CHECK(server.begun() == Names{"a", "b"});
}

TEST_CASE("HandshakeLimiter: drops all waiting clients when stopped", "[handshake_queue]") {
    Server server({1, 10s, 10s});
    server.come("silent");
    for (const char* name : {"a", "b", "c"}) server.come_and_speak(name);
    server.stop();
    server.come("late");
    server.shaken("a");
    CHECK(server.runs_out());
    CHECK(server.begun() == Names{"a"});
    CHECK(server.turned_away().empty());
}

TEST_CASE("HandshakeLimiter: leaves the event loop when no client waits", "[handshake_queue]") {
    Server server({1, 10s, 40ms});
    for (const char* name : {"a", "b"}) server.come_and_speak(name);
    server.shaken("a");
    server.shaken("b");
    CHECK(server.runs_out());
}

namespace {

/// Waits until what follows has a later time for the kernel, which counts ticks of 4 ms.
void let_the_kernel_count() {
    std::this_thread::sleep_for(10ms);
}

/// A server of at most 7 connections: 3 unproven and 2 of one caller at each address.
class LimitedServer {
  public:
    struct Connection {
        Connection(Tcp::socket accepted, Tcp::socket of_client, ConnectionLimits::Counted count)
            : socket(std::move(accepted)), client(std::move(of_client)), counted(std::move(count)) {
            counted.follow(socket);
        }
        bool is_shut() const {
            char byte = 0;
            return recv(native(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
        }
        void speak() { boost::asio::write(client, boost::asio::buffer("hello", 5)); }
        void read() {
            std::array<char, 64> bytes;
            socket.read_some(boost::asio::buffer(bytes));
            let_the_kernel_count();
        }

        Tcp::socket socket;
        Tcp::socket client;
        ConnectionLimits::Counted counted;

      private:
        int native() const { return const_cast<Tcp::socket&>(client).native_handle(); }
    };
    using Pointer = std::unique_ptr<Connection>;

    /// Returns null if the connection is refused.
    Pointer come(const std::string& address) {
        auto counted = limits_.admit(address);
        if (!counted) {
            refusal = counted.status().message();
            return nullptr;
        }
        Tcp::socket client(loop_);
        client.connect(acceptor_.local_endpoint());
        auto made = std::make_unique<Connection>(acceptor_.accept(), std::move(client),
                                                 std::move(counted).value());
        let_the_kernel_count();
        return made;
    }

    std::string refusal;
    std::vector<std::string> noted;  ///< addresses of which a connection was closed for another

  private:
    boost::asio::io_context loop_{1};
    Tcp::acceptor acceptor_{loop_, Tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
    ConnectionLimits limits_{{7, 3, 2}, [this](const std::string& address, const std::string&) {
                                 noted.push_back(address);
                             }};
};

}  // namespace

TEST_CASE("ConnectionLimits: closes the unproven connection that is silent for the longest",
          "[handshake_queue]") {
    LimitedServer server;
    const auto first = server.come("a");
    const auto second = server.come("a");
    const auto third = server.come("a");
    first->speak();
    first->read();
    const auto fourth = server.come("a");
    REQUIRE(fourth);
    CHECK(second->is_shut());
    CHECK_FALSE(first->is_shut());
    CHECK_FALSE(third->is_shut());
    CHECK(server.noted == Names{"a"});
    const auto fifth = server.come("a");
    REQUIRE(fifth);
    CHECK(third->is_shut());
    const auto sixth = server.come("a");
    REQUIRE(sixth);
    CHECK(first->is_shut());
    CHECK_FALSE(fourth->is_shut());
}

TEST_CASE("ConnectionLimits: closes no connection whose data is unread, or whose caller is proven",
          "[handshake_queue]") {
    LimitedServer server;
    const auto proven = server.come("a");
    REQUIRE(proven->counted.prove("uid 1").ok());
    std::vector<LimitedServer::Pointer> waiting;
    for (int i = 0; i < 3; ++i) {
        waiting.push_back(server.come("a"));
        waiting.back()->speak();
    }
    CHECK_FALSE(server.come("a"));
    CHECK(server.refusal ==
          "limit of 3 connections per address without a proof of the caller's identity reached");
    CHECK_FALSE(proven->is_shut());
    CHECK(server.come("b"));
    waiting.pop_back();
    CHECK(server.come("a"));
}

TEST_CASE("ConnectionLimits: closes no connection whose request is being served",
          "[handshake_queue]") {
    LimitedServer server;
    const auto first = server.come("a");
    first->speak();
    first->read();
    first->counted.set_busy(true);  // as while munged is waited for
    std::vector<LimitedServer::Pointer> newer;
    for (int i = 0; i < 6; ++i) {
        newer.push_back(server.come("a"));
        REQUIRE(newer.back());
    }
    CHECK_FALSE(first->is_shut());
    first->counted.set_busy(false);
    newer.push_back(server.come("a"));
    CHECK(first->is_shut());
}

TEST_CASE("ConnectionLimits: leaves other callers of an address their share", "[handshake_queue]") {
    LimitedServer server;
    auto one = server.come("a");
    const auto two = server.come("a");
    REQUIRE(one->counted.prove("uid 1").ok());
    REQUIRE(one->counted.prove("uid 1").ok());
    REQUIRE(two->counted.prove("uid 1").ok());
    const auto three = server.come("a");
    const secrets::Status wrong = three->counted.prove("uid 1");
    CHECK(wrong.message() ==
          "cannot serve uid 1 on a further connection from a: 2 are open, which is the limit; "
          "close some");
    const auto of_other = server.come("a");
    CHECK(of_other->counted.prove("uid 2").ok());
    const auto elsewhere = server.come("b");
    CHECK(elsewhere->counted.prove("uid 1").ok());
    one.reset();
    CHECK(three->counted.prove("uid 1").ok());
}

TEST_CASE("ConnectionLimits: closes a silent connection of the address that has most if full",
          "[handshake_queue]") {
    LimitedServer server;
    std::vector<LimitedServer::Pointer> open;
    for (const char* address : {"a", "a", "a", "b", "c", "d", "e"}) {
        open.push_back(server.come(address));
    }
    const auto eighth = server.come("f");
    REQUIRE(eighth);
    CHECK(open[0]->is_shut());
    CHECK(server.noted == Names{"a"});
    CHECK_FALSE(server.come("a"));
    CHECK(server.refusal == "limit of 7 connections to the hub reached");
    open.pop_back();
    CHECK(server.come("a"));
}
