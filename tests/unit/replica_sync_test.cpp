// SPDX-License-Identifier: Apache-2.0
// Promise: what no request reads is brought up to date about every minute: what other hubs pushed
// and ended, what has expired here, and the traces of runs that ended long ago.

#include "tests/unit/hub_replica.h"

namespace secrets::openbao {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

/// A hub whose background sync has run once.
struct SyncingHub : HubReplica {
    SyncingHub() {
        replica.start(supervisor);
        wait_for_syncs(1);
    }
    /// Waits until so many syncs have listed the last folder of a sync.
    void wait_for_syncs(std::size_t count) {
        REQUIRE(turns_until(
            [&] { return bao.count_of("metadata/slurm-secrets/workspaces?list=true") >= count; }));
        turn(std::chrono::milliseconds(30));
    }
    /// Lets the longest interval between two syncs pass.
    void pass_interval() {
        const std::size_t before = bao.count_of("metadata/slurm-secrets/workspaces?list=true");
        pass(seconds(76));
        wait_for_syncs(before + 1);
    }
};

TEST_CASE("Replica: syncs within its interval what other hubs pushed and purged", "[replica]") {
    SyncingHub hub;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.push_elsewhere("r", "one");
    hub.store_elsewhere(alice, {"X"});
    hub.pass(seconds(44));
    CHECK_FALSE(hub.has_run("r"));
    hub.pass_interval();
    CHECK(hub.has_run("r"));
    CHECK(hub.store->list(alice).size() == 1);
    hub.bao.forget("runs/r");
    hub.pass_interval();
    CHECK_FALSE(hub.has_run("r"));
}

TEST_CASE("Replica: destroys in OpenBao soon what has expired here", "[replica]") {
    SyncingHub hub;
    hub.push_elsewhere("r", "one");
    REQUIRE(hub.refresh(HubReplica::about("r")).ok());
    hub.office.time += std::chrono::hours(2);
    hub.replica.sync_soon();
    hub.turn(std::chrono::milliseconds(5));
    CHECK(hub.bao.at("runs/r").document);
    hub.pass(seconds(2));
    CHECK(hub.turns_until([&] { return !hub.bao.at("runs/r").document; }));
    CHECK_FALSE(hub.has_run("r"));
}

TEST_CASE("Replica: ends nothing too early at a hub whose clock is ahead", "[replica]") {
    SyncingHub hub;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.own_ahead = std::chrono::hours(24 * 365);
    hub.push_elsewhere("r", "one");
    hub.store_elsewhere(alice, {"X"}, hub.office.time + std::chrono::hours(1));
    hub.pass_interval();
    CHECK(hub.granted("r") == "A=one\n");
    CHECK(hub.store->list(alice).size() == 1);
    hub.pass_interval();
    CHECK(hub.bao.at("runs/r").document);
    CHECK(hub.bao.at("users/1001").version == 1);
    // What this hub pushes does not last for a year longer either.
    REQUIRE(hub.push("own", "one").ok());
    const auto document =
        read_run(run_id("own"), boost::json::parse(*hub.bao.at("runs/own").document).as_object());
    REQUIRE(document.ok());
    CHECK(document->head.expires < hub.office.time + std::chrono::hours(24 * 30));
    CHECK(document->head.expires > hub.office.time);
}

TEST_CASE("Replica: destroys nothing in OpenBao that has expired by one clock only", "[replica]") {
    SyncingHub hub;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.push_elsewhere("r", "one");
    hub.store_elsewhere(alice, {"X"}, hub.office.time + std::chrono::hours(1));
    hub.pass_interval();
    REQUIRE(hub.has_run("r"));
    hub.openbao_ahead = std::chrono::hours(48);
    (void)hub.refresh(HubReplica::about("r"));
    hub.pass_interval();
    hub.pass_interval();
    CHECK_FALSE(hub.has_run("r"));
    CHECK(hub.bao.at("runs/r").document);
    CHECK(hub.bao.at("users/1001").version == 1);
    hub.openbao_ahead = std::chrono::seconds(0);
    (void)hub.refresh(HubReplica::about("r"));
    hub.pass_interval();
    CHECK(hub.granted("r") == "A=one\n");
    CHECK(hub.store->list(alice).size() == 1);
}

TEST_CASE("Replica: computes expiries again after a step of OpenBao's clock", "[replica]") {
    SyncingHub hub;
    const store::Owner alice = store::Owner::user(hub.office.alice);
    hub.own_ahead = hub.openbao_ahead = -std::chrono::hours(24 * 365);
    hub.push_elsewhere("r", "one");
    hub.store_elsewhere(alice, {"X"}, hub.office.time + std::chrono::hours(1));
    hub.pass_interval();
    REQUIRE(hub.has_run("r"));
    hub.own_ahead = hub.openbao_ahead = std::chrono::seconds(0);
    (void)hub.refresh(HubReplica::about("never"));
    hub.pass_interval();
    hub.office.time += std::chrono::hours(2);
    hub.pass_interval();
    CHECK_FALSE(hub.has_run("r"));
    CHECK(hub.store->list(alice).empty());
    CHECK_FALSE(hub.bao.at("runs/r").document);
}

TEST_CASE("Replica: purges the traces of a run ten minutes after its end, and not sooner",
          "[replica]") {
    SyncingHub hub;
    REQUIRE(hub.push("r", "one").ok());
    REQUIRE(hub.complete("r").ok());
    hub.pass(minutes(8));
    hub.pass_interval();
    CHECK(hub.bao.knows("runs/r"));
    hub.pass_interval();
    CHECK(hub.turns_until([&] { return !hub.bao.knows("runs/r"); }));
    REQUIRE(hub.push("r", "again").ok());
    CHECK(hub.bao.at("runs/r").version == 1);
}

TEST_CASE("Replica: never purges a run that was pushed again", "[replica]") {
    SyncingHub hub;
    REQUIRE(hub.push("r", "one").ok());
    REQUIRE(hub.complete("r").ok());
    hub.pass(minutes(9));
    hub.push_elsewhere("r", "two", 2);
    hub.pass(minutes(2));
    hub.pass_interval();
    CHECK(hub.bao.at("runs/r").document);
    CHECK(hub.granted("r") == "A=two\n");
}

TEST_CASE("Replica: syncs other documents although one is malformed", "[replica]") {
    SyncingHub hub;
    hub.bao.put("runs/a", "{}");
    hub.bao.put("users/1001", "{}");
    hub.push_elsewhere("b", "one");
    hub.store_elsewhere(store::Owner::workspace_named("lab"), {"X"});
    const std::uint64_t reports = audit::count_of(audit::Kind::trouble);
    hub.pass_interval();
    CHECK(hub.has_run("b"));
    CHECK(hub.store->list(store::Owner::workspace_named("lab")).size() == 1);
    CHECK(audit::count_of(audit::Kind::trouble) == reports + 2);
    hub.pass_interval();
    CHECK(audit::count_of(audit::Kind::trouble) == reports + 2);  // each was reported once
}

}  // namespace
}  // namespace secrets::openbao
