// SPDX-License-Identifier: Apache-2.0
// Promise: a hub grants a node only what is a job's that Slurm says runs on that node, at the
// address that the request came from, and tells nodes which of their grants have ended.

#include "agentd/hub/node_api_handler.h"

#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "agentd/api/binding_body.h"
#include "agentd/api/run_list.h"
#include "agentd/base/scope_exit.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/hub_fixture.h"

namespace secrets::hub {
namespace {

using api::HttpResponse;
using slurm_query::Verdict;
using std::chrono::milliseconds;
using Fixture = HubFixture;

TEST_CASE("NodeApiHandler: grants a job of the node its secrets, with a tag") {
    Fixture fixture;
    const HttpResponse answer = fixture.grant(Fixture::grant_body("run:r"));
    REQUIRE(answer.status == 200);
    CHECK(service::text_of_delivery(answer.secret.view().bytes()) == "A=value\n");
    CHECK(answer.etag.size() > 2);
    CHECK(fixture.holds("r"));
    CHECK(fixture.office.vault.holds().empty());
    const slurm_query::Placement asked = fixture.view.last();
    CHECK(asked.job == JobId{7});
    CHECK(asked.owner == fixture.office.alice);
    CHECK(asked.node == "n1");
    CHECK(asked.address == kAddress);
}

TEST_CASE("NodeApiHandler: answers 304 to a node that has the same grant") {
    Fixture fixture;
    fixture.has_tag = fixture.grant(Fixture::grant_body("run:r")).etag;
    const HttpResponse answer = fixture.grant(Fixture::grant_body("run:r"));
    CHECK(answer.status == 304);
    CHECK(answer.secret.size() == 0);
    fixture.push("r");
    CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 200);
}

/// A request of node n1 to end run r with its job 7.
std::string head_body(Uid uid) {
    return api::print_binding({{run_id("r"), JobId{7}, uid}, "n1"});
}

TEST_CASE("NodeApiHandler: binds a run to its owner's head job on the node, and to no other") {
    Fixture fixture;
    const auto until = [&] { return fixture.office.info("r").head.until_job; };
    fixture.view.set(Verdict::other_node);
    CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.alice)).status == 403);
    fixture.view.set(Verdict::runs_there);
    CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.bob)).status == 403);
    CHECK(until() == JobId());
    CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.alice)).status == 204);
    CHECK(until() == JobId{7});
}

TEST_CASE("NodeApiHandler: binds a run in the store that hubs share") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.alice)).status == 204);
    CHECK(shared.changed.size() == 1);
    shared.failure = Status::unavailable("OpenBao is away");
    fixture.office.services.expiry.end_run(run_id("r"), "ended");
    CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.alice)).status == 503);
}

TEST_CASE("NodeApiHandler: denies everybody but the account of the nodes' agents") {
    Fixture fixture;
    const std::string report = api::print_report({});
    const std::string check = api::print_check({fixture.office.alice, "run:r", "n1"});
    for (const auth::Principal& caller :
         {auth::Principal(fixture.office.alice), auth::Principal(service::kRoot),
          auth::Principal::of_certificate("bob")}) {
        fixture.caller = caller;
        CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 403);
        CHECK(fixture.ask("PUT", "/v1/nodes/n1/holds", report).status == 403);
        CHECK(fixture.ask("POST", "/v1/checks", check).status == 403);
        CHECK(fixture.ask("POST", "/v1/heads", head_body(fixture.office.alice)).status == 403);
    }
    CHECK(fixture.view.asked() == 0);
}

TEST_CASE("NodeApiHandler: denies a body that is malformed before it asks Slurm") {
    Fixture fixture;
    CHECK(fixture.grant("{}").status == 400);
    CHECK(fixture.ask("PUT", "/v1/nodes/n1/holds", "{}").status == 400);
    CHECK(fixture.ask("PUT", "/v1/nodes//holds", api::print_report({})).status == 400);
    CHECK(fixture.ask("POST", "/v1/checks", "{}").status == 400);
    CHECK(fixture.ask("POST", "/v1/heads", "{}").status == 400);
    CHECK(fixture.view.asked() == 0);
}

/// Counts how often the loop turns to others while a request is answered.
struct Others {
    explicit Others(asio::io_context& io) : io_(io) { post(); }
    void post() {
        asio::post(io_, [this] {
            ++served;
            if (!stopped) post();
        });
    }

    asio::io_context& io_;
    std::size_t served = 0;
    bool stopped = false;
};

TEST_CASE("NodeApiHandler: serves others while it processes a long report") {
    Fixture fixture;
    const vault::CachedGrant held{JobId{7}, fixture.office.alice, "run:r", "", "\"other\""};
    const std::vector<vault::CachedGrant> all(1000, held);
    Others others(fixture.loop.io);
    const HttpResponse answer = fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report(all));
    const std::size_t served = others.served;
    others.stopped = true;
    fixture.loop.turn();
    REQUIRE(answer.status == 200);
    CHECK(api::parse_revoked(std::as_bytes(std::span(answer.body)), 1000)->size() == 1000);
    CHECK(fixture.holds("r"));
    CHECK(served >= 1000 / service::kGrantsPerStep);
}

TEST_CASE("NodeApiHandler: reads what a node of an earlier version may hold, and no more") {
    Fixture fixture;
    const vault::CachedGrant held{JobId{7}, fixture.office.alice, "run:r", "", "\"1\""};
    std::vector<vault::CachedGrant> all(api::kMaxReportedGrants + 1, held);
    const auto status_of_report = [&] {
        return fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report(all)).status;
    };
    CHECK(status_of_report() == 400);
    const std::string large(api::kMaxReportBytes + 1, ' ');
    CHECK(fixture.ask("PUT", "/v1/nodes/n1/holds", large).status == 413);
    CHECK(fixture.view.asked() == 0);
    all.resize(vault::kMaxCachedGrants + 1);
    CHECK(status_of_report() == 200);
    all.resize(1);
    all.front().ask = "run:" + std::string(kMaxSpecBytes - 4, 'r');
    all.resize(5 * 1024 * 1024 / all.front().ask.size(), all.front());
    CHECK(status_of_report() == 200);
}

/// The ids in a list of runs, and its `next`.
std::pair<std::vector<std::string>, std::string> list_in(const HttpResponse& answer) {
    REQUIRE(answer.status == 200);
    const auto object = boost::json::parse(answer.body).as_object();
    std::vector<std::string> ids;
    for (const auto& run : object.at("runs").as_array()) {
        ids.emplace_back(run.at("run").as_string());
    }
    const auto* next = object.if_contains("next");
    return {ids, next != nullptr ? std::string(next->as_string()) : ""};
}

TEST_CASE("GET /v1/runs: answers with a page, or with all and serves others in between") {
    Fixture fixture;
    fixture.caller = service::kRoot;
    constexpr std::size_t kRuns = 1500;
    const std::vector<vault::NewSecret> none;
    for (std::size_t i = 1; i < kRuns; ++i) {  // besides r
        const std::string id = "q" + std::to_string(10000 + i);
        REQUIRE(fixture.office.vault
                    .put_run({run_id(id), fixture.office.alice, 1, at(1), at(10'000'000)}, none)
                    .ok());
    }
    const auto get = [&](const std::string& query) {
        return fixture.ask("GET", "/v1/runs" + query, "");
    };
    const auto [first, next] = list_in(get("?limit=1000"));
    CHECK(first.size() == 1000);
    CHECK(next == first.back());
    const auto [rest, end] = list_in(get("?limit=1000&cursor=" + next));
    CHECK(rest.size() == kRuns - 1000);
    CHECK(end.empty());
    CHECK(list_in(get("?cursor=" + next)).first == rest);
    CHECK(list_in(get("?limit=1")).first == std::vector<std::string>{"q10001"});

    Others others(fixture.loop.io);
    const auto [all, none_left] = list_in(get(""));
    const std::size_t served = others.served;
    others.stopped = true;
    fixture.loop.turn();
    CHECK(none_left.empty());
    std::vector<std::string> pages = first;
    pages.insert(pages.end(), rest.begin(), rest.end());
    CHECK(all == pages);
    CHECK(served >= kRuns / api::kRunsOfSlice - 1);

    for (const char* query : {"?limit=0", "?limit=1001", "?limit=x", "?limit=", "?cursor=",
                              "?cursor=%20", "?limit=1&limit=2", "?page=2"}) {
        CAPTURE(query);
        CHECK(get(query).status == 400);
    }
}

TEST_CASE("NodeApiHandler: denies a job that Slurm does not place on the node") {
    Fixture fixture;
    for (const Verdict verdict : {Verdict::does_not_run, Verdict::other_owner, Verdict::other_node,
                                  Verdict::other_address}) {
        fixture.view.set(verdict);
        const HttpResponse answer = fixture.grant(Fixture::grant_body("run:r"));
        CHECK(answer.status == 403);
        CHECK(answer.secret.size() == 0);
    }
    CHECK_FALSE(fixture.holds("r"));
}

/// Whether a response takes back an earlier grant.
bool takes_back(const HttpResponse& answer) {
    return api::is_grant_denied(answer.status, std::as_bytes(std::span(answer.body)));
}

TEST_CASE("NodeApiHandler: marks a denial only if it was decided about the grant itself") {
    Fixture fixture;
    fixture.has_tag = fixture.grant(Fixture::grant_body("run:r")).etag;
    const HttpResponse missing = fixture.grant(Fixture::grant_body("run:r,NOT"));
    CHECK(missing.status == 404);
    CHECK(takes_back(missing));
    REQUIRE(fixture.office.services.runs.complete_run(fixture.office.alice, run_id("r")).ok());
    const HttpResponse ended = fixture.grant(Fixture::grant_body("run:r", 5000));
    CHECK(ended.status == 404);
    CHECK(takes_back(ended));

    fixture.push("r");
    for (const Verdict verdict : {Verdict::does_not_run, Verdict::other_owner, Verdict::other_node,
                                  Verdict::other_address}) {
        fixture.view.set(verdict);
        CHECK_FALSE(takes_back(fixture.grant(Fixture::grant_body("run:r"))));
    }
    fixture.view.set(Verdict::runs_there);
    CHECK_FALSE(takes_back(fixture.grant(Fixture::grant_body("run:r,,"))));
    CHECK_FALSE(takes_back(fixture.grant("{}")));
    CHECK_FALSE(takes_back(fixture.ask("POST", "/v1/no-such-path", "{}")));
    fixture.caller = fixture.office.alice;
    CHECK_FALSE(takes_back(fixture.grant(Fixture::grant_body("run:r"))));
}

TEST_CASE("NodeApiHandler: asks the node to try again if Slurm does not answer in time") {
    Fixture fixture;
    for (const Verdict verdict :
         {Verdict::unknown, Verdict::is_node, Verdict::no_node, Verdict::unknown_job}) {
        fixture.view.set(verdict);
        const HttpResponse answer = fixture.grant(Fixture::grant_body("run:r"));
        CHECK(answer.status == 503);
        CHECK(answer.retry_after);
    }
    CHECK_FALSE(fixture.holds("r"));
}

TEST_CASE("NodeApiHandler: says why Slurm cannot tell of a node or a job that it does not know") {
    Fixture fixture;
    fixture.view.set(Verdict::no_node);
    CHECK(fixture.grant(Fixture::grant_body("run:r"))
              .body.find("slurmctld does not list the node now") != std::string::npos);
    fixture.view.set(Verdict::unknown_job);
    CHECK(
        fixture.grant(Fixture::grant_body("run:r")).body.find("slurmctld does not know the job") !=
        std::string::npos);
}

TEST_CASE("NodeApiHandler: denies a credential that was made on another host") {
    Fixture fixture;
    fixture.origin.munge_address = "10.0.0.2";
    fixture.view.set_strange_address("10.0.0.2");
    const HttpResponse denial = fixture.grant(Fixture::grant_body("run:r"));
    CHECK(denial.status == 403);
    CHECK(denial.body.find("start munged there with --origin=10.0.0.1") != std::string::npos);
    fixture.view.set(Verdict::unknown);
    CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 503);
    fixture.view.set(Verdict::runs_there);
    // A host with two addresses, both of which slurmctld knows.
    fixture.view.set_strange_address("10.0.0.3");
    CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 200);
    fixture.view.set_strange_address("127.0.0.1");
    // munged knows no address of its host.
    fixture.origin.munge_address = "127.0.0.1";
    CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 200);
}

TEST_CASE("NodeApiHandler: names both uids when the agents' account has another one on the node") {
    Fixture fixture;
    const std::string bob = std::to_string(fixture.office.bob.value);
    const std::string alice = std::to_string(fixture.office.alice.value);
    fixture.caller = fixture.office.alice;
    const auto denials = audit::count_of(audit::Kind::refuse_connection);
    for (int i = 0; i < 3; ++i) {
        const HttpResponse denial = fixture.grant(Fixture::grant_body("run:r"));
        CHECK(denial.status == 403);
        CHECK(denial.body.find("it has uid " + alice + ", but agents run as uid " + bob +
                               " (bob on the hub)") != std::string::npos);
    }
    CHECK(audit::count_of(audit::Kind::refuse_connection) == denials + 1);
}

TEST_CASE("AgentAccount: is a name, a number, or by default this process's own account") {
    service::keep_the_log_quiet();
    const Uid bob = auth::uid_of("bob");
    CHECK(AgentAccount("bob").check(bob, kAddress).ok());
    CHECK(AgentAccount(std::to_string(bob.value)).check(bob, kAddress).ok());
    CHECK(AgentAccount("").check(Uid{geteuid()}, kAddress).ok());
    CHECK_FALSE(AgentAccount("alice").check(bob, kAddress).ok());
    CHECK_FALSE(AgentAccount("0").check(bob, kAddress).ok());
    CHECK(AgentAccount("nobody-there")
              .check(bob, kAddress)
              .message()
              .find("the hub has no user 'nobody-there'") != std::string::npos);
    CHECK_FALSE(AgentAccount("bob").check(auth::Principal::of_certificate("bob"), kAddress).ok());
}

TEST_CASE("AgentAccount: denies nobody because a name service finds no account for a moment") {
    service::keep_the_log_quiet();
    auth::fake_users().doubtful = {"agents"};
    const ScopeExit restored([] { auth::fake_users().doubtful.clear(); });
    const Status unknown = AgentAccount("agents").check(auth::uid_of("bob"), kAddress);
    CHECK(unknown.code() == StatusCode::unavailable);
    CHECK(unknown.message() ==
          "cannot tell whether bob is the account that the nodes' agents run as: the name service "
          "is away; if it stays so, set listen.agents on the hub to a user or a uid there");
    auth::fake_users().doubtful.clear();
    CHECK(AgentAccount("agents").check(auth::uid_of("bob"), kAddress).code() ==
          StatusCode::permission_denied);
}

TEST_CASE("NodeApiHandler: denies a host without its certificate, if those are demanded") {
    Fixture fixture;
    Listen listen;
    listen.host_certificates = true;
    fixture.handler.configure(listen);
    const std::string report = api::print_report({});
    const std::string check = api::print_check({fixture.office.alice, "run:r", "n1"});
    using Names = std::optional<net::CertificateNames>;
    using Texts = std::vector<std::string>;
    const auto with = [](Texts hosts, Texts addresses, Texts others) {
        return Names(
            net::CertificateNames{std::move(hosts), std::move(addresses), std::move(others)});
    };
    for (const auto& [names, status] : {std::pair{Names(), 403U},
                                        {with({"n2", "n11"}, {}, {}), 403U},
                                        {with({"n2", "n1.site"}, {}, {}), 200U},
                                        {with({}, {kAddress}, {}), 200U},
                                        // A name of another type is not a host's.
                                        {with({}, {}, {"n1", "n1.site", kAddress}), 403U},
                                        {with({kAddress}, {"n1"}, {}), 403U}}) {
        fixture.origin.names = names;
        CHECK(fixture.grant(Fixture::grant_body("run:r")).status == status);
        CHECK(fixture.ask("PUT", "/v1/nodes/n1/holds", report).status == status);
        fixture.view.set(Verdict::is_node);
        CHECK(fixture.ask("POST", "/v1/checks", check).status == status);
        fixture.view.set(Verdict::runs_there);
    }
}

TEST_CASE("NodeApiHandler: lets a node wait for a run, and grants it when the run is pushed") {
    Fixture fixture;
    std::optional<HttpResponse> answer;
    fixture.begin("POST", "/v1/grants", Fixture::grant_body("run:late", 5000), answer);
    fixture.loop.turn(milliseconds(100));
    CHECK_FALSE(answer);
    fixture.push("late");
    REQUIRE(fixture.loop.turns_until([&] { return answer.has_value(); }));
    CHECK(answer->status == 200);
    // The job may have ended in the wait.
    CHECK(fixture.view.asked() == 2);
}

TEST_CASE("NodeApiHandler: denies a run that is not pushed in time") {
    Fixture fixture;
    const HttpResponse answer = fixture.grant(Fixture::grant_body("run:late", 50));
    CHECK(answer.status == 404);
    CHECK(answer.body.find("late") != std::string::npos);
}

TEST_CASE("NodeApiHandler: sends a waiting node to another hub when the agent ends") {
    Fixture fixture;
    std::optional<HttpResponse> answer;
    fixture.begin("POST", "/v1/grants", Fixture::grant_body("run:late", 5000), answer);
    fixture.loop.turn(milliseconds(100));
    fixture.waiters.stop();
    REQUIRE(fixture.loop.turns_until([&] { return answer.has_value(); }));
    CHECK(answer->status == 503);
}

TEST_CASE("NodeApiHandler: grants nothing to a node that has gone") {
    Fixture fixture;
    fixture.is_gone = true;
    const HttpResponse answer = fixture.grant(Fixture::grant_body("run:r"));
    CHECK(answer.status == 204);
    CHECK(answer.secret.size() == 0);
    CHECK_FALSE(fixture.holds("r"));
}

TEST_CASE("NodeApiHandler: reads a grant's documents from the shared store") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.on_refresh = [&] { fixture.push("elsewhere"); };
    CHECK(fixture.grant(Fixture::grant_body("run:elsewhere")).status == 200);
    REQUIRE(shared.refreshed.size() == 1);
    CHECK(shared.refreshed.front().runs == std::set{run_id("elsewhere")});
}

TEST_CASE("NodeApiHandler: grants nothing while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.failure = Status::failed("no leader");
    CHECK(fixture.grant(Fixture::grant_body("run:r")).status == 503);
    CHECK_FALSE(fixture.holds("r"));
}

TEST_CASE("NodeApiHandler: tells a node which of its grants have ended") {
    Fixture fixture;
    const std::string tag = fixture.grant(Fixture::grant_body("run:r")).etag;
    CHECK(fixture.report("run:r", tag).empty());
    REQUIRE(fixture.office.services.runs.complete_run(fixture.office.alice, run_id("r")).ok());
    CHECK(fixture.report("run:r", tag) == std::vector<std::size_t>{0});
}

TEST_CASE(
    "NodeApiHandler: records once what it revokes, by the node and by a host that is not it") {
    Fixture fixture;
    const auto recorded = [] { return audit::count_of(audit::Kind::revoke); };
    const auto before = recorded();
    fixture.view.set(Verdict::other_address);
    for (int i = 0; i < 3; ++i) {
        CHECK(fixture.report("run:r", "\"invented\"") == std::vector<std::size_t>{0});
    }
    CHECK(recorded() == before + 1);
    fixture.view.set(Verdict::runs_there);
    for (int i = 0; i < 3; ++i) {
        CHECK(fixture.report("run:r", "\"invented\"") == std::vector<std::size_t>{0});
    }
    CHECK(recorded() == before + 2);
    CHECK(fixture.report("run:r", "\"another\"") == std::vector<std::size_t>{0});
    CHECK(recorded() == before + 3);
}

TEST_CASE("NodeApiHandler: revokes nothing while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    const std::string tag = fixture.grant(Fixture::grant_body("run:r")).etag;
    REQUIRE(fixture.office.services.runs.complete_run(fixture.office.alice, run_id("r")).ok());
    const auto recorded = audit::count_of(audit::Kind::revoke);
    shared.failure = Status::failed("no leader");
    const std::vector<vault::CachedGrant> held{{JobId{7}, fixture.office.alice, "run:r", "", tag}};
    const HttpResponse answer = fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report(held));
    CHECK(answer.status == 503);  // so that the node's other hubs decide
    CHECK(answer.body.find("cannot reach the store that hubs share: no leader") !=
          std::string::npos);
    CHECK(audit::count_of(audit::Kind::revoke) == recorded);
    CHECK(fixture.holds("r"));
    CHECK(fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report({})).status == 200);
    shared.failure = Status();
    CHECK(fixture.report("run:r", tag) == std::vector<std::size_t>{0});
}

TEST_CASE("NodeApiHandler: revokes nothing by a change that began while it processed a report") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    const std::string tag = fixture.grant(Fixture::grant_body("run:r")).etag;
    const vault::CachedGrant held{JobId{7}, fixture.office.alice, "run:r", "", tag};
    const std::vector<vault::CachedGrant> all(3 * service::kGrantsPerStep, held);
    const auto recorded = audit::count_of(audit::Kind::revoke);
    const vault::RunHead run = *fixture.office.vault.find_run(run_id("r"));
    const auto secrets = list_of(user_secret("A", "value"));
    const bool is_decided = GENERATE(true, false);
    std::size_t reads = 0;
    shared.refreshed.clear();
    shared.on_refresh = [&] {
        CHECK(shared.refreshed.back().runs == std::set{run_id("r")});
        // A read waits for the end of the change, which fails, or for no longer than it may.
        if (++reads == 2 && is_decided) REQUIRE(fixture.office.vault.put_run(run, secrets).ok());
        if (reads == 2 && !is_decided) shared.failure = Status::failed("it is being changed");
        if (reads == 1) {
            asio::post(fixture.loop.io, [&] { fixture.office.vault.wipe_run(run_id("r")); });
        }
    };
    const HttpResponse answer = fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report(all));
    CHECK(reads == 3);
    CHECK(answer.status == (is_decided ? 200 : 503));
    CHECK(audit::count_of(audit::Kind::revoke) == recorded);
}

TEST_CASE("NodeApiHandler: counts a node as a holder only at an address that Slurm confirmed") {
    Fixture fixture;
    fixture.view.set(Verdict::other_address);
    fixture.report("run:r", "\"1\"");
    CHECK_FALSE(fixture.holds("r"));
    fixture.view.set(Verdict::runs_there);
    fixture.report("run:r", "\"1\"");
    CHECK(fixture.holds("r"));
    const std::size_t asked = fixture.view.asked();
    // The address is known from now on, also after the job has ended.
    fixture.view.set(Verdict::does_not_run);
    fixture.ask("PUT", "/v1/nodes/n1/holds", api::print_report({}));
    CHECK_FALSE(fixture.holds("r"));
    CHECK(fixture.view.asked() == asked);
}

TEST_CASE("node_routes(): are of no path that every agent serves") {
    Fixture fixture;
    for (const api::Route& route : node_routes(fixture.handler)) {
        for (const api::Route& other : api::route_table()) CHECK(route.path != other.path);
    }
    const api::RequestHead head{fixture.office.bob, "GET", "/v1/grants", "", std::nullopt};
    const auto decision = fixture.router.find(head);
    const auto* denied = std::get_if<HttpResponse>(&decision);
    REQUIRE(denied != nullptr);
    CHECK(denied->status == 405);
    CHECK(denied->allow == "POST");
}

}  // namespace
}  // namespace secrets::hub
