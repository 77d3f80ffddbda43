// SPDX-License-Identifier: Apache-2.0
// Promise: a name whose lookup hangs or fails holds up no other name and no address, and the last
// known addresses of a name stay in use.

#include "agentd/net/host_resolver.h"

#include <condition_variable>
#include <mutex>
#include <set>

#include "agentd/hub/login_hosts.h"
#include "agentd/net/https_connection.h"
#include "tests/unit/certificates.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/tls_server.h"

namespace secrets::net {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// A name service whose answers a test sets, and which hangs for some names.
class NameService {
  public:
    StatusOr<HostAddresses> query(const std::string& name) {
        std::unique_lock lock(mutex_);
        ++queries_[name];
        changed_.wait(lock, [&] { return !hanging_.contains(name); });
        const auto found = addresses_.find(name);
        if (found == addresses_.end()) return Status::failed("Name or service not known");
        return HostAddresses{asio::ip::make_address(found->second)};
    }
    void set(std::map<std::string, std::string> addresses) {
        const std::lock_guard lock(mutex_);
        addresses_ = std::move(addresses);
    }
    void hang(std::set<std::string> names) {
        const std::lock_guard lock(mutex_);
        hanging_ = std::move(names);
        changed_.notify_all();
    }
    int queries_of(const std::string& name) {
        const std::lock_guard lock(mutex_);
        return queries_[name];
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::set<std::string> hanging_;
    std::map<std::string, std::string> addresses_;
    std::map<std::string, int> queries_;
};

struct ResolverFixture : EventLoop {
    ResolverFixture() {
        HostResolver::of(io).set_query(
            [service = names](const std::string& name) { return service->query(name); });
    }
    ~ResolverFixture() { names->hang({}); }
    ResolverFixture(const ResolverFixture&) = delete;
    ResolverFixture& operator=(const ResolverFixture&) = delete;

    asio::awaitable<HostLookup> looking_up(std::string name, Clock::duration patience) {
        constexpr auto kUse = HostResolver::Use::connection;
        return HostResolver::of(io).look_up(std::move(name), kUse, Clock::now() + patience);
    }
    /// Returns the address of a name, or the reason why there is none.
    std::string look_up(const std::string& name, Clock::duration patience = hours(1)) {
        return described(result_of(looking_up(name, patience)));
    }
    static std::string described(const HostLookup& found) {
        return found.addresses.empty() ? found.trouble : found.addresses.front().to_string();
    }

    /// The resolver's threads may outlive the test.
    std::shared_ptr<NameService> names = std::make_shared<NameService>();
};

TEST_CASE("HostResolver: asks nobody about an address", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->hang({"192.0.2.1", "2001:db8::1"});
    CHECK(fixture.look_up("192.0.2.1") == "192.0.2.1");
    CHECK(fixture.look_up("2001:db8::1") == "2001:db8::1");
    CHECK(fixture.names->queries_of("192.0.2.1") == 0);
}

TEST_CASE("HostResolver: holds up no lookup by another one that hangs", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->set({{"a", "192.0.2.1"}, {"hangs", "192.0.2.2"}});
    fixture.names->hang({"hangs"});
    std::vector<std::shared_ptr<std::optional<HostLookup>>> waiting;
    for (int i = 0; i < 40; ++i) {
        waiting.push_back(fixture.start(fixture.looking_up("hangs", hours(1))));
    }
    REQUIRE(fixture.turns_until([&] { return fixture.names->queries_of("hangs") == 1; }));
    CHECK(fixture.look_up("a") == "192.0.2.1");
    CHECK(fixture.look_up("192.0.2.9") == "192.0.2.9");
    CHECK(fixture.look_up("unknown") == "Name or service not known");
    const auto impatient = fixture.start(fixture.looking_up("hangs", seconds(1)));
    fixture.turn(milliseconds(5));
    fixture.pass(seconds(2));
    REQUIRE(fixture.turns_until([&] { return impatient->has_value(); }));
    CHECK(ResolverFixture::described(**impatient) == "the resolver does not answer in time");
    CHECK(fixture.names->queries_of("hangs") == 1);
    fixture.names->hang({});
    for (const auto& each : waiting) {
        REQUIRE(fixture.turns_until([&] { return each->has_value(); }));
        CHECK(ResolverFixture::described(**each) == "192.0.2.2");
    }
}

TEST_CASE("HostResolver: goes on with the last known addresses", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->set({{"a", "192.0.2.1"}});
    REQUIRE(fixture.look_up("a") == "192.0.2.1");
    fixture.names->set({});
    fixture.pass(seconds(10));
    const HostLookup failed = fixture.result_of(fixture.looking_up("a", hours(1)));
    CHECK(ResolverFixture::described(failed) == "192.0.2.1");
    CHECK(failed.trouble == "Name or service not known");
    fixture.names->hang({"a"});
    const auto slow = fixture.start(fixture.looking_up("a", hours(1)));
    fixture.turn(milliseconds(5));
    CHECK_FALSE(slow->has_value());
    fixture.pass(milliseconds(300));
    REQUIRE(fixture.turns_until([&] { return slow->has_value(); }));
    CHECK(ResolverFixture::described(**slow) == "192.0.2.1");
    // The next connection does not wait at all for a lookup that hangs already.
    CHECK(fixture.look_up("a") == "192.0.2.1");
    fixture.names->set({{"a", "192.0.2.7"}});
    fixture.names->hang({});
    CHECK(fixture.turns_until([&] { return fixture.look_up("a") == "192.0.2.7"; }));
}

TEST_CASE("HostResolver: keeps threads free for connections", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->set({{"a", "192.0.2.1"}});
    std::set<std::string> hosts;
    for (int i = 0; i < 100; ++i) hosts.insert("login" + std::to_string(i));
    fixture.names->hang(hosts);
    for (const std::string& host : hosts) {
        HostResolver::of(fixture.io).begin(host, HostResolver::Use::background);
    }
    CHECK(fixture.look_up("a") == "192.0.2.1");
}

TEST_CASE("LoginHosts: knows the other hosts while the lookup of one hangs", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->set({{"a", "192.0.2.1"}, {"b", "192.0.2.2"}, {"hangs", "192.0.2.3"}});
    fixture.names->hang({"hangs"});
    Supervisor supervisor(fixture.io, [](const auto&, const auto&, auto) {});
    hub::LoginHosts hosts(fixture.io, supervisor, {"hangs", "a", "b"});
    fixture.turn(milliseconds(20));
    fixture.pass(seconds(6));
    CHECK(fixture.turns_until([&] { return hosts.has("192.0.2.2") == true; }));
    CHECK(hosts.has("192.0.2.1") == true);
    CHECK(hosts.has("192.0.2.9") == std::nullopt);
    fixture.names->hang({});
    fixture.turn(milliseconds(20));
    fixture.pass(seconds(10));
    CHECK(fixture.turns_until([&] { return hosts.has("192.0.2.3") == true; }));
    CHECK(hosts.has("192.0.2.9") == false);
    supervisor.stop();
    hosts.stop();
    fixture.turn(milliseconds(50));
}

TEST_CASE("HttpsConnection: connects while the lookup of another host hangs", "[host_resolver]") {
    ResolverFixture fixture;
    fixture.names->hang({"hangs"});
    TlsServer server(fixture.io, [](TlsServer::Stream& stream) -> asio::awaitable<void> {
        char byte = 0;
        ErrorCode error;
        co_await stream.async_read_some(asio::buffer(&byte, 1), into(error));
    });
    const auto context = make_client_context(server.ca(), "ca").value();
    const auto opening = [&](HttpsUrl url) -> asio::awaitable<Status> {
        HttpsConnection connection(fixture.io, *context);
        TlsSession none(nullptr, &SSL_SESSION_free);
        co_return co_await connection.open(url, std::move(none),
                                           HttpsConnection::Clock::now() + hours(1));
    };
    HttpsUrl hanging = server.url();
    hanging.host = "hangs";
    const auto waits = fixture.start(opening(hanging));
    fixture.turn(milliseconds(20));
    CHECK(fixture.result_of(opening(server.url())).ok());
    CHECK_FALSE(waits->has_value());
    fixture.names->hang({});
    REQUIRE(fixture.turns_until([&] { return waits->has_value(); }));
    CHECK_FALSE((*waits)->ok());
    server.stop();
    fixture.turn(milliseconds(50));
}

}  // namespace
}  // namespace secrets::net
