// SPDX-License-Identifier: Apache-2.0
// Promise: the user at the other end of a connection is the one that the kernel's table names for
// that end, and none as soon as that end is closed.

#include <sys/types.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <cstdlib>
#include <sstream>
#include <string>

#include "ctl/web/peer_user.h"
#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/skip.h"

namespace secrets::ctl::web {
namespace {

using boost::asio::ip::tcp;

// The tables are those of a host that stores the lowest byte of a number first.
constexpr const char* kHead =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode\n";
constexpr const char* kHeadOfIpv6 =
    "  sl  local_address                         remote_address                        st tx_queue "
    "rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

// Of the connection from 127.0.0.1:50000 (C350) to 127.0.0.1:8080 (1F90).
constexpr const char* kPeer = "0100007F:C350 0100007F:1F90";
constexpr const char* kOwn = "0100007F:1F90 0100007F:C350";
constexpr const char* kPeerOfIpv6 =
    "0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:1F90";

Connection connection() {
    const auto loopback = boost::asio::ip::address_v4::loopback();
    return {tcp::endpoint(loopback, 50000), tcp::endpoint(loopback, 8080)};
}

/// Returns a line as the kernel prints it. `ends`: the local and the remote end.
std::string line(const std::string& ends, unsigned user, const std::string& state = "01",
                 const std::string& inode = "31337") {
    return "   7: " + ends + " " + state + " 00000000:00000000 00:00000000 00000000  " +
           std::to_string(user) + "        0 " + inode + " 1 0000000000000000 20 4 30 10 -1\n";
}

std::optional<Uid> found_in(const std::string& table, bool is_ipv6 = false) {
    std::istringstream stream(table);
    return find_user_of_peer(stream, connection(), is_ipv6);
}

TEST_CASE("Web peer: finds the user on the line of the peer's end") {
    CHECK(found_in(kHead + line(kPeer, 1000)) == Uid{1000});
    CHECK(found_in(kHead + line(kOwn, 1001) + line(kPeer, 1000)) == Uid{1000});
    CHECK(found_in(kHead + line(kPeer, 1000) + line(kOwn, 1001)) == Uid{1000});
    CHECK(found_in(kHead + line(kPeer, 0)) == Uid{0});
    CHECK(found_in(kHead + line(kPeer, 4294967294U)) == Uid{4294967294U});
}

TEST_CASE("Web peer: takes no user from its own end or from another connection") {
    CHECK_FALSE(found_in(kHead + line(kOwn, 1000)));
    for (const char* ends : {
             "0100007F:C351 0100007F:1F90",  // other port of the peer
             "0100007F:C350 0100007F:1F91",  // other port of the page
             "0200007F:C350 0100007F:1F90",  // from 127.0.0.2
             "0100007F:C350 0200007F:1F90",  // to 127.0.0.2
             "7F000001:C350 7F000001:1F90",  // 1.0.0.127
             "00000000:C350 00000000:0000",  // a listener
             "0100007F:C350 00000000:0000",  // a listener
             "0100007F:50000 0100007F:8080",
         }) {
        CAPTURE(ends);
        CHECK_FALSE(found_in(kHead + line(ends, 1000)));
        CHECK(found_in(kHead + line(ends, 1001) + line(kPeer, 1000)) == Uid{1000});
    }
}

TEST_CASE("Web peer: takes no user from an end that is not connected") {
    // 05 and 06: of an end that the process has closed, which the kernel shows with the uid 0.
    for (const char* state :
         {"02", "03", "04", "05", "06", "07", "08", "09", "0A", "0B", "0C", "1", "001", "10"}) {
        CAPTURE(state);
        CHECK_FALSE(found_in(kHead + line(kPeer, 0, state)));
        CHECK_FALSE(found_in(kHead + line(kPeer, 1000, state)));
        CHECK(found_in(kHead + line(kPeer, 0, state) + line(kPeer, 1000)) == Uid{1000});
    }
}

TEST_CASE("Web peer: finds no user in a line of an end that no process has any longer") {
    // As of an MPTCP socket that is closed while data is unsent.
    CHECK_FALSE(found_in(kHead + line(kPeer, 0, "01", "0")));
}

TEST_CASE("Web peer: finds no user in an empty or truncated table") {
    CHECK_FALSE(found_in(""));
    CHECK_FALSE(found_in("\n\n"));
    CHECK_FALSE(found_in(kHead));
    const std::string whole = line(kPeer, 1000);
    const std::size_t user = whole.find("1000 ");
    for (std::size_t size = 0; size <= user + 4; ++size) {
        CAPTURE(size);
        CHECK_FALSE(found_in(kHead + whole.substr(0, size)));
        // The next line does not continue a truncated one.
        CHECK_FALSE(found_in(kHead + whole.substr(0, size) + "\n" + line(kOwn, 1001)));
        CHECK(found_in(kHead + whole.substr(0, size) + "\n" + whole) == Uid{1000});
    }
}

TEST_CASE("Web peer: finds no user in a line whose uid is not a number of a user") {
    for (const char* user : {"alice", "99999999999", ":", "x1000"}) {
        CAPTURE(user);
        std::string malformed = line(kPeer, 1000);
        malformed.replace(malformed.find("1000 "), 4, user);
        CHECK_FALSE(found_in(kHead + malformed));
    }
}

TEST_CASE("Web peer: finds the user of a socket for IPv6 only in the table of IPv6") {
    const std::string whole = line(kPeerOfIpv6, 1000);
    CHECK(found_in(kHeadOfIpv6 + whole, true) == Uid{1000});
    CHECK_FALSE(found_in(kHeadOfIpv6 + whole, false));
    CHECK_FALSE(found_in(kHead + line(kPeer, 1000), true));
    CHECK_FALSE(found_in(kHeadOfIpv6 + line(kPeerOfIpv6, 0, "05"), true));
    for (const char* ends : {
             // Its own end, and ::1 at the same ports, which is another connection.
             "0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:C350",
             "00000000000000000000000001000000:C350 00000000000000000000000001000000:1F90",
             "0000000000000000000000000100007F:C350 0000000000000000000000000100007F:1F90",
         }) {
        CAPTURE(ends);
        CHECK_FALSE(found_in(kHeadOfIpv6 + line(ends, 1000), true));
    }
}

/// Acts as a user until the end of its scope. Only root can become another.
class ActingAs {
  public:
    explicit ActingAs(uid_t user) : before_(geteuid()) { REQUIRE(seteuid(user) == 0); }
    ActingAs(const ActingAs&) = delete;
    ActingAs& operator=(const ActingAs&) = delete;
    ~ActingAs() {
        if (seteuid(before_) != 0) std::abort();
    }

  private:
    uid_t before_;
};

/// The user that clients of these tests belong to: as root another one, since the kernel also
/// shows 0 for an end that is closed.
Uid client_user() {
    return Uid{geteuid() == 0 ? kOtherUid : geteuid()};
}

/// A connection of this process with itself over 127.0.0.1.
struct LoopbackConnection {
    boost::asio::io_context loop{1};
    tcp::acceptor listener{loop, tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
    tcp::socket client{loop};
    tcp::socket served{loop};

    void open(const tcp& protocol, const boost::asio::ip::address& to) {
        {
            const ActingAs user(client_user().value);
            client.open(protocol);
        }
        client.connect(tcp::endpoint(to, listener.local_endpoint().port()));
        listener.accept(served);
    }
    std::optional<Uid> user() const {
        return user_of_peer({served.remote_endpoint(), served.local_endpoint()});
    }
};

TEST_CASE("Web peer: reads the user of a connection from the kernel") {
    LoopbackConnection connection;
    connection.open(tcp::v4(), boost::asio::ip::address_v4::loopback());
    CHECK(connection.user() == client_user());
    // The client's peer is the server.
    CHECK(user_of_peer({connection.client.remote_endpoint(), connection.client.local_endpoint()}) ==
          Uid{geteuid()});
    // The connection in the other direction does not exist.
    CHECK_FALSE(user_of_peer({connection.listener.local_endpoint(), {}}));
}

TEST_CASE("Web peer: reads the user of a connection that a socket for IPv6 makes") {
    LoopbackConnection connection;
    boost::system::error_code error;
    tcp::socket probe(connection.loop);
    probe.open(tcp::v6(), error);
    if (!error) probe.set_option(boost::asio::ip::v6_only(false), error);
    if (error) SKIP_BECAUSE("this kernel has no IPv6");
    connection.open(tcp::v6(), boost::asio::ip::make_address("::ffff:127.0.0.1"));
    CHECK(connection.user() == client_user());
    connection.client.close();
    CHECK_FALSE(connection.user());
}

TEST_CASE("Web peer: reads no user once the peer has closed its end") {
    LoopbackConnection connection;
    connection.open(tcp::v4(), boost::asio::ip::address_v4::loopback());
    const Connection ends{connection.served.remote_endpoint(), connection.served.local_endpoint()};
    REQUIRE(user_of_peer(ends));
    SECTION("by shutdown") {
        connection.client.shutdown(tcp::socket::shutdown_send);
        CHECK_FALSE(user_of_peer(ends));
    }
    SECTION("by close") {
        connection.client.close();
        CHECK_FALSE(user_of_peer(ends));
    }
    SECTION("by a reset") {
        connection.client.set_option(boost::asio::socket_base::linger(true, 0));
        connection.client.close();
        CHECK_FALSE(user_of_peer(ends));
    }
    SECTION("and the page its own") {
        connection.client.close();
        connection.served.close();
        CHECK_FALSE(user_of_peer(ends));
    }
}

}  // namespace
}  // namespace secrets::ctl::web
