// SPDX-License-Identifier: Apache-2.0
// The order in which clients shake hands with the hub's door: real connections over loopback. What
// a handshake would be is what the test does with a place.

#include "agentd/net/handshake_limiter.h"

#include <array>
#include <boost/asio/write.hpp>
#include <map>
#include <vector>

#include "tests/unit/catch.h"

using secrets::net::ConnectionLimits;
using secrets::net::HandshakeLimiter;
using namespace std::chrono_literals;
using Tcp = boost::asio::ip::tcp;

namespace {

constexpr HandshakeLimiter::Manner kTwoPlaces{2, 200ms, 40ms};

class Door {
  public:
    explicit Door(HandshakeLimiter::Manner manner = kTwoPlaces)
        : queue_(
              loop_, manner,
              [this](HandshakeLimiter::Client client, HandshakeLimiter::Slot place) {
                  const std::string name = client.counted.address();
                  begun_.push_back(name);
                  shaking_.emplace(name, Shaking{std::move(client), std::move(place)});
              },
              [this](const std::string& name) { silent_.push_back(name); }) {}
    ~Door() {
        queue_.stop();
        shaking_.clear();
    }

    /// A client of that name, which stands where its address would.
    Tcp::socket& come(const std::string& name) {
        Tcp::socket client(loop_);
        client.connect(acceptor_.local_endpoint());
        auto counted = limits_.admit(name);
        REQUIRE(counted.ok());
        queue_.add({acceptor_.accept(), std::move(counted).value()});
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
    ConnectionLimits limits_{{20, 5}};
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
    Door door({2, 200ms, 10s});
    for (const char* name : {"a", "b", "c", "d", "e"}) door.come_and_speak(name);
    CHECK(door.begun() == Names{"a", "b"});
    door.shaken("b");
    CHECK(door.begun() == Names{"a", "b", "c"});
    door.shaken("a");
    door.shaken("c");
    CHECK(door.begun() == Names{"a", "b", "c", "d", "e"});
}

TEST_CASE("HandshakeLimiter: never drops a client that waits for its turn", "[handshake_queue]") {
    Door door({1, 50ms, 10s});
    door.come_and_speak("a");
    door.come_and_speak("b");
    door.run(200ms);
    CHECK(door.turned_away().empty());
    door.shaken("a");
    CHECK(door.begun() == Names{"a", "b"});
}

TEST_CASE("HandshakeLimiter: gives a silent client no slot and drops it after a timeout",
          "[handshake_queue]") {
    Door door;
    for (const char* name : {"s1", "s2", "s3"}) door.come(name);
    door.come_and_speak("a");
    CHECK(door.begun() == Names{"a"});
    door.run(100ms);
    CHECK(door.turned_away().empty());
    door.run(150ms);
    CHECK(door.turned_away() == Names{"s1", "s2", "s3"});
    door.shaken("a");
    CHECK(door.runs_out());
}

TEST_CASE("HandshakeLimiter: skips a client that leaves before its turn", "[handshake_queue]") {
    Door door({1, 200ms, 10s});
    for (const char* name : {"a", "b", "c"}) door.come_and_speak(name);
    door.leave("b");
    door.shaken("a");
    CHECK(door.begun() == Names{"a", "c"});
}

TEST_CASE("HandshakeLimiter: passes the slot of a stalled client to the next one",
          "[handshake_queue]") {
    Door door;
    for (const char* name : {"a", "b", "c"}) door.come_and_speak(name);
    door.read_of("a");
    door.run(100ms);
    CHECK(door.begun() == Names{"a", "b", "c"});
    door.come_and_speak("d");
    door.shaken("a");  // it has no place to give back
    CHECK(door.begun() == Names{"a", "b", "c"});
    door.shaken("b");
    CHECK(door.begun() == Names{"a", "b", "c", "d"});
}

TEST_CASE("HandshakeLimiter: starts handshakes more slowly when many clients stall",
          "[handshake_queue]") {
    Door door({1, 1s, 20ms, 2, 300ms});
    for (const char* name : {"a", "b", "c", "d"}) door.come_and_speak(name);
    for (const char* name : {"a", "b"}) {
        door.read_of(name);
        door.run(60ms);
    }
    CHECK(door.begun() == Names{"a", "b", "c"});
    door.read_of("c");
    door.run(100ms);
    CHECK(door.begun() == Names{"a", "b", "c"});
    door.run(400ms);
    CHECK(door.begun() == Names{"a", "b", "c", "d"});
}

TEST_CASE("HandshakeLimiter: keeps the slot of a client that waits for the server",
          "[handshake_queue]") {
    Door door({1, 200ms, 100ms});
    door.come_and_speak("a");
    door.come_and_speak("b");
    door.run(250ms);  // the door has not read yet what it said
    CHECK(door.begun() == Names{"a"});
    door.read_of("a");
    door.answer("a");
    door.run(50ms);  // it had no time to answer yet
    CHECK(door.begun() == Names{"a"});
    door.run(150ms);
    CHECK(door.begun() == Names{"a", "b"});
}

TEST_CASE("HandshakeLimiter: drops all waiting clients when stopped", "[handshake_queue]") {
    Door door({1, 10s, 10s});
    door.come("silent");
    for (const char* name : {"a", "b", "c"}) door.come_and_speak(name);
    door.stop();
    door.come("late");
    door.shaken("a");
    CHECK(door.runs_out());
    CHECK(door.begun() == Names{"a"});
    CHECK(door.turned_away().empty());
}

TEST_CASE("HandshakeLimiter: leaves the event loop when no client waits", "[handshake_queue]") {
    Door door({1, 10s, 40ms});
    for (const char* name : {"a", "b"}) door.come_and_speak(name);
    door.shaken("a");
    door.shaken("b");
    CHECK(door.runs_out());
}

TEST_CASE("ConnectionLimits: limits the connections of each address and in total",
          "[handshake_queue]") {
    ConnectionLimits limits({3, 2});
    std::vector<ConnectionLimits::Counted> open;
    const auto come = [&](const char* address) -> std::string {
        auto counted = limits.admit(address);
        if (!counted) return counted.status().message();
        open.push_back(std::move(counted).value());
        return "";
    };
    CHECK(come("a").empty());
    CHECK(come("a").empty());
    CHECK(come("a") == "limit of 2 connections per address reached");
    CHECK(come("b").empty());
    CHECK(come("c") == "limit of 3 connections to the hub reached");
    open.pop_back();
    CHECK(come("c").empty());
}
