// SPDX-License-Identifier: Apache-2.0
// Promise: only root's steps are granted anything on the node socket; each request has one answer,
// and a job that was cancelled before its answer is given no hold.

#include "agentd/server/node_server.h"

#include "agentd/service/shared_run_changes.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/office.h"
#include "tests/unit/plugin_client.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::server {
namespace {

using plugin_protocol::Done;
using plugin_protocol::Granted;
using plugin_protocol::GrantRequest;
using plugin_protocol::Nothing;
using plugin_protocol::Refused;
using plugin_protocol::Waiting;
using std::chrono::milliseconds;

constexpr JobId kJob{7};

/// An agent with run r of alice, which has one secret, and its node server.
struct Fixture {
    explicit Fixture(service::SharedStore* shared = nullptr, GrantAtHub at_hub = nullptr)
        : path(folder.file("node.sock")),
          server(loop.io, listen_at(path, SocketKind::seqpacket, 0600).value(), office.services,
                 waiters, shared, std::move(at_hub), [this](service::RunBinding binding) {
                     return service::bind_run(office.services, nullptr, std::move(binding),
                                              service::SharedStore::Clock::time_point::max());
                 }) {
        set_peer(service::kRoot);
        office.events.on_push = [this](const RunId& run) { waiters.wake(run); };
        push("r");
    }
    ~Fixture() {
        server.stop();
        server.end_silent();
        waiters.stop();
        loop.turn(milliseconds(20));
        set_peer(std::nullopt);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    void push(std::string_view run) {
        REQUIRE(office.push(office.alice, run, {}, list_of(user_secret("A", "value"))).ok());
    }
    GrantRequest step(std::string spec, std::uint32_t wait = 0) const {
        return {kJob, StepId{0}, office.alice, wait, std::move(spec)};
    }
    PluginClient connect() { return {loop, path}; }
    std::optional<plugin_protocol::Reply> ask(const plugin_protocol::Request& request) {
        return ask_once(loop, path, request);
    }
    bool has_hold() const { return office.vault.find_hold(kJob) != nullptr; }

    EventLoop loop;
    TemporaryFolder folder;
    std::string path;
    service::Office office;
    service::RunWaiters waiters;
    NodeServer server;
};

TEST_CASE("NodeServer: denies a peer that is not root, whatever it asks") {
    Fixture fixture;
    set_peer(fixture.office.alice);
    for (const plugin_protocol::Request& request :
         {plugin_protocol::Request(fixture.step("run:r")),
          plugin_protocol::Request(plugin_protocol::PingRequest{}),
          plugin_protocol::Request(plugin_protocol::WipeRequest{kJob})}) {
        const auto refused = as<Refused>(fixture.ask(request));
        REQUIRE(refused);
        CHECK(refused->sentence.find("only root") != std::string::npos);
    }
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: derives the time for an answer from what the plugin waits") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    GrantRequest step = fixture.step("run:r");
    const auto has_about = [&](std::chrono::seconds time) {
        return shared.patience > time - std::chrono::seconds(1) && shared.patience <= time;
    };
    step.patience_milliseconds = 20'000;
    CHECK(as<Granted>(fixture.ask(step)));
    CHECK(has_about(std::chrono::seconds(16)));
    step.patience_milliseconds = 0;  // version 1 of the message
    CHECK(as<Granted>(fixture.ask(step)));
    CHECK(has_about(std::chrono::seconds(4)));
}

TEST_CASE("NodeServer: binds a run to its head job, or says why not") {
    Fixture fixture;
    fixture.push("s");
    const auto refusal = [&](std::string run, Uid uid) {
        const auto refused =
            as<Refused>(fixture.ask(plugin_protocol::BindRequest{kJob, uid, std::move(run)}));
        return refused ? refused->sentence : "";
    };
    CHECK(refusal("s", fixture.office.bob).find("belongs to another user") != std::string::npos);
    CHECK(refusal("t", fixture.office.alice) == "run t is not known");
    CHECK_FALSE(refusal("no run", fixture.office.alice).empty());
    CHECK(fixture.office.info("s").head.until_job == JobId());
    CHECK(refusal("s", fixture.office.alice).empty());
    CHECK(fixture.office.info("s").head.until_job == kJob);
}

TEST_CASE("NodeServer: answers PING with the agent's version") {
    Fixture fixture;
    const auto done = as<Done>(fixture.ask(plugin_protocol::PingRequest{}));
    REQUIRE(done);
    CHECK(done->note.find(SLURM_SECRETS_VERSION) != std::string::npos);
}

TEST_CASE("NodeServer: denies CHECK, which the job socket answers") {
    Fixture fixture;
    CHECK(as<Refused>(fixture.ask(plugin_protocol::CheckRequest{"run:r"})));
}

TEST_CASE("NodeServer: passes a step its delivery, and ends the connection") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:r"));
    const auto granted = client.next_if<Granted>();
    REQUIRE(granted);
    CHECK(granted->image_length > 0);
    CHECK(service::text_of_delivery(client.fd) == "A=value\n");
    CHECK(client.next() == std::nullopt);
    CHECK(fixture.has_hold());
}

TEST_CASE("NodeServer: wipes the hold of a job that has ended") {
    Fixture fixture;
    REQUIRE(as<Granted>(fixture.ask(fixture.step("run:r"))));
    CHECK(as<Done>(fixture.ask(plugin_protocol::WipeRequest{kJob})));
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: denies a step with the cause, and passes no descriptor") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(GrantRequest{kJob, StepId{0}, fixture.office.bob, 0, "run:r"});
    const auto refused = client.next_if<Refused>();
    REQUIRE(refused);
    CHECK(refused->sentence.find("bob") != std::string::npos);
    CHECK_FALSE(client.fd);
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: answers a step whose optional secrets do not exist with NOTHING") {
    Fixture fixture;
    CHECK(as<Nothing>(fixture.ask(fixture.step("run:r,NOT?"))));
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: denies a message that is malformed or too long, and serves the next") {
    Fixture fixture;
    PluginClient malformed = fixture.connect();
    malformed.send_bytes(bytes_of("no message"));
    CHECK(malformed.next_if<Refused>());
    PluginClient long_one = fixture.connect();
    long_one.send_bytes(Bytes(kMaxMessageBytes + 1));
    CHECK(long_one.next_if<Refused>());
    CHECK(as<Done>(fixture.ask(plugin_protocol::PingRequest{})));
}

TEST_CASE("NodeServer: lets a step wait for its run, and grants it when the run is pushed") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:late", 5000));
    const auto waiting = client.next_if<Waiting>();
    REQUIRE(waiting);
    CHECK(waiting->wait_milliseconds == 5000);
    fixture.loop.turn(milliseconds(20));
    CHECK_FALSE(client.is_answered());
    fixture.push("late");
    const auto granted = client.next_if<Granted>();
    REQUIRE(granted);
    CHECK(granted->note.find("run late") != std::string::npos);
    CHECK(service::text_of_delivery(client.fd) == "A=value\n");
}

TEST_CASE("NodeServer: denies a step whose run is not pushed in time") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:late", 10000));
    REQUIRE(client.next_if<Waiting>());
    fixture.loop.pass(milliseconds(9900));
    fixture.loop.turn(milliseconds(10));
    CHECK_FALSE(client.is_answered());
    fixture.loop.pass(milliseconds(200));
    const auto refused = client.next_if<Refused>();
    REQUIRE(refused);
    CHECK(refused->sentence.find("late") != std::string::npos);
    fixture.push("late");
    CHECK_FALSE(fixture.has_hold());
    CHECK(client.next() == std::nullopt);
}

TEST_CASE("NodeServer: denies at once a run that may not be waited for") {
    Fixture fixture;
    CHECK(as<Refused>(fixture.ask(fixture.step("run:late"))));
}

TEST_CASE("NodeServer: closes a connection that sends nothing for five seconds") {
    Fixture fixture;
    PluginClient silent = fixture.connect();
    fixture.loop.turn(milliseconds(10));
    fixture.loop.pass(milliseconds(4900));
    fixture.loop.turn(milliseconds(10));
    CHECK_FALSE(silent.is_answered());
    fixture.loop.pass(milliseconds(200));
    CHECK(silent.next() == std::nullopt);
}

TEST_CASE("NodeServer: gives no hold to a job that was cancelled while it waited") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:late", 5000));
    REQUIRE(client.next_if<Waiting>());
    client.close();
    fixture.push("late");
    fixture.loop.turn(milliseconds(20));
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: ends a wait without an answer when the agent ends") {
    Fixture fixture;
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:late", 5000));
    REQUIRE(client.next_if<Waiting>());
    fixture.server.stop();
    fixture.waiters.stop();
    CHECK(client.next() == std::nullopt);
}

TEST_CASE("NodeServer: ends only silent connections when the agent ends") {
    Fixture fixture;
    PluginClient silent = fixture.connect();
    PluginClient asking = fixture.connect();
    fixture.loop.turn(milliseconds(20));
    fixture.server.stop();
    asking.send(plugin_protocol::PingRequest{});
    fixture.server.end_silent();
    CHECK(asking.next_if<Done>());
    // Long before the time that a silent connection has.
    fixture.loop.turn(milliseconds(50));
    CHECK(silent.is_answered());
    CHECK(silent.next() == std::nullopt);
}

TEST_CASE("NodeServer: reads a step's documents from the shared store before it grants") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.on_refresh = [&] { fixture.push("elsewhere"); };
    CHECK(as<Granted>(fixture.ask(fixture.step("run:elsewhere"))));
    REQUIRE(shared.refreshed.size() == 1);
    CHECK(shared.refreshed.front().runs == std::set{run_id("elsewhere")});
}

TEST_CASE("NodeServer: denies a step while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.failure = Status::failed("no leader");
    const auto refused = as<Refused>(fixture.ask(fixture.step("run:r")));
    REQUIRE(refused);
    CHECK(refused->sentence.find("no leader") != std::string::npos);
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("NodeServer: gives no hold to a job that was cancelled while the store was read") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    PluginClient client = fixture.connect();
    shared.on_refresh = [&] { client.close(); };
    client.send(fixture.step("run:r"));
    fixture.loop.turn(milliseconds(20));
    CHECK(shared.refreshed.size() == 1);
    CHECK_FALSE(fixture.has_hold());
}

/// A hub that answers as a test wants, when the test wants it.
struct Hub {
    asio::awaitable<service::GrantAnswer> grant(GrantRequest request, api::IsGone gone) {
        asked.push_back(std::move(request));
        is_gone = std::move(gone);
        co_await answers.wait();
        co_return std::move(answer);
    }
    GrantAtHub function() {
        return [this](GrantRequest request, api::IsGone gone) {
            return grant(std::move(request), std::move(gone));
        };
    }

    std::vector<GrantRequest> asked;
    api::IsGone is_gone;
    net::AsyncCondition answers;
    service::GrantAnswer answer;
};

TEST_CASE("NodeServer: tells a step to wait for a hub, and passes the hub's answer on") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:unknown", 5000));
    REQUIRE(client.next_if<Waiting>());
    REQUIRE(hub.asked.size() == 1);
    CHECK(hub.asked.front().ask == "run:unknown");
    CHECK_FALSE(hub.is_gone());
    hub.answer = Status(StatusCode::not_found, "says the hub");
    hub.answers.wake();
    const auto refused = client.next_if<Refused>();
    REQUIRE(refused);
    CHECK(refused->sentence == "says the hub");
}

TEST_CASE("NodeServer: passes a hub's note on, and no WAITING to a step that does not wait") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:r"));
    REQUIRE(fixture.loop.turns_until([&] { return !hub.asked.empty(); }));
    auto granted = fixture.office.ask(fixture.office.alice, "run:r", 0, kJob);
    REQUIRE(std::holds_alternative<service::Granted>(granted));
    std::get<service::Granted>(granted).note = "a secret expires soon";
    hub.answer = std::move(granted);
    hub.answers.wake();
    const auto reply = client.next_if<Granted>();
    REQUIRE(reply);
    CHECK(reply->note == "a secret expires soon");
    CHECK(service::text_of_delivery(client.fd) == "A=value\n");
}

TEST_CASE("NodeServer: lets a hub's client see that the step has gone") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    PluginClient client = fixture.connect();
    client.send(fixture.step("run:r"));
    REQUIRE(fixture.loop.turns_until([&] { return !hub.asked.empty(); }));
    CHECK_FALSE(hub.is_gone());
    client.close();
    CHECK(hub.is_gone());
    hub.answers.wake();
}

TEST_CASE("NodeServer: records a grant only if the step received it") {
    Hub hub;
    Fixture fixture(nullptr, hub.function());
    const std::uint64_t granted = audit::count_of(audit::Kind::grant);
    const std::uint64_t denied = audit::count_of(audit::Kind::deny_grant);
    for (const bool has_gone : {true, false}) {
        PluginClient client = fixture.connect();
        client.send(fixture.step("run:r"));
        REQUIRE(fixture.loop.turns_until([&] { return !hub.asked.empty(); }));
        hub.asked.clear();
        hub.answer = fixture.office.services.grants.grant_step(fixture.step("run:r"));
        if (has_gone) client.close();
        hub.answers.wake();
        fixture.loop.turn(milliseconds(20));
        CHECK(fixture.has_hold());
        CHECK(audit::count_of(audit::Kind::deny_grant) == denied + 1);
        CHECK(audit::count_of(audit::Kind::grant) == granted + (has_gone ? 0 : 1));
    }
}

}  // namespace
}  // namespace secrets::server
