// SPDX-License-Identifier: Apache-2.0
// Promise: no background task of the agent ends for good when an exception ends it: each does its
// work again after it has thrown once.

#include <poll.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agentd/base/supervisor.h"
#include "agentd/hub/login_hosts.h"
#include "agentd/node/hold_reporter.h"
#include "agentd/openbao/replica.h"
#include "agentd/slurm/account_watcher.h"
#include "agentd/slurm/job_placement.h"
#include "agentd/slurm/stale_hold_reaper.h"
#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/failing_new.h"
#include "tests/unit/fake_openbao.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/view_server.h"

namespace secrets {
namespace {

namespace asio = boost::asio;
using Tcp = asio::ip::tcp;
using std::chrono::milliseconds;

/// Answers that every job has ended and runs where it is said to, and that alice is in every
/// account.
slurm_query::Reply answer_of_view(const slurm_query::Request& request) {
    if (const auto* jobs = std::get_if<slurm_query::JobsRequest>(&request)) {
        return slurm_query::States{std::vector(jobs->jobs.size(), slurm_query::JobState::ended),
                                   ""};
    }
    if (const auto* places = std::get_if<slurm_query::PlacementsRequest>(&request)) {
        return slurm_query::Verdicts{
            std::vector(places->places.size(), slurm_query::Verdict::runs_there), ""};
    }
    return slurm_query::Users{true, false, {"alice"}};
}

/// slurm-secrets-view with these answers.
struct View : ViewServer {
    View() : ViewServer(answer_of_view) {}
};

struct Fixture : EventLoop {
    Fixture() { service::keep_the_log_quiet(); }

    std::uint64_t restarts() const {
        std::uint64_t all = 0;
        for (const auto& task : supervisor.tasks()) all += task.restarts;
        return all;
    }

    Supervisor supervisor{
        io, [](const auto&, const auto&, auto) {}, {milliseconds(1), milliseconds(4)}};
};

/// A length of text and of lists that nothing else in these tests has.
constexpr std::size_t kLong = 6000;

TEST_CASE("StaleHoldReaper: reaps on after the service threw", "[supervised]") {
    const View view;
    const TemporaryFolder folder;
    Fixture fixture;
    service::Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    for (const JobId job : {JobId{7}, JobId{8}}) office.ask(office.alice, "run:r", 0, job);
    int changes = 0;
    office.events.on_change = [&] {
        if (++changes == 1) throw std::bad_alloc();
    };
    Config config;
    config.view_socket = view.path();
    config.files_directory = folder.path();
    config.reaper_interval = std::chrono::seconds(0);
    slurm::StaleHoldReaper reaper(fixture.io, fixture.supervisor, config, office.services);
    CHECK(fixture.turns_until([&] { return office.vault.holds().empty(); }));
    CHECK(fixture.restarts() == 1);
    fixture.supervisor.stop();
    reaper.stop();
    fixture.turn(milliseconds(100));
}

TEST_CASE("AccountWatcher: gives what it knows after its receiver threw", "[supervised]") {
    const View view;
    Fixture fixture;
    Config config;
    config.view_socket = view.path();
    config.slurm_accounts_interval = std::chrono::seconds(1);
    config.workspaces = {{"lab", {{"bob"}, {}}, {{}, {}, {"chem"}}}};
    int calls = 0;
    auth::SlurmAccountMembers known;
    slurm::AccountWatcher watcher(fixture.io, fixture.supervisor, config,
                                  [&](auth::SlurmAccountMembers told) {
                                      if (++calls == 2) throw std::bad_alloc();
                                      known = std::move(told);
                                  });
    CHECK(fixture.turns_until([&] { return known.knows("chem"); }));
    CHECK(fixture.restarts() == 1);
    fixture.supervisor.stop();
    watcher.stop();
    fixture.turn(milliseconds(100));
}

TEST_CASE("JobPlacement: answers all that asked although its task threw", "[supervised]") {
    const View view;
    Fixture fixture;
    slurm::JobPlacement placement(fixture.io, fixture.supervisor, view.path());
    fixture.turn(milliseconds(1));
    std::size_t answered = 0;
    const auto ask = [&](std::uint32_t job) -> asio::awaitable<void> {
        slurm_query::Placement place{JobId{job}, Uid{1001}, "n1", "10.0.0.1"};
        const auto until = slurm::JobPlacement::Clock::now() + std::chrono::seconds(5);
        const auto answer = co_await placement.ask(std::move(place), until);
        if (answer.verdict == slurm_query::Verdict::runs_there) ++answered;
    };
    for (std::uint32_t job = 1; job <= kMaxPlacementsPerQuery; ++job) {
        asio::co_spawn(fixture.io, ask(job), asio::detached);
    }
    fail_next_allocation_of(kMaxPlacementsPerQuery * sizeof(slurm_query::Placement));
    CHECK(fixture.turns_until([&] { return answered == kMaxPlacementsPerQuery; }));
    CHECK(allocation_has_failed());
    CHECK(fixture.restarts() == 1);
    fixture.supervisor.stop();
    placement.stop();
    fixture.turn(milliseconds(100));
}

TEST_CASE("LoginHosts: looks names up although its task threw", "[supervised]") {
    Fixture fixture;
    const std::vector<std::string> hosts(kLong / sizeof(std::string), "127.0.0.1");
    hub::LoginHosts login_hosts(fixture.io, fixture.supervisor, hosts);
    fail_next_allocation_of(hosts.size() * sizeof(std::string));
    CHECK(fixture.turns_until([&] { return login_hosts.has("127.0.0.1") == true; }));
    CHECK(allocation_has_failed());
    CHECK(fixture.restarts() == 1);
    login_hosts.configure({"127.0.0.2"});
    CHECK(fixture.turns_until([&] { return login_hosts.has("127.0.0.2") == true; }));
    fixture.supervisor.stop();
    login_hosts.stop();
    fixture.turn(milliseconds(100));
}

TEST_CASE("HoldReporter: reports to the hub although its task threw", "[supervised]") {
    Fixture fixture;
    service::Office office;
    const std::string spec(kLong, 'A');
    const SecretBuffer image(8);
    REQUIRE(office.vault.hold(JobId{7}, office.alice, {spec, "", 0}, office.time).ok());
    REQUIRE(office.vault.put_cached_grant({JobId{7}, office.alice, spec, "", "\"1\""}, image.view())
                .ok());
    Tcp::acceptor hub(fixture.io, Tcp::endpoint(asio::ip::address_v4::loopback(), 0));
    const auto port = hub.local_endpoint().port();
    Hub config;
    config.urls = {{"https://127.0.0.1", "127.0.0.1", port}};
    node::HubClient client(fixture.io, config,
                           std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client));
    node::RemoteGrants grants(client, office.services, "n1");
    node::HoldReporter reporter(fixture.io, fixture.supervisor, client, grants, office.services,
                                "n1", {milliseconds(1), milliseconds(2)});
    fail_next_allocation_of(spec.size());
    pollfd connection{hub.native_handle(), POLLIN, 0};
    CHECK(fixture.turns_until([&] { return poll(&connection, 1, 0) == 1; }));
    CHECK(allocation_has_failed());
    CHECK(fixture.restarts() == 1);
    fixture.supervisor.stop();
    reporter.stop();
    client.stop();
    fixture.turn(milliseconds(100));
}

/// What several hubs share, at an OpenBao that has nothing and gives tokens for 2 s.
struct SharingFixture : Fixture {
    void stop() {
        supervisor.stop();
        kv->stop();
        bao.stop();
        turn(milliseconds(700));
    }
    void begin(const OpenBao& config) {
        auto context = net::make_client_context(config.ca, "store.openbao.ca");
        REQUIRE(context.ok());
        kv.emplace(io, supervisor, config, std::move(context).value());
    }

    FakeOpenBao bao{io, 2};
    std::optional<openbao::KvClient> kv;
};

TEST_CASE("Replica: syncs although its task threw", "[supervised]") {
    SharingFixture fixture;
    const auto store = store::SecretStore::in_memory("OpenBao", best_memory_kind()).value();
    service::Office office(service::Office::small(), 64UL * 1024 * 1024, store.get());
    OpenBao config = fixture.bao.config();
    config.mount = std::string(kLong, 'm');
    fixture.begin(config);
    openbao::Replica replica(fixture.io, *fixture.kv, office.vault, *store, office.services);
    replica.start(fixture.supervisor);
    fail_next_allocation_of(kLong);
    CHECK(fixture.turns_until(
        [&] { return fixture.bao.was_asked_for("metadata/slurm-secrets/workspaces"); }));
    CHECK(allocation_has_failed());
    const auto tasks = fixture.supervisor.tasks();
    REQUIRE(tasks.size() == 2);
    CHECK(tasks[0].restarts == 0);
    CHECK(tasks[1].name == "openbao_sync");
    CHECK(tasks[1].restarts == 1);
    replica.stop();
    fixture.stop();
}

TEST_CASE("ServerPool: renews its login although its task threw", "[supervised]") {
    SharingFixture fixture;
    OpenBao config = fixture.bao.config();
    config.name_space = std::string(kLong, 'n');
    fixture.begin(config);
    bool has_answer = false;
    const auto ask = [&]() -> asio::awaitable<void> {
        const auto until = openbao::Clock::now() + std::chrono::seconds(5);
        auto names = co_await fixture.kv->list("runs", until);
        has_answer = names.ok();
    };
    asio::co_spawn(fixture.io, ask(), asio::detached);
    REQUIRE(fixture.turns_until([&] { return has_answer; }));
    fail_next_allocation_of(kLong);
    CHECK(fixture.turns_until([&] { return fixture.bao.was_asked_for("renew-self"); }));
    CHECK(allocation_has_failed());
    CHECK(fixture.restarts() == 1);
    fixture.stop();
}

}  // namespace
}  // namespace secrets
