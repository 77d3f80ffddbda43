// SPDX-License-Identifier: Apache-2.0
// Promise: a hub's services grants nodes what the same step would be given on it, holds nothing for
// it, and knows what of it is over; a node's services keeps what it was granted as long as the job
// holds it.

#include "agentd/service/node_hold_registry.h"
#include "common/secure_memory/delivery.h"
#include "tests/unit/catch.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

plugin_protocol::GrantRequest step(Uid uid, std::string ask, std::uint32_t job = 7,
                                   std::uint32_t wait = 0) {
    return {JobId{job}, StepId{0}, uid, wait, std::move(ask)};
}

std::string tag_of(const NodeGrantAnswer& answer) {
    const auto* granted = std::get_if<NodeGranted>(&answer);
    return granted != nullptr ? granted->tag : "(not granted)";
}

vault::CachedGrant held(Uid owner, const std::string& ask, const std::string& tag,
                        std::uint32_t job = 7) {
    return {JobId{job}, owner, ask, "", tag};
}

std::vector<vault::NewSecret> one(std::string_view name, std::string_view value) {
    return list_of(user_secret(name, value));
}

/// What the node must wipe of a report, which is processed in as many steps as it needs.
std::vector<std::size_t> report(Office& office, const std::string& node,
                                const std::vector<vault::CachedGrant>& held, bool is_there,
                                bool is_current) {
    ReportProgress progress;
    std::size_t steps = 1;
    while (!office.services.node_grants.process_report(
        {node, "10.0.0.9", held, is_there, is_current}, progress)) {
        CHECK(progress.processed == steps * kGrantsPerStep);
        ++steps;
    }
    CHECK(steps <= held.size() / kGrantsPerStep + 1);
    return progress.revoked;
}

TEST_CASE("NodeGrantService: answers a node like a local step and creates no hold", "[hub]") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    const auto answer =
        office.services.node_grants.grant_to_node(step(office.alice, "run:r,A=B"), "n1", "");
    const auto* granted = std::get_if<NodeGranted>(&answer);
    REQUIRE(granted != nullptr);
    CHECK(text_of_delivery(granted->image.view().bytes()) == "B=value\n");
    CHECK(office.vault.inventory().holds == 0);
    CHECK(std::holds_alternative<Nothing>(
        office.services.node_grants.grant_to_node(step(office.alice, "run:r,NOT?"), "n1", "")));
    for (const auto& [uid, ask, reason] :
         {std::tuple{office.bob, "run:r", StatusCode::permission_denied},
          {office.alice, "run:r,NOT", StatusCode::not_found},
          {office.alice, "run:none", StatusCode::not_found},
          {office.alice, "run:r,,", StatusCode::invalid_argument}}) {
        CAPTURE(ask);
        const auto refused = office.services.node_grants.grant_to_node(step(uid, ask), "n1", "");
        REQUIRE(!status_of(refused).ok());
        CHECK(status_of(refused).code() == reason);
    }
    const auto waits = office.services.node_grants.grant_to_node(
        step(office.alice, "run:late", 7, 1000), "n1", "");
    CHECK(std::holds_alternative<WaitForRun>(waits));
}

TEST_CASE("NodeGrantService: sends a node held secrets, which the node keeps from the step") {
    Office office;
    REQUIRE(
        office.push(office.alice, "r", {}, list_of(user_secret("A", "a"), user_secret("B", "b")))
            .ok());
    const auto answer =
        office.services.node_grants.grant_to_node(step(office.alice, "run:r,A:hold,B"), "n1", "");
    const auto* granted = std::get_if<NodeGranted>(&answer);
    REQUIRE(granted != nullptr);
    CHECK(text_of_delivery(granted->image.view().bytes()) == "A=held A a\nB=b\n");
    Office node;
    auto& cache = node.services.cached_grants;
    const auto request = step(office.alice, "run:r,A:hold,B");
    CHECK(given(cache.accept_cached_grant(request, granted->tag, granted->image.view(), "")) ==
          "B=b\n");
    CHECK(given(cache.deliver_cached_grant_again(request, "")) == "B=b\n");
}

TEST_CASE("NodeGrantService: changes the tag of a grant when the spec or the run changes",
          "[hub]") {
    Office office;
    const auto tag = [&](const std::string& ask) {
        return tag_of(office.services.node_grants.grant_to_node(step(office.alice, ask), "n1", ""));
    };
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    const std::string first = tag("run:r,A");
    CHECK(first.size() == 51);
    CHECK(tag("run:r,A") == first);
    CHECK(tag("run:r,A=B") != first);
    CHECK(tag("run:r,A:file") != first);
    const auto again =
        office.services.node_grants.grant_to_node(step(office.alice, "run:r,A"), "n1", first);
    CHECK(std::holds_alternative<Unchanged>(again));
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    const std::string second = tag("run:r,A");
    CHECK(second != first);
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    office.time += std::chrono::seconds(1);
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    CHECK(tag("run:r,A") != first);
    CHECK(tag("run:r,A") != second);
}

TEST_CASE("NodeGrantService: returns the reported grants that are no longer valid", "[hub]") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    REQUIRE(office.push(office.alice, "s", {}, one("A", "value")).ok());
    const auto tag = [&](const std::string& ask) {
        return tag_of(office.services.node_grants.grant_to_node(step(office.alice, ask), "n1", ""));
    };
    const std::vector<vault::CachedGrant> all{
        held(office.alice, "run:r", tag("run:r")), held(office.alice, "run:s", tag("run:s")),
        held(office.alice, "run:r", "\"other\""), held(office.bob, "run:r", tag("run:r")),
        held(office.alice, ",,", "\"\"")};
    using JobPlacement = std::vector<std::size_t>;
    CHECK(report(office, "n1", all, true, true) == JobPlacement{2, 3});
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    CHECK(report(office, "n1", all, true, true) == JobPlacement{0, 2, 3});
    REQUIRE(office.push(office.alice, "s", {}, one("A", "new")).ok());
    CHECK(report(office, "n1", all, true, true) == JobPlacement{0, 1, 2, 3});
}

TEST_CASE("NodeGrantService: takes back nothing that it can't know to have ended", "[hub]") {
    Office before;
    REQUIRE(before.push(before.alice, "r", {}, one("A", "value")).ok());
    const auto tag = [&](const std::string& ask) {
        return tag_of(before.services.node_grants.grant_to_node(step(before.alice, ask), "n1", ""));
    };
    const std::string ask = GENERATE("run:r", "run:r?,A");
    const std::string granted = tag(ask);
    const std::string of_old_version = granted.substr(0, 33) + "\"";
    const auto ends = [&](Office& hub, const std::string& has_tag) {
        const bool is_revoked =
            !report(hub, "n1", {held(hub.alice, ask, has_tag)}, true, true).empty();
        const auto answer =
            hub.services.node_grants.grant_to_node(step(hub.alice, ask, 7, 1000), "n1", has_tag);
        CHECK(std::holds_alternative<Unchanged>(answer) == !is_revoked);
        return is_revoked;
    };

    Office after;  // a hub that was started without what the earlier one held
    CHECK_FALSE(ends(after, granted));
    CHECK_FALSE(ends(after, of_old_version));
    CHECK(after.services.context.node_holds.is_held("r"));

    SECTION("it remembers the end of that run") {
        REQUIRE(after.push(after.alice, "r", {}, one("A", "value")).ok());
        REQUIRE(after.services.runs.complete_run(after.alice, run_id("r")).ok());
        CHECK(ends(after, granted));
        CHECK(ends(after, of_old_version));
    }
    SECTION("it is told of the end by somebody who may complete the run") {
        const auto complete = [&](const auth::Principal& caller) {
            REQUIRE(after.services.runs.complete_run(caller, run_id("r")).ok());
        };
        complete(after.bob);
        complete(auth::Principal::of_certificate("alice"));
        CHECK_FALSE(ends(after, granted));
        complete(GENERATE(auth::Principal(auth::uid_of("alice")), auth::Principal(kRoot),
                          auth::Principal(auth::uid_of("www-data"))));
        CHECK(ends(after, granted));
        // The next push of that run is still waited for.
        const auto first =
            after.services.node_grants.grant_to_node(step(after.alice, "run:r", 8, 1000), "n1", "");
        CHECK(std::holds_alternative<WaitForRun>(first));
        REQUIRE(after.push(after.alice, "r", {}, one("A", "value")).ok());
        const std::string again =
            tag_of(after.services.node_grants.grant_to_node(step(after.alice, ask), "n1", ""));
        CHECK_FALSE(ends(after, again));
    }
    SECTION("the store that hubs share says that there is no such run") {
        after.services.context.shares_runs = true;
        CHECK(ends(after, of_old_version));  // as tags are where runs are shared
        CHECK_FALSE(ends(after, granted));
    }
    SECTION("it goes on with the memory that had the run") {
        Office same;
        same.vault.begin_memory();
        REQUIRE(same.push(same.alice, "r", {}, one("A", "value")).ok());
        const std::string own =
            tag_of(same.services.node_grants.grant_to_node(step(same.alice, ask), "n1", ""));
        REQUIRE(same.services.runs.complete_run(same.alice, run_id("r")).ok());
        same.services.context.ended_runs.remove(run_id("r"));
        CHECK(ends(same, own));
        CHECK_FALSE(ends(same, granted));
    }
}

TEST_CASE("NodeGrantService: lets nobody end what another user was granted of a lost run",
          "[hub]") {
    Office hub;
    const auto of_bob = held(hub.bob, "run:r", "\"1-of-an-earlier-memory\"");
    for (const Uid caller : {hub.alice, hub.tower}) {  // tower may act for alice only
        REQUIRE(hub.services.runs.complete_run(caller, run_id("r")).ok());
    }
    CHECK(report(hub, "n1", {of_bob}, true, true).empty());
    REQUIRE(hub.services.runs.complete_run(hub.bob, run_id("r")).ok());
    CHECK(report(hub, "n1", {of_bob}, true, true) == std::vector<std::size_t>{0});
}

TEST_CASE("LostRunEnds: forgets the oldest of the caller with the most beyond its limit") {
    LostRunEnds ends;
    ends.add(run_id("of-bob"), Uid{2}, at(0));
    const auto nth = [](std::size_t i) { return run_id("r" + std::to_string(i)); };
    for (std::size_t i = 0; i < LostRunEnds::kMostLostRunEnds; ++i) {
        ends.add(nth(i), Uid{1}, at(static_cast<int>(i)));
    }
    CHECK(ends.of(run_id("of-bob")).size() == 1);
    CHECK(ends.of(nth(0)).empty());
    CHECK(ends.of(nth(1)).size() == 1);
    ends.add(nth(1), Uid{1}, at(5));  // again
    ends.add(nth(1), Uid{2}, at(5));
    CHECK(ends.of(nth(1)).size() == 2);
    ends.remove(nth(1));
    CHECK(ends.of(nth(1)).empty());
}

TEST_CASE("NodeGrantService: takes back a grant without a run whatever memory made it", "[hub]") {
    const TemporaryFolder folder;
    const auto store = std::move(
        store::SecretStore::open(folder.file("store.db"), store::key_of(folder, 'k')).value());
    Office before(Office::small(), 64UL * 1024 * 1024, store.get());
    const auto set = [&](const std::string& value) {
        return before.services.secrets.put_secret(before.alice, {}, "TOKEN", {buffer_of(value), {}},
                                                  {});
    };
    REQUIRE(set("value").ok());
    const std::string ask = "run:never-pushed?,TOKEN";
    const std::string granted =
        tag_of(before.services.node_grants.grant_to_node(step(before.alice, ask), "n1", ""));
    Office after(Office::small(), 64UL * 1024 * 1024, store.get());
    const std::vector all{held(after.alice, ask, granted)};
    CHECK(report(after, "n1", all, true, true).empty());
    REQUIRE(set("new").ok());
    CHECK(report(after, "n1", all, true, true) == std::vector<std::size_t>{0});
}

TEST_CASE("RunService: shows an ended run while nodes hold grants of it", "[hub]") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    const std::string tag =
        tag_of(office.services.node_grants.grant_to_node(step(office.alice, "run:r"), "n1", ""));
    office.services.node_grants.grant_to_node(step(office.alice, "run:r", 8), "n2", "");
    const auto read = [&](Uid caller) {
        return office.services.runs.read_run(caller, run_id("r"));
    };
    auto shown = read(office.alice);
    REQUIRE(shown.ok());
    CHECK(shown.value().nodes.size() == 2);
    CHECK_FALSE(shown.value().ended);

    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    shown = read(office.alice);
    REQUIRE(shown.ok());
    CHECK(shown.value().ended == office.time);
    CHECK(shown.value().secrets.empty());
    CHECK(!status_of(read(office.bob)).ok());

    // Whoever is not known to be that node changes nothing.
    report(office, "n1", {}, false, true);
    CHECK(read(office.alice).value().nodes.size() == 2);
    report(office, "n1", {}, true, true);
    CHECK(read(office.alice).value().nodes.size() == 1);
    office.time += kLostAfter + std::chrono::seconds(1);
    shown = read(office.alice);
    REQUIRE(shown.value().nodes.size() == 1);
    CHECK(shown.value().nodes[0].node == "n2");
    CHECK(shown.value().nodes[0].lost);
    CHECK(shown.value().nodes[0].jobs == std::vector{JobId{8}});
    report(office, "n2", {held(office.alice, "run:r", tag, 8)}, true, true);
    CHECK_FALSE(read(office.alice).value().nodes[0].lost);
    report(office, "n2", {}, true, true);
    CHECK(!status_of(read(office.alice)).ok());
}

TEST_CASE("RunService: shows a run as active when it is pushed again after completion", "[hub]") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    office.services.node_grants.grant_to_node(step(office.alice, "run:r"), "n1", "");
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    REQUIRE(office.push(office.alice, "r", {}, one("A", "value")).ok());
    CHECK_FALSE(office.services.runs.read_run(office.alice, run_id("r")).value().ended);
}

/// A services of a node, which was granted TOKEN for job 7.
struct Node : Office {
    GrantAnswer take(const std::string& value = "value", const std::string& tag = "\"1\"") {
        const SecretBuffer bytes = buffer_of(value);
        const DeliveryEntry entry{"TOKEN", bytes.view()};
        SecretBuffer image(delivery_size({&entry, 1}));
        REQUIRE(write_delivery({&entry, 1}, image.bytes()).ok());
        return services.cached_grants.accept_cached_grant(request, tag, image.view(),
                                                          "expires soon");
    }
    const plugin_protocol::GrantRequest request = step(alice, "run:r,TOKEN");
};

TEST_CASE("CachedGrantService: stores a hub grant and repeats it until the job is wiped", "[hub]") {
    Node node;
    CHECK_FALSE(node.services.cached_grants.check_before_hub(node.request));
    CHECK(given(node.take()) == "TOKEN=value\n");
    CHECK(node.vault.inventory().holds == 1);
    REQUIRE(node.services.cached_grants.find_cached_grant(node.request) != nullptr);
    CHECK(node.services.cached_grants.find_cached_grant(node.request)->tag == "\"1\"");
    CHECK(given(node.services.cached_grants.deliver_cached_grant_again(node.request, "")) ==
          "TOKEN=value\n");
    // Of another user, another ask or another job it is not.
    CHECK(node.services.cached_grants.find_cached_grant(step(node.bob, "run:r,TOKEN")) == nullptr);
    CHECK(node.services.cached_grants.find_cached_grant(step(node.alice, "run:r")) == nullptr);
    CHECK(node.services.cached_grants.find_cached_grant(step(node.alice, "run:r,TOKEN", 8)) ==
          nullptr);
    node.services.grants.wipe(JobId{7});
    CHECK(node.services.cached_grants.find_cached_grant(node.request) == nullptr);
    CHECK(node.vault.inventory().slabs == 0);
}

TEST_CASE("CachedGrantService: passes the note of the hub to a job only once", "[hub]") {
    Node node;
    const auto first = node.take();
    REQUIRE(std::holds_alternative<Granted>(first));
    CHECK(std::get<Granted>(first).note == "expires soon");
    const auto second = node.take("newer", "\"2\"");
    REQUIRE(std::holds_alternative<Granted>(second));
    CHECK(std::get<Granted>(second).note.empty());
    CHECK(given(node.services.cached_grants.deliver_cached_grant_again(node.request, "")) ==
          "TOKEN=newer\n");
}

TEST_CASE("CachedGrantService: wipes a grant that the hub denies or revokes and keeps the hold",
          "[hub]") {
    Node node;
    CHECK(given(node.take()) == "TOKEN=value\n");
    const auto refusal = node.services.cached_grants.denied_by_hub(
        node.request, "\"1\"", {StatusCode::not_found, "it is over"});
    CHECK(refusal.message() == "it is over");
    CHECK(node.services.cached_grants.find_cached_grant(node.request) == nullptr);
    CHECK(node.vault.inventory().holds == 1);
    CHECK(given(node.take()) == "TOKEN=value\n");
    node.services.cached_grants.revoke_cached_grant(JobId{7}, "run:r,TOKEN");
    CHECK(node.services.cached_grants.find_cached_grant(node.request) == nullptr);
    node.services.cached_grants.revoke_cached_grant(JobId{7}, "run:r,TOKEN");
    CHECK(node.vault.inventory().secret_bytes == 0);
}

TEST_CASE("CachedGrantService: denies a hub answer that is not a delivery and creates no hold",
          "[hub]") {
    Node node;
    const SecretBuffer nonsense = buffer_of("nonsense");
    const auto answer =
        node.services.cached_grants.accept_cached_grant(node.request, "\"1\"", nonsense.view(), "");
    REQUIRE(!status_of(answer).ok());
    CHECK(node.vault.inventory().holds == 0);
}

TEST_CASE("CachedGrantService: answers a malformed spec and the spec none without the hub",
          "[hub]") {
    Node node;
    const auto wrong = node.services.cached_grants.check_before_hub(step(node.alice, "run:r,,"));
    REQUIRE(wrong);
    CHECK(!status_of(*wrong).ok());
    const auto none = node.services.cached_grants.check_before_hub(step(node.alice, "none"));
    REQUIRE(none);
    CHECK(std::holds_alternative<Nothing>(*none));
}

}  // namespace
}  // namespace secrets::service
