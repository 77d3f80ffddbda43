// SPDX-License-Identifier: Apache-2.0
// Promise: each may do what the table of rights says and nothing else, and a refused request
// changes nothing. The accounts are the machine's own: root, alice and bob (tests/setup), and
// www-data as platform.

#include "agentd/service/services.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

TEST_CASE("RunService: lets root and owner and platform push for a user and denies others") {
    Office office;
    const auto outcome = [&](Uid caller, std::optional<std::string> owner) {
        const auto answer = office.push(caller, "r", std::move(owner), {});
        const bool done = answer.ok();
        const std::string owned = done ? answer.value().run.owner : refusal_of(answer);
        REQUIRE(office.services.runs.complete_run(kRoot, run_id("r")).ok());
        return owned;
    };
    CHECK(outcome(kRoot, "alice") == "alice");
    CHECK(outcome(office.alice, "alice") == "alice");
    CHECK(outcome(office.alice, std::nullopt) == "alice");
    CHECK(outcome(office.tower, "alice") == "alice");
    CHECK(outcome(office.alice, std::to_string(office.alice.value)) == "alice");
    CHECK(outcome(office.tower, "bob").starts_with("www-data may not push runs for bob"));
    CHECK(outcome(office.bob, "alice").starts_with("bob may not push runs for alice"));
    CHECK(outcome(kRoot, std::nullopt).starts_with("\"owner\" is missing"));
    CHECK(outcome(office.tower, std::nullopt).starts_with("\"owner\" is missing"));
    CHECK(outcome(kRoot, "no-such-user") ==
          "\"owner\": there is no user 'no-such-user' on this machine");
}

TEST_CASE("RunService: keeps a run unchanged when it denies a push") {
    Office office;
    REQUIRE(refusal_of(office.push(office.alice, "r", {}, list_of(user_secret("A", "old")))) ==
            "(granted)");
    const auto refused = [&](std::vector<vault::NewSecret> secrets, std::string_view sentence,
                             std::optional<std::string> ttl = std::nullopt) {
        const auto answer = office.push(office.alice, "r", {}, std::move(secrets), std::move(ttl));
        CAPTURE(refusal_of(answer));
        CHECK(refusal_of(answer).find(sentence) != std::string::npos);
        CHECK(office.vault.find_run(run_id("r"))->generation == 1);
        CHECK(given(office.ask(office.alice, "run:r,A")) == "A=old\n");
    };
    refused(list_of(user_secret("PATH", "x")), "controls which programs run");
    refused(list_of(user_secret("1A", "x")), "must begin with a letter");
    refused(list_of(user_secret("A-B", "x"), user_secret("A_B", "y")),
            "would become the variable A_B");
    refused(list_of(user_secret("A", "x"), user_secret("A", "y")), "duplicate user secret 'A'");
    refused(list_of(user_secret("A", std::string(61, 'x'))), "has 61 bytes; the limit is 60");
    refused(list_of(user_secret("A", std::string(60, 'x')), user_secret("B", std::string(41, 'x'))),
            "have 101 bytes in total; the limit is 100");
    refused({}, "invalid duration", "soon");
    refused({}, "longer than the 2d that this site allows", "49h");
    CHECK(refusal_of(office.push(office.bob, "r", {}, {})) ==
          "run r belongs to another user, not to bob");
    CHECK(refusal_of(office.push(kRoot, "r", "bob", {})).starts_with("run r belongs to alice"));
}

TEST_CASE("GrantService: prefers the user scope when two scopes map to one variable") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(workspace_secret("A-B", "team"), user_secret("A_B", "own")))
                .ok());
    CHECK(given(office.ask(office.alice, "run:r")) == "A_B=own\n");
    CHECK(given(office.ask(office.alice, "run:r,A-B=X")) == "X=team\n");
}

TEST_CASE("RunService: limits the runs that a user owns") {
    Office office;
    CHECK(refusal_of(office.push(office.alice, "a", {}, {})) == "(granted)");
    CHECK(refusal_of(office.push(office.alice, "b", {}, {})) == "(granted)");
    CHECK(refusal_of(office.push(office.alice, "c", {}, {})) ==
          "alice owns 2 runs already; complete some first");
    CHECK(refusal_of(office.push(office.alice, "a", {}, {})) == "(granted)");
    CHECK(refusal_of(office.push(office.bob, "c", {}, {})) == "(granted)");
}

TEST_CASE("RunService: limits the memory of the runs that a user owns") {
    Config config = Office::small();
    config.limits.run_bytes = 4000;
    config.limits.value_bytes = 4000;
    config.limits.bytes_per_owner = 5000;
    Office office(config);
    const auto push = [&](Uid owner, std::string_view run, std::size_t bytes) {
        return refusal_of(
            office.push(owner, run, {}, list_of(user_secret("A", std::string(bytes, 'x')))));
    };
    CHECK(push(office.alice, "a", 3000) == "(granted)");
    const std::size_t others = office.vault.run_bytes_of(office.alice);
    const std::string before = office.state();
    const std::string refusal = push(office.alice, "b", 3000);
    CHECK(refusal == "the runs of alice would have " + std::to_string(2 * others) +
                         " bytes in the agent's memory; the limit is 5000 (limits.bytes_per_owner "
                         "in its configuration); complete some first");
    CHECK(office.state() == before);
    CHECK(push(office.bob, "c", 3000) == "(granted)");
    CHECK(push(office.alice, "a", 4000) == "(granted)");  // replaces the other 3,000
    CHECK(office.vault.run_bytes_of(office.alice) == others + 1000);
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("a")).ok());
    CHECK(office.vault.run_bytes_of(office.alice) == 0);
    CHECK(push(office.alice, "b", 3000) == "(granted)");
}

TEST_CASE("RunService: increments the generation on a second push and serves the new value") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "one"))).ok());
    CHECK(given(office.ask(office.alice, "run:r")) == "A=one\n");
    const auto again = office.push(office.alice, "r", {}, list_of(user_secret("A", "two")));
    CHECK(again.value().run.head.generation == 2);
    CHECK_FALSE(again.value().created);
    CHECK(given(office.ask(office.alice, "run:r")) == "A=two\n");
}

TEST_CASE("GrantService: returns the expected answer for each kind of spec") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(user_secret("A", "a"), workspace_secret("A", "shadowed"),
                              workspace_secret("B", "b"),
                              user_secret("NUL", std::string_view("x\0y", 3))))
                .ok());
    const auto answer = [&](Uid uid, std::string ask) {
        return given(office.ask(uid, std::move(ask)));
    };
    CHECK(answer(office.alice, "run:r,A,B=X") == "A=a\nX=b\n");
    CHECK(answer(office.alice, "run:r,B,C?") == "B=b\n");
    CHECK(answer(office.alice, "run:r,C,D") ==
          "secret C is not among the secrets of run r; secret D is not among the secrets of run r");
    CHECK(answer(office.alice, "A") ==
          "secret A is not known: the job names no run (--secrets-run=RUN)");
    CHECK(answer(office.alice, "run:r,NUL") ==
          "secret NUL contains a NUL byte, which a variable cannot hold; request it as a file "
          "(NUL:file)");
    CHECK(answer(office.alice, "run:r,NUL?").find("NUL byte") != std::string::npos);
    CHECK(answer(office.bob, "run:r,A") == "run r belongs to another user, not to bob");
    CHECK(answer(kRoot, "run:r,A") == "run r belongs to another user, not to root");
    CHECK(answer(office.alice, "run:x,A").starts_with("run x is not known"));
    CHECK(answer(office.alice, "A,,B").starts_with("SLURM_SECRETS at character 3: "));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "none")));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "run:x?")));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.bob, "run:r?")));
    CHECK(std::holds_alternative<WaitForRun>(office.ask(office.alice, "run:x", 1000)));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "run:x?", 1000)));
}

TEST_CASE("GrantService: creates a hold only with a grant and returns a receipt when it wipes it") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    office.ask(office.bob, "run:r");
    office.ask(office.alice, "run:r,NOPE");
    office.ask(office.alice, "none");
    CHECK(office.vault.inventory().holds == 0);
    CHECK(office.services.grants.wipe(JobId{1}) == "job 1 held nothing");
    office.ask(office.alice, "run:r");
    office.ask(office.alice, "run:r,A");
    CHECK(office.services.runs.read_run(office.alice, run_id("r")).value().holders.size() == 1);
    CHECK(office.services.grants.wipe(JobId{1}) == "job 1 ended: its hold with 2 grants was wiped");
    CHECK(office.vault.inventory().holds == 0);
}

TEST_CASE("GrantService: limits the different specs of a job to 256") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    std::string last;
    for (int n = 0; n < 300; ++n)
        last = given(office.ask(office.alice, "run:r,A=V" + std::to_string(n)));
    CHECK(last.find("different secret specs on this node") != std::string::npos);
    CHECK(office.vault.find_hold(JobId{1})->grants.size() == 256);
}

TEST_CASE("ExpiryQueue: expires a run at its time and not before") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a")), "10s").ok());
    office.time += std::chrono::seconds(9);
    CHECK(office.services.expiry.expire() == office.time + std::chrono::seconds(1));
    CHECK(given(office.ask(office.alice, "run:r")) == "A=a\n");
    office.time += std::chrono::seconds(1);
    CHECK(given(office.ask(office.alice, "run:r")).starts_with("run r expired at 1970-01-"));
    CHECK(office.vault.inventory().runs == 0);
}

TEST_CASE("RunService: shows and completes a run only for root and owner and platform") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    for (const Uid uid : {kRoot, office.alice, office.tower}) {
        CHECK(refusal_of(office.services.runs.read_run(uid, run_id("r"))) == "(granted)");
        CHECK(office.services.runs.list_runs(uid, "", 10)->runs.size() == 1);
    }
    CHECK(refusal_of(office.services.runs.read_run(office.bob, run_id("r")))
              .starts_with("run r belongs to another"));
    CHECK(office.services.runs.list_runs(office.bob, "", 10)->runs.empty());
    CHECK(refusal_of(office.services.runs.complete_run(office.bob, run_id("r")))
              .starts_with("run r belongs to another"));
    CHECK(office.vault.inventory().runs == 1);
    CHECK(refusal_of(office.services.runs.complete_run(office.tower, run_id("r"))) == "(granted)");
    CHECK(office.vault.inventory().runs == 0);
    CHECK(refusal_of(office.services.runs.complete_run(office.bob, run_id("r"))) == "(granted)");
}

/// The ids of the runs on each page, and whether each page says rightly that there are more.
std::vector<std::vector<std::string>> pages(Office& office, Uid caller, std::size_t most) {
    std::vector<std::vector<std::string>> pages;
    std::string after;
    while (true) {
        const auto page = office.services.runs.list_runs(caller, after, most);
        REQUIRE(page.ok());
        CHECK(page->runs.size() <= most);
        pages.emplace_back();
        for (const RunInfo& run : page->runs) pages.back().push_back(run.head.id.text());
        if (!page->has_more) return pages;
        REQUIRE(page->runs.size() == most);
        after = pages.back().back();
    }
}

TEST_CASE("RunService: lists the runs of all readable owners in pages sorted by id") {
    Office office(Office::large());
    for (const char* run : {"e", "a", "c"}) REQUIRE(office.push(office.alice, run, {}, {}).ok());
    for (const char* run : {"d", "b"}) REQUIRE(office.push(office.bob, run, {}, {}).ok());
    using Ids = std::vector<std::string>;
    CHECK(pages(office, kRoot, 2) == std::vector<Ids>{{"a", "b"}, {"c", "d"}, {"e"}});
    CHECK(pages(office, kRoot, 5) == std::vector<Ids>{{"a", "b", "c", "d", "e"}});
    CHECK(pages(office, office.alice, 2) == std::vector<Ids>{{"a", "c"}, {"e"}});
    CHECK(pages(office, office.bob, 1) == std::vector<Ids>{{"b"}, {"d"}});
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("c")).ok());
    CHECK(pages(office, kRoot, 3) == std::vector<Ids>{{"a", "b", "d"}, {"e"}});
}

TEST_CASE("RunService: shows the jobs that hold a run, and no others") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    REQUIRE(office.push(office.alice, "s", {}, list_of(user_secret("B", "b"))).ok());
    const auto jobs_of = [&](const char* run) {
        std::vector<std::uint32_t> jobs;
        for (const RunInfo::Holder& holder : office.info(run).holders) {
            jobs.push_back(holder.job.value);
        }
        return jobs;
    };
    using Jobs = std::vector<std::uint32_t>;
    REQUIRE(given(office.ask(office.alice, "run:r", 0, JobId{9})) == "A=a\n");
    REQUIRE(given(office.ask(office.alice, "run:r,A=X", 0, JobId{9})) == "X=a\n");
    REQUIRE(given(office.ask(office.alice, "run:r", 0, JobId{2})) == "A=a\n");
    REQUIRE(given(office.ask(office.alice, "run:s", 0, JobId{2})) == "B=b\n");
    REQUIRE(given(office.ask(office.alice, "run:s", 0, JobId{5})) == "B=b\n");
    CHECK(jobs_of("r") == Jobs{2, 9});
    CHECK(jobs_of("s") == Jobs{2, 5});
    office.services.grants.wipe(JobId{2});
    CHECK(jobs_of("r") == Jobs{9});
    CHECK(jobs_of("s") == Jobs{5});
    office.services.grants.wipe(JobId{9});
    CHECK(jobs_of("r") == Jobs{});
}

TEST_CASE("GrantService: checks a spec by name and size without creating a hold") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(user_secret("A", "a"), workspace_secret("B", "bb")))
                .ok());
    const auto check = office.services.grants.check(office.alice, "run:r,A,B,C?").value();
    CHECK(check.ok);
    REQUIRE(check.items.size() == 3);
    CHECK(check.items[1].source == Source::run);
    CHECK(check.items[1].bytes == 2);
    CHECK_FALSE(check.items[2].found);
    CHECK_FALSE(office.services.grants.check(office.bob, "run:r,A").value().ok);
    CHECK(office.vault.inventory().holds == 0);
}

TEST_CASE("GrantService: denies a submission only when nothing can satisfy its spec") {
    Office office;
    const auto sentence = [&](std::string_view ask) {
        const auto refusal =
            office.services.grants.check_submission(office.alice, std::string(ask));
        return !refusal.ok() ? refusal.message() : "(may be submitted)";
    };
    CHECK(sentence("none") == "(may be submitted)");
    CHECK(sentence("run:r") == "(may be submitted)");  // it may still be pushed
    CHECK(sentence("run:r,NOPE") == "(may be submitted)");
    CHECK(sentence("NOPE?") == "(may be submitted)");
    CHECK(sentence("NOPE").find("NOPE") != std::string::npos);
    CHECK(sentence("A,,B").starts_with("the secret spec at character "));
}

TEST_CASE("RunService: applies a new configuration at once and keeps existing runs") {
    Office office;
    REQUIRE(office.push(kRoot, "r", "alice", list_of(user_secret("A", "a"))).ok());
    Config config = Office::small();
    config.limits.value_bytes = 3;
    config.max_ttl = std::chrono::hours(1);
    config.default_ttl = std::chrono::hours(1);
    config.platforms.clear();
    office.services.context.configure(config);
    CHECK(refusal_of(office.push(kRoot, "s", "alice", list_of(user_secret("A", "four")))) ==
          "user secret 'A' has 4 bytes; the limit is 3");
    CHECK(refusal_of(office.push(kRoot, "s", "alice", {}, "2h")).find("longer than the 1h") !=
          std::string::npos);
    CHECK(refusal_of(office.push(office.tower, "s", "alice", {})).find("may not push") !=
          std::string::npos);
    CHECK(office.info("r").secrets.size() == 1);
}

}  // namespace
}  // namespace secrets::service
