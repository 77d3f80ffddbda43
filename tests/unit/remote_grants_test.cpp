// SPDX-License-Identifier: Apache-2.0
// Promise: a step on a node is given what its hub grants; if no hub answers, what its job was
// granted before and that no hub has revoked; a job that has gone is given no hold.

#include "agentd/node/remote_grants.h"

#include "agentd/api/grant_body.h"
#include "agentd/base/supervisor.h"
#include "agentd/node/hold_reporter.h"
#include "common/secure_memory/delivery.h"
#include "tests/unit/fake_hub.h"
#include "tests/unit/fake_munge.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"
#include "tests/unit/skip.h"

namespace secrets::node {
namespace {

using service::given;
using std::chrono::milliseconds;
namespace http = boost::beast::http;

/// A node and its hub, which grants A=value with tag "1".
struct Fixture {
    Fixture() {
        fake_munge().is_away = false;
        Hub config;
        config.urls = {hub.url()};
        auto context = net::make_client_context(certificate.file(), "hub.ca");
        REQUIRE(context.ok());
        client.emplace(loop.io, config, std::move(context).value());
        grants.emplace(*client, node.services, "n1");
        hub.answer = [](const auto&, auto& response) { grant(response); };
    }
    ~Fixture() {
        client->stop();
        hub.stop();
        loop.turn(milliseconds(50));
        fake_munge().is_away = false;
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    static void grant(FakeHub::Response& response, std::string_view value = "value") {
        const SecretBuffer secret = buffer_of(value);
        const std::vector<DeliveryEntry> entries{{"A", secret.view()}};
        std::string image(delivery_size(entries), '\0');
        REQUIRE(write_delivery(entries, std::as_writable_bytes(std::span(image))).ok());
        response.set(http::field::etag, "\"1\"");
        response.set("Slurm-Secrets-Note", "A expires soon");
        response.body() = image;
    }

    service::GrantAnswer ask(std::string spec = "run:r", std::uint32_t job = 7) {
        plugin_protocol::GrantRequest step{JobId{job},      StepId{0}, node.alice, 0,
                                           std::move(spec), patience,  slurm_name};
        return loop.result_of(grants->ask(std::move(step), [this] { return is_gone; }));
    }
    bool has_hold() const { return node.vault.find_hold(JobId{7}) != nullptr; }

    EventLoop loop;
    LoopbackCertificate certificate;
    FakeHub hub{loop, certificate};
    service::Office node;
    std::optional<HubClient> client;
    std::optional<RemoteGrants> grants;
    bool is_gone = false;
    std::uint32_t patience = 625;
    std::string slurm_name{};
};

TEST_CASE("RemoteGrants: delivers what the hub grants, and holds it for the job") {
    Fixture fixture;
    const auto answer = fixture.ask();
    CHECK(given(answer) == "A=value\n");
    CHECK(fixture.has_hold());
    CHECK(fixture.node.vault.inventory().cached_grants == 1);
    REQUIRE(fixture.hub.asked.size() == 1);
    const FakeHub::Request& asked = fixture.hub.asked.front();
    CHECK(asked.method_string() == "POST");
    CHECK(asked.target() == "/v1/grants");
    CHECK(asked[http::field::if_none_match].empty());
    CHECK(asked.body().find(R"("node":"n1")") != std::string::npos);
    CHECK(fixture.grants->take_granted());
    CHECK_FALSE(fixture.grants->take_granted());
}

TEST_CASE("RemoteGrants: tells the hub how long it may take, by what the plugin waits") {
    Fixture fixture;
    fixture.patience = 10'000;
    CHECK(given(fixture.ask()) == "A=value\n");
    fixture.patience = 0;  // a plugin that does not say it waits 5 s
    CHECK(given(fixture.ask("run:r2")) == "A=value\n");
    fixture.patience = 600'000;  // more than any hub accepts
    CHECK(given(fixture.ask("run:r3")) == "A=value\n");
    REQUIRE(fixture.hub.asked.size() == 3);
    const std::string longest = std::to_string(api::kMaxPatience.count());
    const auto announced = [&](std::size_t which) {
        const std::string& body = fixture.hub.asked[which].body();
        return body.substr(body.find("\"patience_ms\""));
    };
    CHECK(announced(0) == R"("patience_ms":6000})");
    CHECK(announced(1) == R"("patience_ms":3000})");
    CHECK(announced(2) == R"("patience_ms":)" + longest + "}");
}

TEST_CASE("RemoteGrants: calls the node what Slurm calls it, once Slurm has said it") {
    Fixture fixture;
    NodeName name("n1");
    fixture.grants.emplace(*fixture.client, fixture.node.services, name);
    fixture.slurm_name = "compute-1";
    CHECK(given(fixture.ask()) == "A=value\n");
    CHECK(fixture.hub.asked.back().body().find(R"("node":"compute-1")") != std::string::npos);
    CHECK(name.text() == "compute-1");  // in reports, too
    fixture.slurm_name.clear();         // a plugin that does not send it
    CHECK(given(fixture.ask()) == "A=value\n");
    CHECK(name.text() == "compute-1");
}

TEST_CASE("NodeName: is Slurm's name also for the next process") {
    vault::Shelf shelf;
    {
        NodeName name("short-host-name", &shelf);
        name.learn("");
        CHECK(shelf.size() == 0);
        name.learn("compute-1.site");
        name.learn("compute-1.site");
        CHECK(shelf.all().contains("node-compute-1.site"));
        NodeName("copy", &shelf).take_over({});
    }
    NodeName next("short-host-name", &shelf);
    next.take_over({"compute-1.site"});
    const NodeName copy = next;
    CHECK(copy.text() == "compute-1.site");
    next.learn("compute-2");
    CHECK(copy.text() == "compute-2");
    CHECK(shelf.size() == 1);
    CHECK(shelf.all().contains("node-compute-2"));
    // systemd would store it under another name.
    next.learn("compute:3");
    CHECK(copy.text() == "compute:3");
    CHECK(shelf.size() == 0);
}

TEST_CASE("RemoteGrants: denies a spec that is malformed without asking the hub") {
    Fixture fixture;
    CHECK(service::status_of(fixture.ask("run:r,,")).code() == StatusCode::invalid_argument);
    CHECK(std::holds_alternative<service::Nothing>(fixture.ask("none")));
    CHECK(fixture.hub.asked.empty());
}

TEST_CASE("RemoteGrants: delivers an earlier grant again that the hub says is unchanged") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    fixture.hub.answer = [](const auto&, auto& response) { response.result(304); };
    CHECK(given(fixture.ask()) == "A=value\n");
    REQUIRE(fixture.hub.asked.size() == 2);
    CHECK(fixture.hub.asked.back()[http::field::if_none_match] == "\"1\"");
}

TEST_CASE("RemoteGrants: replaces an earlier grant by what the hub grants now") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    fixture.hub.answer = [](const auto&, auto& response) { Fixture::grant(response, "new"); };
    CHECK(given(fixture.ask()) == "A=new\n");
    fixture.hub.stop();
    CHECK(given(fixture.ask()) == "A=new\n");
    CHECK(fixture.node.vault.inventory().cached_grants == 1);
}

TEST_CASE("RemoteGrants: delivers an earlier grant of the same job and spec if no hub answers") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    SECTION("no hub can be reached") {
        fixture.hub.stop();
    }
    SECTION("the hub can't tell") {
        fixture.hub.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
    }
    CHECK(given(fixture.ask()) == "A=value\n");
    CHECK(service::status_of(fixture.ask("run:r,A")).code() == StatusCode::unavailable);
    CHECK(service::status_of(fixture.ask("run:r", 8)).code() == StatusCode::unavailable);
}

/// What processes of the job read of its grant.
std::string read(Fixture& fixture, const std::string& spec = "run:r") {
    plugin_protocol::GrantRequest request{JobId{7}, kNoStep, fixture.node.alice, 0, spec, 625};
    const auto delivery = fixture.loop.result_of(fixture.grants->read(std::move(request)));
    return delivery ? service::text_of_delivery(delivery->fd) : delivery.status().message();
}

TEST_CASE("RemoteGrants: reads the hub's values for processes of the job, at most twice a second") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    fixture.hub.answer = [](const auto&, auto& response) { Fixture::grant(response, "new"); };
    CHECK(read(fixture) == "A=new\n");
    CHECK(fixture.hub.asked.back()[http::field::if_none_match] == "\"1\"");
    REQUIRE(fixture.hub.asked.size() == 2);
    CHECK(read(fixture) == "A=new\n");
    CHECK(fixture.hub.asked.size() == 2);
    fixture.loop.pass(milliseconds(501));
    fixture.hub.answer = [](const auto&, auto& response) { response.result(304); };
    CHECK(read(fixture) == "A=new\n");
    CHECK(fixture.hub.asked.size() == 3);
    CHECK(fixture.node.vault.inventory().cached_grants == 1);
}

TEST_CASE("RemoteGrants: asks the hub once for all processes that read at the same time") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    fixture.hub.answer = [](const auto&, auto& response) { Fixture::grant(response, "new"); };
    SECTION("the hub answers") {}
    SECTION("the hub can't tell") {
        fixture.hub.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
    }
    using Read = StatusOr<vault::Delivery>;
    std::vector<std::shared_ptr<std::optional<Read>>> reads;
    for (int i = 0; i < 20; ++i) {
        plugin_protocol::GrantRequest request{JobId{7}, kNoStep, fixture.node.alice,
                                              0,        "run:r", 625};
        reads.push_back(fixture.loop.start(fixture.grants->read(std::move(request))));
    }
    for (const auto& each : reads) {
        REQUIRE(fixture.loop.turns_until([&] { return each->has_value(); }));
        REQUIRE((*each)->ok());
        CHECK(service::text_of_delivery((**each)->fd) ==
              service::text_of_delivery((**reads.front())->fd));
    }
    // One question, which is repeated while the hub can't tell.
    CHECK(fixture.hub.asked.size() < 20);
}

TEST_CASE("RemoteGrants: reads cached values if no hub answers, and none that the hub denies") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    fixture.hub.answer = [](const auto&, auto& response) { deny(response, 503, "busy"); };
    CHECK(read(fixture) == "A=value\n");
    CHECK(read(fixture, "run:other") == "busy");
    fixture.hub.answer = [](const auto&, auto& response) {
        deny(response, 404, "says the hub", std::string(api::kGrantDenied));
    };
    CHECK(read(fixture) == "says the hub");
    CHECK(fixture.node.vault.inventory().cached_grants == 0);
    fixture.hub.answer = [](const auto&, auto& response) { response.result(204); };
    CHECK(read(fixture).empty());
}

TEST_CASE("RemoteGrants: caches nothing for a job that ended while its values were read") {
    Fixture fixture;
    CHECK(read(fixture) == "A=value\n");
    CHECK(fixture.node.vault.inventory().cached_grants == 0);
}

using Denial = std::pair<unsigned, StatusCode>;
constexpr auto kDenials = std::to_array<Denial>({{400U, StatusCode::invalid_argument},
                                                 {403U, StatusCode::permission_denied},
                                                 {404U, StatusCode::not_found},
                                                 {413U, StatusCode::too_large}});

TEST_CASE("RemoteGrants: wipes an earlier grant when the hub denies that grant itself") {
    Fixture fixture;
    const auto grant = fixture.hub.answer;
    for (const auto& [status, code] : kDenials) {
        fixture.hub.answer = grant;
        REQUIRE(given(fixture.ask()) == "A=value\n");
        fixture.hub.answer = [status = status](const auto&, auto& response) {
            deny(response, status, "says the hub", std::string(api::kGrantDenied));
        };
        const Status denial = service::status_of(fixture.ask());
        CHECK(denial.code() == code);
        CHECK(denial.message() == "says the hub");
        CHECK(fixture.node.vault.inventory().cached_grants == 0);
    }
}

TEST_CASE("RemoteGrants: keeps an earlier grant when a hub or a proxy refuses for other reasons") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    for (const auto& [status, code] : kDenials) {
        CAPTURE(status);
        fixture.hub.answer = [status = status](const auto&, auto& response) {
            deny(response, status, "not an agent");
        };
        CHECK(given(fixture.ask()) == "A=value\n");
        const Status denial = service::status_of(fixture.ask("run:r", 8));
        CHECK(denial.code() == code);
        CHECK(denial.message() == "not an agent");
    }
    for (const unsigned status : {404U, 405U, 429U, 500U, 502U}) {
        CAPTURE(status);
        fixture.hub.answer = [status](const auto&, auto& response) {
            response.result(status);
            response.body() = "<html>a proxy</html>";
        };
        CHECK(given(fixture.ask()) == "A=value\n");
    }
    CHECK(fixture.node.vault.inventory().cached_grants == 1);
}

TEST_CASE("RemoteGrants: answers 204 of the hub with nothing") {
    Fixture fixture;
    fixture.hub.answer = [](const auto&, auto& response) { response.result(204); };
    CHECK(std::holds_alternative<service::Nothing>(fixture.ask()));
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("RemoteGrants: denies an image that is damaged, and holds nothing") {
    Fixture fixture;
    fixture.hub.answer = [](const auto&, auto& response) { response.body() = "no image"; };
    CHECK_FALSE(service::status_of(fixture.ask()).ok());
    CHECK_FALSE(fixture.has_hold());
}

TEST_CASE("RemoteGrants: gives no hold to a job that has gone when the hub answers") {
    Fixture fixture;
    fixture.is_gone = true;
    CHECK(std::holds_alternative<service::Nothing>(fixture.ask()));
    CHECK_FALSE(fixture.has_hold());
    CHECK(fixture.node.vault.inventory().cached_grants == 0);
    // The hub counts this node as a holder, and is to learn that it is none.
    CHECK(fixture.grants->take_granted());
}

/// A node that reports every few milliseconds.
struct Reporting : Fixture {
    ~Reporting() {
        supervisor.stop();
        reporter.stop();
        client->stop();
        loop.turn(milliseconds(50));
    }
    /// Returns the reports so far.
    std::vector<FakeHub::Request> reports() const {
        std::vector<FakeHub::Request> reports;
        for (const FakeHub::Request& each : hub.asked) {
            if (each.target() == "/v1/nodes/n1/holds") reports.push_back(each);
        }
        return reports;
    }
    void answer_reports(const std::string& body) {
        hub.answer = [body](const auto& request, auto& response) {
            if (request.method() == http::verb::put) {
                response.body() = body;
            } else {
                grant(response);
            }
        };
    }

    Supervisor supervisor{loop.io, [](const auto&, const auto&, auto) {}};
    HoldReporter reporter{loop.io,
                          supervisor,
                          *client,
                          *grants,
                          node.services,
                          "n1",
                          {milliseconds(1), milliseconds(2)}};
};

TEST_CASE("HoldReporter: reports grants until none is left, and that once") {
    Reporting fixture;
    fixture.answer_reports(R"({"revoked":[]})");
    fixture.loop.turn(milliseconds(30));
    CHECK(fixture.hub.asked.empty());
    REQUIRE(given(fixture.ask()) == "A=value\n");
    REQUIRE(fixture.loop.turns_until([&] { return !fixture.reports().empty(); }));
    CHECK(fixture.reports().front().body() ==
          R"({"holds":[{"job":7,"uid":1001,"ask":"run:r","tag":"\"1\""}]})");
    fixture.node.services.grants.wipe(JobId{7});
    const auto is_empty = [&] { return fixture.reports().back().body() == R"({"holds":[]})"; };
    REQUIRE(fixture.loop.turns_until(is_empty));
    const std::size_t reported = fixture.reports().size();
    fixture.loop.turn(milliseconds(50));
    CHECK(fixture.reports().size() == reported);
}

TEST_CASE("HoldReporter: reports in parts what is more than a hub reads, and hears of each") {
#ifdef __SANITIZE_ADDRESS__
    SKIP_BECAUSE("AddressSanitizer needs 10 s for 8 MiB, and the hub's answer has 4");
#endif
    Reporting fixture;
    fixture.answer_reports(R"({"revoked":[0]})");
    REQUIRE(given(fixture.ask()) == "A=value\n");
    // An agent of an earlier version may have cached more.
    const SecretBuffer image = buffer_of("image");
    std::size_t cached = 1;
    for (; cached < 1500; ++cached) {
        std::string spec = "run:" + std::to_string(cached);
        while (spec.size() < 7000) spec += ",NAME";
        REQUIRE(
            fixture.node.vault
                .put_cached_grant({JobId{7}, fixture.node.alice, spec, "r", "\"1\""}, image.view())
                .ok());
    }
    const std::size_t before = fixture.reports().size();
    REQUIRE(fixture.loop.turns_until([&] { return fixture.reports().size() > before + 2; }));
    CHECK(fixture.node.vault.inventory().cached_grants <= cached - 2);
    for (const FakeHub::Request& each : fixture.reports()) {
        CHECK(each.body().size() <= api::kMaxReportBytes);
        CHECK(api::parse_report(std::as_bytes(std::span(each.body()))).ok());
    }
    CHECK(fixture.reports()[before].body().size() > 1024 * 1024);
}

TEST_CASE("HoldReporter: wipes a grant that the hub revokes") {
    Reporting fixture;
    fixture.answer_reports(R"({"revoked":[0]})");
    REQUIRE(given(fixture.ask()) == "A=value\n");
    CHECK(fixture.loop.turns_until(
        [&] { return fixture.node.vault.inventory().cached_grants == 0; }));
    // Its next step must ask.
    fixture.hub.stop();
    CHECK(service::status_of(fixture.ask()).code() == StatusCode::unavailable);
}

TEST_CASE("HoldReporter: asks the next hub when one does not know what ended") {
    Fixture fixture;
    REQUIRE(given(fixture.ask()) == "A=value\n");
    FakeHub other(fixture.loop, fixture.certificate);
    Hub config;
    config.urls = {fixture.hub.url(), other.url()};
    auto context = net::make_client_context(fixture.certificate.file(), "hub.ca");
    REQUIRE(context.ok());
    HubClient both(fixture.loop.io, config, std::move(context).value());
    RemoteGrants grants(both, fixture.node.services, "n1");
    fixture.hub.answer = [](const auto&, auto& response) { deny(response, 503, "cut off"); };
    other.answer = [](const auto&, auto& response) { response.body() = R"({"revoked":[0]})"; };
    Supervisor supervisor{fixture.loop.io, [](const auto&, const auto&, auto) {}};
    HoldReporter reporter(fixture.loop.io, supervisor, both, grants, fixture.node.services, "n1",
                          {milliseconds(1), milliseconds(2)});
    CHECK(fixture.loop.turns_until(
        [&] { return fixture.node.vault.inventory().cached_grants == 0; }));
    // Both count this node as a holder, and are told of the end.
    other.answer = [](const auto&, auto& response) { response.body() = R"({"revoked":[]})"; };
    fixture.hub.answer = other.answer;
    const auto is_told = [](const FakeHub& hub) {
        return !hub.asked.empty() && hub.asked.back().body() == R"({"holds":[]})";
    };
    CHECK(fixture.loop.turns_until([&] { return is_told(fixture.hub) && is_told(other); }));
    supervisor.stop();
    reporter.stop();
    both.stop();
    other.stop();
    fixture.loop.turn(milliseconds(50));
}

TEST_CASE("HoldReporter: wipes nothing for a response that is malformed or an error") {
    Reporting fixture;
    SECTION("malformed") {
        fixture.answer_reports("{}");
    }
    SECTION("an error") {
        fixture.hub.answer = [](const auto& request, auto& response) {
            if (request.method() == http::verb::put) {
                deny(response, 403, "not an agent");
            } else {
                Fixture::grant(response);
            }
        };
    }
    REQUIRE(given(fixture.ask()) == "A=value\n");
    REQUIRE(fixture.loop.turns_until([&] { return fixture.reports().size() > 2; }));
    CHECK(fixture.node.vault.inventory().cached_grants == 1);
}

}  // namespace
}  // namespace secrets::node
