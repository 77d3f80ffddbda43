// SPDX-License-Identifier: Apache-2.0
// Promise: the job socket tells every local user whether a job of that user would get its secrets,
// and nothing of other users' secrets; nobody's check keeps a job from being submitted for a
// cause that is not the job's.

#include "agentd/server/job_server.h"

#include <unistd.h>

#include "agentd/net/async_condition.h"
#include "agentd/store/secret_store.h"
#include "common/ipc/marker.h"
#include "tests/unit/fake_peer.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/office.h"
#include "tests/unit/plugin_client.h"
#include "tests/unit/temporary_folder.h"

namespace secrets::server {
namespace {

using plugin_protocol::Busy;
using plugin_protocol::CheckRequest;
using plugin_protocol::Done;
using plugin_protocol::Refused;
using std::chrono::milliseconds;

/// An agent that stores secret A of alice, and its job server.
struct Fixture {
    explicit Fixture(service::SharedStore* shared = nullptr, CheckAtHub at_hub = nullptr)
        : path(folder.file("job.sock")),
          server(loop.io, listen_at(path, SocketKind::seqpacket, 0600).value(), office.services,
                 shared, std::move(at_hub), nullptr, [this](Peer) { return find_job(); }) {
        set_peer(office.alice);
        REQUIRE(
            office.services.secrets.put_secret(office.alice, {}, "A", {buffer_of("value"), {}}, {})
                .ok());
    }
    ~Fixture() {
        server.stop();
        server.end_silent();
        loop.turn(milliseconds(20));
        set_peer(std::nullopt);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    /// Returns the sentence of a denial; empty if the check is passed.
    std::string check(const std::string& spec) {
        const auto reply = ask_once(loop, path, CheckRequest{spec});
        REQUIRE(reply);
        if (const auto* refused = std::get_if<Refused>(&*reply)) return refused->sentence;
        CHECK(std::holds_alternative<Done>(*reply));
        return "";
    }

    asio::awaitable<StatusOr<JobId>> find_job() {
        if (!slurmd_answers) co_await slurmd.wait();
        co_return job;
    }

    StatusOr<JobId> job = JobId{0};  ///< of every process
    bool slurmd_answers = true;
    bool is_unknown = false;  ///< whether the last marker could not be known
    net::AsyncCondition slurmd;
    EventLoop loop;
    TemporaryFolder folder;
    std::string path;
    std::unique_ptr<store::SecretStore> store =
        store::SecretStore::in_memory("the test", best_memory_kind()).value();
    service::Office office{service::Office::small(), 64UL * 1024 * 1024, store.get()};
    JobServer server;
};

TEST_CASE("JobServer: checks a spec for the user whom the kernel reports") {
    Fixture fixture;
    CHECK(fixture.check("A").empty());
    CHECK(fixture.check("MISSING").find("MISSING") != std::string::npos);
    set_peer(fixture.office.bob);
    CHECK_FALSE(fixture.check("A").empty());
}

TEST_CASE("JobServer: answers PING of any user with the agent's version") {
    Fixture fixture;
    set_peer(fixture.office.bob);
    const auto reply = ask_once(fixture.loop, fixture.path, plugin_protocol::PingRequest{});
    REQUIRE(reply);
    const auto* done = std::get_if<Done>(&*reply);
    REQUIRE(done != nullptr);
    CHECK(done->note.find(SLURM_SECRETS_VERSION) != std::string::npos);
}

TEST_CASE("JobServer: denies GRANT and WIPE, even of root, and changes nothing") {
    Fixture fixture;
    fixture.office.ask(fixture.office.alice, "A", 0, JobId{7});
    REQUIRE(fixture.office.vault.find_hold(JobId{7}) != nullptr);
    const std::string before = fixture.office.state();
    set_peer(service::kRoot);
    for (const plugin_protocol::Request& request :
         {plugin_protocol::Request(plugin_protocol::WipeRequest{JobId{7}}),
          plugin_protocol::Request(
              plugin_protocol::GrantRequest{JobId{8}, StepId{0}, fixture.office.alice, 0, "A"})}) {
        const auto reply = ask_once(fixture.loop, fixture.path, request);
        REQUIRE(reply);
        CHECK(std::holds_alternative<Refused>(*reply));
    }
    CHECK(fixture.office.state() == before);
}

/// Asks for the marker; returns nothing if that is denied.
std::optional<Marker> ask_for_marker(Fixture& fixture) {
    PluginClient client(fixture.loop, fixture.path);
    client.send(plugin_protocol::MarkerRequest{});
    const auto reply = client.next();
    const auto* marked = reply ? std::get_if<plugin_protocol::Marked>(&*reply) : nullptr;
    if (marked == nullptr) {
        REQUIRE(reply);
        fixture.is_unknown = std::holds_alternative<Busy>(*reply);
        CHECK((fixture.is_unknown || std::holds_alternative<Refused>(*reply)));
        return std::nullopt;
    }
    std::string text(marked->marker_length, '\0');
    REQUIRE(pread(client.fd.get(), text.data(), text.size() + 1, 0) ==
            static_cast<ssize_t>(text.size()));
    return parse_marker(text);
}

TEST_CASE("JobServer: sends a process the marker of its job, with hashes of all its grants") {
    Fixture fixture;
    const Uid alice = fixture.office.alice;
    REQUIRE(fixture.office.services.secrets
                .put_secret(alice, {}, "B", {buffer_of("long value"), {}}, {})
                .ok());
    given(fixture.office.ask(alice, "A,B=OTHER,B:file", 0, JobId{7}));
    given(fixture.office.ask(alice, "B", 0, JobId{7}));
    given(fixture.office.ask(alice, "B", 0, JobId{7}));
    given(fixture.office.ask(alice, "B:hold,A:hold", 0, JobId{7}));
    fixture.job = JobId{7};
    const std::string before = fixture.office.state();
    const auto marker = ask_for_marker(fixture);
    REQUIRE(marker);
    CHECK(marker->spec == "A,B=OTHER,B:file");
    const auto digest = [&](std::string_view value) {
        return digest_of(marker->key, std::as_bytes(std::span(value)));
    };
    CHECK(marker->variables == std::vector<MarkedVariable>{
                                   {"A", MarkKind::named, digest("value")},
                                   {"OTHER", MarkKind::value, digest("long value")},
                                   {"B", MarkKind::value, digest("long value")},
                                   {"B_FILE", MarkKind::content, digest("long value")},
                                   {"B", MarkKind::held, digest("long value")},
                               });
    CHECK(fixture.office.state() == before);
    CHECK(ask_for_marker(fixture)->key != marker->key);
}

TEST_CASE("JobServer: denies another user's marker, and says when the process's job is unknown") {
    Fixture fixture;
    given(fixture.office.ask(fixture.office.alice, "A", 0, JobId{7}));
    CHECK_FALSE(ask_for_marker(fixture));
    CHECK(fixture.is_unknown);  // slurmd leaves out steps that it cannot ask
    fixture.job = JobId{8};
    CHECK_FALSE(ask_for_marker(fixture));
    CHECK_FALSE(fixture.is_unknown);
    fixture.job = Status::failed("no slurmd");
    CHECK_FALSE(ask_for_marker(fixture));
    CHECK(fixture.is_unknown);
    fixture.job = JobId{7};
    CHECK(ask_for_marker(fixture));
    set_peer(fixture.office.bob);
    CHECK_FALSE(ask_for_marker(fixture));
    CHECK_FALSE(fixture.is_unknown);
}

TEST_CASE("JobServer: leaves grants out of the marker whose values are gone") {
    Fixture fixture;
    const Uid alice = fixture.office.alice;
    given(fixture.office.ask(alice, "A", 0, JobId{7}));
    fixture.job = JobId{7};
    REQUIRE(fixture.office.services.secrets.remove_secret(alice, {}, "A", {}).ok());
    const auto marker = ask_for_marker(fixture);
    REQUIRE(marker);
    CHECK(marker->variables.empty());
    CHECK(marker->spec == "A");
}

TEST_CASE("JobServer: ends the oldest silent connection of a user who has too many") {
    Fixture fixture;
    std::vector<PluginClient> clients;
    for (int i = 0; i < 64; ++i) clients.emplace_back(fixture.loop, fixture.path);
    fixture.loop.turn(milliseconds(50));
    CHECK(fixture.check("A").empty());
    CHECK_FALSE(clients[0].next());
    CHECK_FALSE(clients[1].is_answered());
}

TEST_CASE("JobServer: limits the requests of one user, but not of others and of root") {
    Fixture fixture;
    fixture.slurmd_answers = false;
    std::vector<PluginClient> clients;
    for (int i = 0; i < 64; ++i) {
        clients.emplace_back(fixture.loop, fixture.path);
        clients.back().send(plugin_protocol::MarkerRequest{});
    }
    fixture.loop.turn(milliseconds(50));
    PluginClient one_more(fixture.loop, fixture.path);
    CHECK(one_more.next_if<Busy>());
    set_peer(fixture.office.bob);
    CHECK(ask_once(fixture.loop, fixture.path, plugin_protocol::PingRequest{}));
    set_peer(fixture.office.alice);
    fixture.slurmd.wake();
    fixture.loop.turn(milliseconds(20));
    CHECK(fixture.check("A").empty());
}

TEST_CASE("JobServer: reads a spec's documents from the shared store before it checks") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    CHECK(fixture.check("run:r,A").empty());
    REQUIRE(shared.refreshed.size() == 1);
    CHECK(shared.refreshed.front().runs == std::set{run_id("r")});
}

TEST_CASE("JobServer: passes a check while the shared store does not answer") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    shared.failure = Status::failed("no leader");
    CHECK(fixture.check("MISSING").empty());
}

TEST_CASE("JobServer: lets a hub check for the user whom the kernel reports") {
    std::vector<std::pair<Uid, std::string>> asked;
    std::string answer;
    Fixture fixture(nullptr, [&](Uid uid, std::string spec) -> asio::awaitable<std::string> {
        asked.emplace_back(uid, std::move(spec));
        co_return answer;
    });
    CHECK(fixture.check("run:r,MISSING").empty());
    answer = "says the hub";
    set_peer(fixture.office.bob);
    CHECK(fixture.check("run:r") == "says the hub");
    const std::vector<std::pair<Uid, std::string>> expected{{fixture.office.alice, "run:r,MISSING"},
                                                            {fixture.office.bob, "run:r"}};
    CHECK(asked == expected);
}

}  // namespace
}  // namespace secrets::server
