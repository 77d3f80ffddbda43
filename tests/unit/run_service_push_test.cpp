// SPDX-License-Identifier: Apache-2.0
// Promise: a push is taken as a whole or refused with a kind and a sentence, and then nothing is
// other than before.

#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

std::vector<vault::NewSecret> many_secrets(std::size_t count, std::size_t value_bytes = 0) {
    std::vector<vault::NewSecret> secrets;
    for (std::size_t n = 0; n < count; ++n) {
        secrets.push_back(user_secret("S" + std::to_string(n), std::string(value_bytes, 'v')));
    }
    return secrets;
}

std::vector<vault::NewSecret> one_secret(std::string_view name, std::size_t value_bytes = 1) {
    return list_of(user_secret(name, std::string(value_bytes, 'v')));
}

struct Refused {
    StatusCode reason;
    std::string sentence;
};

/// Makes a push that must be refused, and checks that it changed nothing and told nobody.
void check_refused(Office& office, const Refused& expected, Uid caller, std::string_view run,
                   std::optional<std::string> owner, std::vector<vault::NewSecret> secrets,
                   std::optional<std::string> ttl = std::nullopt) {
    CAPTURE(expected.sentence);
    const std::string before = office.state();
    int told = 0;
    office.events.on_push = [&](const RunId&) { ++told; };
    office.events.on_expiry_change = [&] { ++told; };
    const auto answer =
        office.push(caller, run, std::move(owner), std::move(secrets), std::move(ttl));
    office.events.on_push = [](const RunId&) {};
    office.events.on_expiry_change = [] {};
    REQUIRE(!status_of(answer).ok());
    CHECK(status_of(answer).code() == expected.reason);
    CHECK(status_of(answer).message() == expected.sentence);
    CHECK(office.state() == before);
    CHECK(told == 0);
}

TEST_CASE("RunService: denies a push of invalid content with its reason and changes nothing") {
    Office office;
    REQUIRE(refusal_of(office.push(office.alice, "there", {}, one_secret("A"))) == "(granted)");
    office.ask(office.alice, "run:there");
    for (const std::string run : {"there", "new"}) {
        CAPTURE(run);
        const auto refused = [&](StatusCode reason, const std::string& sentence,
                                 std::vector<vault::NewSecret> secrets,
                                 std::optional<std::string> ttl = std::nullopt) {
            check_refused(office, {reason, sentence}, office.alice, run, {}, std::move(secrets),
                          std::move(ttl));
        };
        refused(StatusCode::invalid_argument,
                "user: invalid secret name 'PATH': the variable 'PATH' controls which "
                "programs run and may not hold a secret; use another name, and in the job's "
                "script: export PATH=\"$OTHER_NAME\"",
                one_secret("PATH"));
        refused(StatusCode::invalid_argument,
                "workspace: the secret's name '1A' must begin with a letter or '_'",
                list_of(user_secret("A", "a"), workspace_secret("1A", "x")));
        refused(StatusCode::invalid_argument, "user: the secret's name is missing", one_secret(""));
        refused(StatusCode::invalid_argument, "duplicate workspace secret 'A'",
                list_of(workspace_secret("A", "x"), workspace_secret("A", "y")));
        refused(StatusCode::conflict,
                "user secret 'A_B' would become the variable A_B, as another secret of this scope "
                "does; rename one",
                list_of(user_secret("A-B", "x"), user_secret("A_B", "y")));
        refused(StatusCode::too_large, "user secret 'A' has 61 bytes; the limit is 60",
                one_secret("A", 61));
        refused(StatusCode::too_large, "the run's values have 101 bytes in total; the limit is 100",
                list_of(user_secret("A", std::string(60, 'x')),
                        workspace_secret("B", std::string(41, 'x'))));
        refused(StatusCode::too_large, "the run has 1001 secrets; the limit is 1000",
                many_secrets(kMaxSecretsPerRun + 1));
        refused(StatusCode::invalid_argument,
                "\"ttl\": invalid duration 'soon'; expected a number and s, m, h or d, as in 12h",
                {}, "soon");
        refused(StatusCode::invalid_argument,
                "\"ttl\": duration '0s' is too short; the minimum is 1s", {}, "0s");
        refused(StatusCode::invalid_argument,
                "\"ttl\": 49h is longer than the 2d that this site allows", {}, "49h");
        refused(StatusCode::invalid_argument,
                "\"ttl\": 172801s is longer than the 2d that this site allows", {}, "172801s");
    }
}

TEST_CASE(
    "RunService: denies a push by or for the wrong user with its reason and changes nothing") {
    Office office;
    REQUIRE(office.push(office.alice, "of-alice", {}, one_secret("A")).ok());
    REQUIRE(office.push(office.bob, "of-bob", {}, one_secret("B")).ok());
    const auto refused = [&](StatusCode reason, const std::string& sentence, Uid caller,
                             std::string_view run, std::optional<std::string> owner) {
        check_refused(office, {reason, sentence}, caller, run, std::move(owner), one_secret("X"));
    };
    const std::string nameless = "\"owner\" is missing: name the user whose jobs may use the run";
    const std::string may_not = " (see platforms in the agent's configuration)";
    refused(StatusCode::invalid_argument, nameless, kRoot, "new", {});
    refused(StatusCode::invalid_argument, nameless, office.tower, "new", {});
    refused(StatusCode::invalid_argument, nameless, kRoot, "of-alice", {});
    refused(StatusCode::invalid_argument,
            "\"owner\": there is no user 'nobody-here' on this machine", kRoot, "new",
            "nobody-here");
    refused(StatusCode::invalid_argument, "\"owner\": there is no user '' on this machine",
            office.alice, "new", "");
    refused(StatusCode::invalid_argument, "\"owner\": there is no user 'alice?' on this machine",
            office.alice, "new", std::string("alice\0", 6));
    refused(StatusCode::permission_denied, "www-data may not push runs for bob" + may_not,
            office.tower, "new", "bob");
    refused(StatusCode::permission_denied, "www-data may not push runs for root" + may_not,
            office.tower, "new", "root");
    refused(StatusCode::permission_denied, "bob may not push runs for alice" + may_not, office.bob,
            "new", "alice");
    refused(StatusCode::permission_denied, "alice may not push runs for root" + may_not,
            office.alice, "new", "0");
    refused(StatusCode::permission_denied, "bob may not push runs for alice" + may_not, office.bob,
            "of-bob", "alice");
    refused(StatusCode::permission_denied, "run of-alice belongs to another user, not to bob",
            office.bob, "of-alice", {});
    refused(StatusCode::permission_denied, "run of-alice belongs to another user, not to bob",
            office.bob, "of-alice", "alice");
    refused(StatusCode::permission_denied, "run of-bob belongs to another user, not to www-data",
            office.tower, "of-bob", "alice");
    refused(StatusCode::conflict,
            "run of-alice belongs to alice; complete it before it is pushed for another user",
            kRoot, "of-alice", "bob");
    refused(StatusCode::conflict,
            "run of-alice belongs to alice; complete it before it is pushed for another user",
            office.tower, "of-alice", "www-data");
}

TEST_CASE("RunService: accepts a push exactly at each limit") {
    Office office;
    const auto taken = [&](std::vector<vault::NewSecret> secrets,
                           std::optional<std::string> ttl = std::nullopt) {
        const auto answer = office.push(office.alice, "r", {}, std::move(secrets), std::move(ttl));
        CHECK(refusal_of(answer) == "(granted)");
    };
    taken(one_secret("A", 60));
    taken(list_of(user_secret("A", std::string(60, 'x')), user_secret("B", std::string(40, 'x'))));
    taken(many_secrets(kMaxSecretsPerRun));
    taken(one_secret(std::string(kMaxNameBytes, 'N')));
    taken({}, "48h");
    CHECK(office.info("r").head.expires == office.time + std::chrono::hours(48));
    taken({}, "1s");
    CHECK(office.info("r").head.expires == office.time + std::chrono::seconds(1));
}

TEST_CASE("RunService: limits the runs of a platform across all owners") {
    Config config = Office::large();
    config.platforms = {{"tower", "www-data", {"alice", "bob"}, {}}};
    config.limits.runs_per_platform = 2;
    Office office(config);
    const auto push = [&](Uid caller, std::string_view run, const char* owner) {
        return refusal_of(office.push(caller, run, owner, one_secret("A")));
    };
    CHECK(push(office.tower, "a", "alice") == "(granted)");
    CHECK(push(office.tower, "b", "bob") == "(granted)");
    CHECK(office.info("b").head.platform == "tower");
    const std::string full = "platform tower has 2 runs already; complete some first";
    CHECK(push(office.tower, "c", "alice") == full);
    CHECK(push(office.tower, "a", "alice") == "(granted)");  // again
    CHECK(push(office.alice, "c", "alice") == "(granted)");  // not the platform's
    CHECK(office.info("c").head.platform.empty());
    CHECK(push(office.tower, "c", "alice") == full);  // it would become the platform's
    CHECK(push(office.alice, "a", "alice") == "(granted)");
    CHECK(push(office.tower, "c", "alice") == "(granted)");
    REQUIRE(office.services.runs.complete_run(office.bob, run_id("b")).ok());
    CHECK(push(office.tower, "d", "bob") == "(granted)");
    CHECK(push(office.tower, "b", "bob") == full);
}

TEST_CASE("RunService: applies the configured lifetime to a push without one") {
    Config config = Office::small();
    config.default_ttl = std::chrono::minutes(7);
    Office office(config);
    REQUIRE(office.push(office.alice, "r", {}, {}).ok());
    CHECK(office.info("r").head.created == office.time);
    CHECK(office.info("r").head.expires == office.time + std::chrono::minutes(7));
}

TEST_CASE("RunService: keeps the creation time and renews the expiry of a run pushed again") {
    Office office;
    const vault::Time begun = office.time;
    REQUIRE(office.push(office.alice, "r", {}, one_secret("A"), "1h").ok());
    office.time += std::chrono::minutes(30);
    const auto again = office.push(kRoot, "r", "alice", one_secret("B"), "2h");
    REQUIRE(again.ok());
    const PushResult& pushed = again.value();
    CHECK_FALSE(pushed.created);
    CHECK(pushed.run.head.generation == 2);
    CHECK(pushed.run.head.created == begun);
    CHECK(pushed.run.head.expires == office.time + std::chrono::hours(2));
    REQUIRE(pushed.run.secrets.size() == 1);
    CHECK(pushed.run.secrets.front().name == "B");
}

TEST_CASE("RunService: starts a completed or expired run anew for any owner") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, one_secret("A"), "10s").ok());
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r")).ok());
    const auto second = office.push(office.bob, "r", {}, one_secret("B"), "10s");
    REQUIRE(second.ok());
    CHECK(second.value().created);
    CHECK(second.value().run.head.generation == 1);
    office.time += std::chrono::seconds(10);
    const auto third = office.push(office.alice, "r", {}, {});
    REQUIRE(third.ok());
    CHECK(third.value().created);
    CHECK(third.value().run.owner == "alice");
}

TEST_CASE("RunService: denies an unauthorized push before its body is read") {
    Office office;
    const auto check = [&](Uid caller) {
        const auto refusal = office.services.runs.check_push(caller, run_id("r"));
        return !refusal.ok() ? refusal.message() : "(go on)";
    };
    CHECK(check(office.bob) == "(go on)");
    REQUIRE(office.push(office.alice, "r", {}, {}, "10s").ok());
    CHECK(check(office.bob) == "run r belongs to another user, not to bob");
    CHECK(office.services.runs.check_push(office.bob, run_id("r")).code() ==
          StatusCode::permission_denied);
    for (const Uid uid : {kRoot, office.alice, office.tower}) CHECK(check(uid) == "(go on)");
    office.time += std::chrono::seconds(10);
    CHECK(check(office.bob) == "(go on)");
}

TEST_CASE("RunService: notifies run waiters and the expiry timer of each push") {
    Office office;
    std::vector<std::string> told;
    office.events.on_push = [&](const RunId& run) {
        told.push_back(run.text());
        // Whoever is woken may ask at once.
        CHECK(given(office.ask(office.alice, "run:" + run.text())) == "A=v\n");
    };
    int expiry_changes = 0;
    office.events.on_expiry_change = [&] { ++expiry_changes; };
    REQUIRE(office.push(office.alice, "a", {}, one_secret("A")).ok());
    REQUIRE(office.push(office.alice, "b", {}, one_secret("A")).ok());
    REQUIRE(office.push(office.alice, "a", {}, one_secret("A")).ok());
    CHECK(told == std::vector<std::string>{"a", "b", "a"});
    CHECK(expiry_changes == 3);
}

TEST_CASE("RunService: denies a run above the owner limit until another run ends") {
    Office office;
    REQUIRE(office.push(office.alice, "a", {}, {}, "10s").ok());
    REQUIRE(office.push(office.alice, "b", {}, {}, "1h").ok());
    const Refused full{StatusCode::resource_exhausted,
                       "alice owns 2 runs already; complete some first"};
    check_refused(office, full, office.alice, "c", {}, {});
    check_refused(office, full, office.tower, "c", "alice", {});
    office.time += std::chrono::seconds(10);
    CHECK(refusal_of(office.push(office.alice, "c", {}, {})) == "(granted)");
    check_refused(office, full, office.alice, "d", {}, {});
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("b")).ok());
    CHECK(refusal_of(office.push(office.alice, "d", {}, {})) == "(granted)");
}

TEST_CASE("RunService: denies a push or a replacement when no memory is left") {
    constexpr std::size_t kMiB = 1024UL * 1024;
    Office office(Office::large(), kMiB);
    const auto large = [] { return many_secrets(11, kMaxValueBytes); };
    REQUIRE(refusal_of(office.push(office.alice, "r", {}, large())) == "(granted)");
    const Refused full{StatusCode::unavailable,
                       "the agent's memory for secrets is full (1048576 bytes; limits.total_bytes "
                       "in its configuration)"};
    check_refused(office, full, office.alice, "other", {}, large());
    check_refused(office, full, office.alice, "r", {}, large());
    CHECK(refusal_of(office.push(office.alice, "r", {}, one_secret("A"))) == "(granted)");
    CHECK(refusal_of(office.push(office.alice, "r", {}, large())) == "(granted)");
}

TEST_CASE("RunService: returns the secrets of a push in order with scope and size") {
    Office office;
    const auto answer = office.push(office.tower, "r", "alice",
                                    list_of(workspace_secret("B", "bb"), user_secret("C", ""),
                                            user_secret("B", "b"), workspace_secret("A", "aaa")));
    REQUIRE(answer.ok());
    const RunInfo& run = answer.value().run;
    CHECK(run.owner == "alice");
    CHECK(run.holders.empty());
    std::string listed;
    for (const RunInfo::Secret& secret : run.secrets) {
        listed += secret.name + "/" + vault::scope_word(secret.scope) + "/" +
                  std::to_string(secret.bytes) + " ";
    }
    CHECK(listed == "A/workspace/3 B/user/1 B/workspace/2 C/user/0 ");
}

}  // namespace
}  // namespace secrets::service
