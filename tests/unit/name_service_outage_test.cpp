// SPDX-License-Identifier: Apache-2.0
// Promise: "it cannot be looked up now" is never "no": it revokes nothing, denies nothing that was
// granted, and leaves no trace of a denial while a request still waits for the answer.

#include <boost/json.hpp>
#include <filesystem>
#include <sstream>

#include "agentd/audit/audit_log.h"
#include "tests/unit/catch.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

const SecretScope kLab{"lab"};

/// Alice is a member of lab by its group, which is called as she is; bob is its admin. Lab has
/// LICENSE.
struct Fixture {
    Fixture() {
        REQUIRE(office.services.secrets
                    .put_secret(office.bob, kLab, "LICENSE", {buffer_of("value"), {}}, {})
                    .ok());
    }
    ~Fixture() {
        users.failure = Status();
        users.unknown.clear();
        users.doubtful.clear();
        users.missing.clear();
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    static Config config() {
        Config config = Office::large();
        config.workspaces = {{"lab", {{"bob"}, {}}, {{"ghost"}, {"alice"}}}};
        return config;
    }
    NodeGrantAnswer grant(const std::string& tag = "") {
        return office.services.node_grants.grant_to_node(
            {JobId{7}, StepId{0}, office.alice, 0, "LICENSE"}, "n1", tag);
    }
    std::vector<std::size_t> report(const std::string& tag, bool is_current = true) {
        const std::string node = "n1";
        const std::string address = "10.0.0.1";
        const std::vector<vault::CachedGrant> held{{JobId{7}, office.alice, "LICENSE", "", tag}};
        ReportProgress progress;
        CHECK(office.services.node_grants.process_report({node, address, held, true, is_current},
                                                         progress));
        return progress.revoked;
    }
    static std::string tag_of(const NodeGrantAnswer& answer) {
        const auto* granted = std::get_if<NodeGranted>(&answer);
        REQUIRE(granted != nullptr);
        return granted->tag;
    }
    /// Writes events to a file while `work` runs; returns the sentences of those with that action.
    template <typename Work>
    std::string events_of(Work work, std::string_view action = "revoke") {
        Config config;
        config.log_level = "error";
        config.audit_file = folder.file("audit");
        REQUIRE(audit::open(config).ok());
        work();
        std::string lines;
        std::istringstream content(store::content_of(config.audit_file));
        for (std::string line; std::getline(content, line);) {
            const auto event = boost::json::parse(line).as_object();
            if (event.at("action").as_string() != action) continue;
            lines += std::string(event.at("message").as_string()) + "\n";
        }
        std::filesystem::remove(config.audit_file);
        config.audit_file.clear();
        REQUIRE(audit::open(config).ok());
        return lines;
    }

    TemporaryFolder folder;
    std::unique_ptr<store::SecretStore> store = std::move(
        store::SecretStore::open(folder.file("store.db"), store::key_of(folder, 'k')).value());
    Office office{config(), 64UL * 1024 * 1024, store.get()};
    auth::FakeUsers& users = auth::fake_users();
};

TEST_CASE("GrantService: grants a member what a name that can't be looked up does not decide") {
    Fixture fixture;
    fixture.users.unknown = {"ghost"};
    CHECK(given(fixture.office.ask(fixture.office.alice, "LICENSE")) == "LICENSE=value\n");
    const Status bob = status_of(fixture.office.ask(fixture.office.tower, "LICENSE"));
    CHECK(bob.code() == StatusCode::unavailable);
    CHECK(bob.message() == "the name service is away");
}

TEST_CASE("GrantService: denies a step that had the grant only for an established cause") {
    Fixture fixture;
    REQUIRE(given(fixture.office.ask(fixture.office.alice, "LICENSE")) == "LICENSE=value\n");
    fixture.users.doubtful = {"alice"};
    CHECK(status_of(fixture.office.ask(fixture.office.alice, "LICENSE")).code() ==
          StatusCode::unavailable);
    // Another job had nothing.
    CHECK(status_of(fixture.office.ask(fixture.office.alice, "LICENSE", 0, JobId{8})).code() ==
          StatusCode::not_found);
    fixture.users.doubtful.clear();
    CHECK(given(fixture.office.ask(fixture.office.alice, "LICENSE")) == "LICENSE=value\n");
}

TEST_CASE("GrantService: denies nothing because a group is not found, as all are in an outage") {
    Fixture fixture;
    auto& grants = fixture.office.services.grants;
    fixture.users.missing = {"alice"};
    CHECK(status_of(fixture.office.ask(fixture.office.alice, "LICENSE")).code() ==
          StatusCode::unavailable);
    CHECK(grants.check(fixture.office.alice, "LICENSE").status().code() == StatusCode::unavailable);
    CHECK(grants.check_submission(fixture.office.alice, "LICENSE").ok());
    CHECK(grants.check_submission(fixture.office.alice, "OTHER").code() == StatusCode::not_found);
    fixture.users.missing.clear();
    fixture.users.doubtful = {"alice"};
    CHECK(grants.check_submission(fixture.office.alice, "LICENSE").code() == StatusCode::not_found);
}

TEST_CASE("GrantService: looks nobody up for a job's own run") {
    Fixture fixture;
    REQUIRE(
        fixture.office.push(fixture.office.alice, "r", {}, list_of(user_secret("A", "x"))).ok());
    fixture.users.failure = auth::FakeUsers::away();
    CHECK(given(fixture.office.ask(fixture.office.alice, "run:r,A")) == "A=x\n");
    CHECK(status_of(fixture.office.ask(fixture.office.bob, "run:r,A")).code() ==
          StatusCode::permission_denied);
}

TEST_CASE("NodeGrantService: revokes nothing while a name service fails or finds nobody", "[hub]") {
    Fixture fixture;
    const std::string tag = fixture.tag_of(fixture.grant());
    const auto revocations = audit::count_of(audit::Kind::revoke);
    fixture.users.failure = auth::FakeUsers::away();
    CHECK(fixture.report(tag).empty());
    CHECK(status_of(fixture.grant(tag)).code() == StatusCode::unavailable);
    fixture.users.failure = Status();
    fixture.users.doubtful = {"alice"};
    CHECK(fixture.report(tag).empty());
    CHECK(status_of(fixture.grant(tag)).code() == StatusCode::unavailable);
    CHECK(status_of(fixture.grant()).code() == StatusCode::not_found);
    CHECK(audit::count_of(audit::Kind::revoke) == revocations);
}

TEST_CASE("NodeGrantService: records each revocation with its reason", "[hub]") {
    Fixture fixture;
    const std::string tag = fixture.tag_of(fixture.grant());
    const auto revocations = fixture.events_of([&] {
        CHECK(fixture.report(tag).empty());
        REQUIRE(fixture.office.services.secrets
                    .put_secret(fixture.office.bob, kLab, "LICENSE", {buffer_of("new"), {}}, {})
                    .ok());
        CHECK(fixture.report(tag, false).empty());
        CHECK(fixture.report(tag) == std::vector<std::size_t>{0});
        REQUIRE(
            fixture.office.services.secrets.remove_secret(fixture.office.bob, kLab, "LICENSE", {})
                .ok());
        CHECK(fixture.report(tag) == std::vector<std::size_t>{0});
    });
    CHECK(revocations ==
          "the grant of job 7 on node n1 was revoked: its secrets have changed\n"
          "the grant of job 7 on node n1 was revoked: secret LICENSE is not set for alice; set it "
          "with: secretctl set LICENSE\n");
}

TEST_CASE("NodeGrantService: records the revocation by a denial of a step that had a grant",
          "[hub]") {
    Fixture fixture;
    const std::string tag = fixture.tag_of(fixture.grant());
    const auto revocations = fixture.events_of([&] {
        REQUIRE(
            fixture.office.services.secrets.remove_secret(fixture.office.bob, kLab, "LICENSE", {})
                .ok());
        CHECK(std::holds_alternative<GrantDenied>(fixture.grant()));
        for (int i = 0; i < 3; ++i) {
            CHECK(std::holds_alternative<GrantDenied>(fixture.grant(tag)));
        }
    });
    CHECK(revocations ==
          "the grant of job 7 on node n1 was revoked: secret LICENSE is not set for alice; set it "
          "with: secretctl set LICENSE\n");
}

TEST_CASE("CachedGrantService: records a wipe by the hub's denial with the hub's reason", "[hub]") {
    Fixture fixture;
    auto& cached = fixture.office.services.cached_grants;
    const plugin_protocol::GrantRequest step{JobId{7}, StepId{0}, fixture.office.alice, 0, "A"};
    const auto wipes = fixture.events_of(
        [&] {
            static_cast<void>(
                cached.denied_by_hub(step, "\"1\"", {StatusCode::not_found, "is over"}));
            const SecretBuffer value = buffer_of("value");
            const DeliveryEntry entry{"A", value.view()};
            SecretBuffer image(delivery_size({&entry, 1}));
            REQUIRE(write_delivery({&entry, 1}, image.bytes()).ok());
            REQUIRE(given(cached.accept_cached_grant(step, "\"1\"", image.view(), "")) ==
                    "A=value\n");
            static_cast<void>(cached.denied_by_hub(step, "\"older\"", {StatusCode::not_found, ""}));
            static_cast<void>(
                cached.denied_by_hub(step, "\"1\"", {StatusCode::not_found, "is over"}));
        },
        "wipe");
    CHECK(wipes == "the cached grant of job 7 was wiped: the hub revoked it: is over\n");
}

TEST_CASE("Services: record no denial while a request waits for a lookup") {
    Fixture fixture;
    const auto denials = [] {
        return audit::count_of(audit::Kind::refuse_push) +
               audit::count_of(audit::Kind::refuse_complete) +
               audit::count_of(audit::Kind::refuse_secret) +
               audit::count_of(audit::Kind::deny_grant);
    };
    REQUIRE(
        fixture.office.push(fixture.office.alice, "r", {}, list_of(user_secret("A", "x"))).ok());
    const auto request_all = [&](StatusCode expected) {
        auto& office = fixture.office;
        const auto code = [](const auto& answer) { return status_of(answer).code(); };
        CHECK(code(office.push(kRoot, "s", "alice", {})) == expected);
        CHECK(code(office.services.runs.complete_run(office.tower, run_id("r"))) == expected);
        CHECK(code(office.services.secrets.put_secret(office.alice, kLab, "B", {buffer_of("x"), {}},
                                                      {})) == expected);
        CHECK(code(office.ask(office.alice, "LICENSE")) == expected);
        CHECK(code(fixture.grant()) == expected);
    };
    fixture.users.failure = Status(StatusCode::pending, "not looked up yet");
    const auto before = denials();
    const std::string state = fixture.office.state();
    request_all(StatusCode::pending);
    CHECK(denials() == before);
    CHECK(fixture.office.state() == state);
    fixture.users.failure = auth::FakeUsers::away();
    request_all(StatusCode::unavailable);
    CHECK(denials() == before + 5);
}

}  // namespace
}  // namespace secrets::service
