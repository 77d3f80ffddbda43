// SPDX-License-Identifier: Apache-2.0
// Promise: a step is given what its user may have and asked for, whole, or a sentence that says why
// not; a job's hold says which grants it was given, until the job ends.

#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

/// The kind of an answer, in a word.
std::string kind_of(const GrantAnswer& answer) {
    if (std::holds_alternative<Granted>(answer)) return "granted";
    if (std::holds_alternative<Nothing>(answer)) return "nothing";
    if (const auto* wait = std::get_if<WaitForRun>(&answer)) return "wait for " + wait->run.text();
    switch (status_of(answer).code()) {
        case StatusCode::invalid_argument:
            return "malformed";
        case StatusCode::permission_denied:
            return "forbidden";
        case StatusCode::not_found:
            return "not found";
        case StatusCode::too_large:
            return "too large";
        case StatusCode::resource_exhausted:
            return "too many";
        case StatusCode::unavailable:
            return "unavailable";
        case StatusCode::not_configured:
            return "not offered";
        default:
            return "another refusal";
    }
}

TEST_CASE("GrantService: changes no state for any answer but a grant") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(user_secret("A", "a"), user_secret("NUL", std::string_view("\0", 1))))
                .ok());
    REQUIRE(office.push(office.bob, "of-bob", {}, list_of(user_secret("B", "b"))).ok());
    REQUIRE(office.push(office.bob, "empty", {}, {}).ok());
    struct Row {
        Uid uid;
        const char* ask;
        std::uint32_t wait;
        const char* kind;
    };
    const std::string before = office.state();
    for (const Row& row : {
             Row{office.alice, "none", 1000, "nothing"},
             Row{office.alice, "A?", 1000, "nothing"},
             Row{office.alice, "run:r,X?,Y=Z?", 1000, "nothing"},
             Row{office.bob, "run:empty", 1000, "nothing"},
             Row{office.alice, "run:later?", 1000, "nothing"},
             Row{office.alice, "run:later?,A?", 1000, "nothing"},
             Row{office.alice, "run:of-bob?", 1000, "nothing"},
             Row{office.alice, "run:later", 1, "wait for later"},
             Row{office.alice, "run:later,A?", 1000, "wait for later"},
             Row{office.alice, "run:later", 0, "not found"},
             Row{office.alice, "run:later?,A", 1000, "not found"},
             Row{office.alice, "run:of-bob?,B", 1000, "not found"},
             Row{office.alice, "run:r,A,X", 1000, "not found"},
             Row{office.alice, "run:r", 1000, "not found"},
             Row{office.alice, "A", 1000, "not found"},
             Row{office.alice, "run:of-bob", 1000, "forbidden"},
             Row{office.alice, "run:of-bob,B?", 1000, "forbidden"},
             Row{office.bob, "run:r,A", 1000, "forbidden"},
             Row{kRoot, "run:r,A", 1000, "forbidden"},
             Row{office.tower, "run:r,A", 1000, "forbidden"},
             Row{office.alice, "", 1000, "malformed"},
             Row{office.alice, "A:held", 1000, "malformed"},
             Row{office.alice, "run:r,PATH", 1000, "malformed"},
         }) {
        CAPTURE(row.uid.value, row.ask, row.wait);
        CHECK(kind_of(office.ask(row.uid, row.ask, row.wait)) == row.kind);
        CHECK(office.state() == before);
    }
}

TEST_CASE("GrantService: states in a denial what to correct") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    const auto sentence = [&](Uid uid, const char* ask) {
        return refusal_of(office.ask(uid, ask));
    };
    CHECK(sentence(office.alice, "A:held") ==
          "SLURM_SECRETS at character 3: invalid form 'held'; expected one of: ':env', ':file', "
          "':hold', ':random'");
    CHECK(sentence(office.alice, "run:later") ==
          "run later is not known: it was not pushed, was completed, or expired");
    CHECK(sentence(office.bob, "run:r,A") == "run r belongs to another user, not to bob");
    CHECK(sentence(office.alice, "run:r,X,A,Y=Z") ==
          "secret X is not among the secrets of run r; secret Y is not among the secrets of run r");
    CHECK(sentence(office.alice, "run:r,P,Q,R,S,T,U,V,W?") ==
          "secret P is not among the secrets of run r; secret Q is not among the secrets of run r; "
          "secret R is not among the secrets of run r; secret S is not among the secrets of run r; "
          "secret T is not among the secrets of run r; and 2 more");
    CHECK(office.services.grants
              .deny_unpushed({JobId{1}, StepId{0}, office.alice, 10000, "run:x"}, "", run_id("x"))
              .message() == "run x was not pushed within 10 s");
}

TEST_CASE("GrantService: denies a run that has ended at once, only to its owner with the reason") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    REQUIRE(office.push(office.alice, "s", {}, list_of(user_secret("A", "a")), "10s").ok());
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r"), {}).ok());
    office.time += std::chrono::seconds(10);
    CHECK(refusal_of(office.ask(office.alice, "run:r,A", 1000)) ==
          "run r was completed by alice at 1970-01-12T13:46:40Z");
    CHECK(refusal_of(office.ask(office.alice, "run:s,A", 1000)) ==
          "run s expired at 1970-01-12T13:46:50Z");
    CHECK(kind_of(office.ask(office.bob, "run:r,A", 1000)) == "wait for r");
    CHECK(refusal_of(office.ask(office.bob, "run:r,A")).starts_with("run r is not known"));
    CHECK(office.services.runs.read_run(office.alice, run_id("s")).status().message() ==
          "run s expired at 1970-01-12T13:46:50Z");
    CHECK(office.services.runs.read_run(office.bob, run_id("s")).status().message() ==
          "run s is not known");
    office.time += std::chrono::hours(12);
    CHECK(kind_of(office.ask(office.alice, "run:r,A", 1000)) == "wait for r");
    CHECK(office.services.grants
              .deny_unpushed({JobId{1}, StepId{0}, office.alice, 1000, "run:r"}, "", run_id("r"))
              .message() ==
          "run r was not pushed within 1 s; an earlier run r was completed by alice at "
          "1970-01-12T13:46:40Z");
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "b"))).ok());
    CHECK(given(office.ask(office.alice, "run:r,A", 1000)) == "A=b\n");
}

TEST_CASE("EndedRuns: forgets the oldest beyond its limit") {
    EndedRuns runs;
    const auto ended = [](std::size_t i) {
        return vault::RunHead{run_id("r" + std::to_string(i)), Uid{1}, 1, {}, {}};
    };
    for (std::size_t i = 0; i <= EndedRuns::kMostEndedRuns; ++i) {
        runs.add(ended(i), vault::Time(std::chrono::seconds(i)), "expired");
    }
    CHECK(runs.find(run_id("r0")) == nullptr);
    CHECK(runs.find(run_id("r1")) != nullptr);
    runs.remove_before(vault::Time(std::chrono::seconds(2)));
    CHECK(runs.find(run_id("r1")) == nullptr);
    CHECK(runs.find(run_id("r2")) != nullptr);
}

TEST_CASE("GrantService: grants an awaited run once it is pushed and only to its owner") {
    Office office;
    REQUIRE(kind_of(office.ask(office.alice, "run:r,A", 1000)) == "wait for r");
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    CHECK(given(office.ask(office.alice, "run:r,A", 1000)) == "A=a\n");
    CHECK(kind_of(office.ask(office.bob, "run:r,A", 1000)) == "forbidden");
}

TEST_CASE("GrantService: treats an expired run as absent") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a")), "10s").ok());
    office.time += std::chrono::seconds(10);
    CHECK(kind_of(office.ask(office.alice, "run:r", 1000)) == "not found");
    CHECK_FALSE(office.services.grants.check(office.alice, "run:r").value().ok);
    CHECK(office.vault.inventory().runs == 0);
}

TEST_CASE("GrantService: grants an optional item or run that exists like any other") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(user_secret("A", "own"), workspace_secret("A", "team"),
                              workspace_secret("B-C", "b")))
                .ok());
    CHECK(given(office.ask(office.alice, "run:r?,A?,X?")) == "A=own\n");
    CHECK(given(office.ask(office.alice, "run:r?")) == "A=own\nB_C=b\n");
    CHECK(given(office.ask(office.alice, "run:r,B-C,A=OTHER")) == "B_C=b\nOTHER=own\n");
}

TEST_CASE("GrantService: denies a value with NUL as a variable wherever the spec requests it") {
    Office office;
    REQUIRE(
        office
            .push(office.alice, "r", {},
                  list_of(user_secret("A", "a"), user_secret("NUL", std::string_view("x\0", 2))))
            .ok());
    const std::string why =
        "secret NUL contains a NUL byte, which a variable cannot hold; request it as a file "
        "(NUL:file)";
    CHECK(refusal_of(office.ask(office.alice, "run:r")) == why);
    CHECK(refusal_of(office.ask(office.alice, "run:r,NUL?")) == why);
    CHECK(refusal_of(office.ask(office.alice, "run:r,NUL,NUL:file")) == why);
    CHECK(given(office.ask(office.alice, "run:r,A")) == "A=a\n");
}

TEST_CASE("GrantService: delivers a file under its secret name beside a variable of that secret") {
    Office office;
    REQUIRE(
        office
            .push(office.alice, "r", {},
                  list_of(user_secret("a-b", "x"), user_secret("NUL", std::string_view("x\0", 2))))
            .ok());
    const std::string expected(
        "NUL_FILE=file NUL x\0\n"
        "a_b=x\n"
        "a_b_FILE=file a-b x\n"
        "C_FILE=file a-b x\n",
        65);
    CHECK(given(office.ask(office.alice, "run:r,NUL:file,a-b,a-b:file,a-b=C:file,N:file?")) ==
          expected);
    CHECK(refusal_of(office.ask(office.alice, "run:r,X:file")) ==
          "secret X is not among the secrets of run r");
}

TEST_CASE("GrantService: gives a step nothing of a held secret, and holds it for the job") {
    Office office;
    REQUIRE(
        office.push(office.alice, "r", {}, list_of(user_secret("A", "a"), user_secret("B", "b")))
            .ok());
    CHECK(given(office.ask(office.alice, "run:r,A:hold")) == "");
    REQUIRE(office.vault.find_hold(JobId{1}) != nullptr);
    CHECK(office.vault.find_hold(JobId{1})->grants.front().ask == "run:r,A:hold");
    CHECK(given(office.ask(office.alice, "run:r,A:hold,B")) == "B=b\n");
    CHECK(refusal_of(office.ask(office.alice, "run:r,C:hold")).starts_with("secret C is not"));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "run:r,C:hold?")));
}

TEST_CASE("GrantService: enforces the exact limit of file bytes apart from variables") {
    constexpr int kFull = kMaxFilesBytes / kMaxValueBytes;
    Config config = Office::large();
    config.limits.run_bytes = 2 * kMaxFilesBytes;
    Office office(config);
    std::vector<vault::NewSecret> secrets;
    std::string ask = "run:r";
    for (int i = 0; i < kFull; ++i) {
        const std::string name = "F" + std::to_string(i);
        secrets.push_back(user_secret(name, std::string(kMaxValueBytes, 'f')));
        ask += "," + name + ":file";
    }
    secrets.push_back(user_secret("ONE", "1"));
    REQUIRE(refusal_of(office.push(office.alice, "r", {}, std::move(secrets))) == "(granted)");
    CHECK(kind_of(office.ask(office.alice, ask + ",F0")) == "granted");
    CHECK(refusal_of(office.ask(office.alice, ask + ",ONE:file")) ==
          "the secrets requested as files or with ':hold' have 2097153 bytes in total; the limit "
          "is 2097152; request "
          "only those that the step needs");
    CHECK(kind_of(office.ask(office.alice, ask + ",ONE:file")) == "too large");
}

TEST_CASE("GrantService: enforces the exact limit of variable bytes") {
    // Of each variable a letter, '=' and NUL beside the value: 24 bytes of the eight together.
    const std::size_t last = kMaxVariablesBytes - 24 - 7 * kMaxValueBytes;
    Office office(Office::large());
    const auto push = [&](std::size_t last_bytes) {
        std::vector<vault::NewSecret> secrets;
        for (const char* name : {"A", "B", "C", "D", "E", "F", "G"}) {
            secrets.push_back(user_secret(name, std::string(kMaxValueBytes, *name)));
        }
        secrets.push_back(user_secret("H", std::string(last_bytes, 'h')));
        REQUIRE(refusal_of(office.push(office.alice, "r", {}, std::move(secrets))) == "(granted)");
    };
    push(last + 1);
    CHECK(refusal_of(office.ask(office.alice, "run:r")) ==
          "the requested secrets take 524289 bytes as variables; the limit is 524288; name only "
          "those that the step needs with --secret, or request large ones as files (NAME:file)");
    CHECK(kind_of(office.ask(office.alice, "run:r")) == "too large");
    CHECK(office.vault.inventory().holds == 0);
    CHECK(kind_of(office.ask(office.alice, "run:r,A,H")) == "granted");
    push(last);
    const std::string all = given(office.ask(office.alice, "run:r"));
    CHECK(all.size() == kMaxVariablesBytes);
    CHECK(all.substr(0, 3) == "A=A");
}

TEST_CASE("GrantService: lets a job at its limit repeat earlier specs and limits no other job") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    const auto ask = [](int n) { return "run:r,A=V" + std::to_string(n); };
    for (int n = 0; n < 256; ++n) REQUIRE(kind_of(office.ask(office.alice, ask(n))) == "granted");
    const std::string full = office.state();
    CHECK(refusal_of(office.ask(office.alice, ask(256))) ==
          "this job has requested 256 different secret specs on this node, which is the limit");
    CHECK(kind_of(office.ask(office.alice, ask(256))) == "too many");
    CHECK(kind_of(office.ask(office.alice, ask(0))) == "granted");
    CHECK(kind_of(office.ask(office.alice, ask(255))) == "granted");
    CHECK(office.state() == full);
    CHECK(kind_of(office.ask(office.alice, ask(256), 0, JobId{2})) == "granted");
}

TEST_CASE("GrantService: denies a request when no memory is left for its hold") {
    constexpr std::size_t kMiB = 1024UL * 1024;
    Office office(Office::large(), kMiB);
    // Fills the slab until less is left than a hold takes.
    const std::size_t room = kMiB - 4 * vault::Slab::kOverhead;
    std::vector<vault::NewSecret> secrets;
    for (int n = 0; n < 15; ++n) {
        secrets.push_back(user_secret("S" + std::to_string(n), std::string(kMaxValueBytes, 'v')));
    }
    secrets.push_back(user_secret("LAST", ""));
    const vault::RunHead head{run_id("r"), office.alice, 1, office.time, office.time};
    const std::size_t used = vault::run_payload_size(head, secrets);
    secrets.back() = user_secret("LAST", std::string(room - used, 'v'));
    REQUIRE(refusal_of(office.push(office.alice, "r", {}, std::move(secrets))) == "(granted)");

    const std::string before = office.state();
    const auto answer = office.ask(office.alice, "run:r,S1");
    CHECK(kind_of(answer) == "unavailable");
    CHECK(refusal_of(answer).starts_with("the agent's memory for secrets is full"));
    CHECK(office.state() == before);
}

TEST_CASE("GrantService: keeps the holds of two jobs on one run until each job ends") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    office.ask(office.alice, "run:r", 0, JobId{7});
    office.time += std::chrono::seconds(5);
    office.ask(office.alice, "run:r,A", 0, JobId{3});
    office.ask(office.alice, "run:r", 0, JobId{7});
    const auto holders = office.info("r").holders;
    REQUIRE(holders.size() == 2);
    CHECK(holders[0].job == JobId{3});
    CHECK(holders[0].since == at(1'000'005));
    CHECK(holders[1].job == JobId{7});
    CHECK(holders[1].since == at(1'000'000));

    CHECK(office.services.grants.wipe(JobId{7}) == "job 7 ended: its hold with 1 grant was wiped");
    CHECK(office.services.grants.wipe(JobId{7}) == "job 7 held nothing");
    REQUIRE(office.info("r").holders.size() == 1);
    CHECK(office.info("r").holders[0].job == JobId{3});
    CHECK(kind_of(office.ask(office.alice, "run:r", 0, JobId{7})) == "granted");
}

TEST_CASE("GrantService: records in a hold the run generation that each spec was granted") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "one"))).ok());
    office.ask(office.alice, "run:r");
    office.ask(office.alice, "run:r,A");
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "two"))).ok());
    CHECK(given(office.ask(office.alice, "run:r")) == "A=two\n");
    const vault::Hold* hold = office.vault.find_hold(JobId{1});
    REQUIRE(hold != nullptr);
    REQUIRE(hold->grants.size() == 2);
    CHECK(hold->grants[0].ask == "run:r");
    CHECK(hold->grants[0].generation == 2);
    CHECK(hold->grants[1].ask == "run:r,A");
    CHECK(hold->grants[1].generation == 1);
}

TEST_CASE("GrantService: denies a completed run to the next step and keeps the hold") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    const auto before = office.ask(office.alice, "run:r");
    const auto wiped = office.services.runs.complete_run(office.alice, run_id("r"));
    CHECK(wiped.value().records == 1);
    CHECK(given(before) == "A=a\n");  // what a step was handed it keeps
    CHECK(kind_of(office.ask(office.alice, "run:r")) == "not found");
    CHECK(office.vault.inventory().holds == 1);
    CHECK(office.services.grants.wipe(JobId{1}) == "job 1 ended: its hold with 1 grant was wiped");
}

TEST_CASE("ExpiryQueue: expires runs in order and returns the next expiry") {
    Office office;
    CHECK(office.services.expiry.expire() == std::nullopt);
    REQUIRE(office.push(office.alice, "a", {}, {}, "20s").ok());
    REQUIRE(office.push(office.alice, "b", {}, {}, "10s").ok());
    REQUIRE(office.push(office.bob, "c", {}, {}, "10s").ok());
    CHECK(office.services.expiry.expire() == at(1'000'010));
    office.time = at(1'000'010);
    CHECK(office.services.expiry.expire() == at(1'000'020));
    CHECK(office.vault.find_run(run_id("a")) != nullptr);
    CHECK(office.vault.inventory().runs == 1);
    office.time = at(2'000'000);
    CHECK(office.services.expiry.expire() == std::nullopt);
    CHECK(office.vault.inventory().runs == 0);
}

TEST_CASE("GrantService: reports each item of a check to callers who may read the run") {
    Office office;
    REQUIRE(office
                .push(office.alice, "r", {},
                      list_of(user_secret("A", "aaa"), workspace_secret("B-C", "b"),
                              user_secret("NUL", std::string_view("\0", 1))))
                .ok());
    const auto check = [&](Uid uid, const char* ask) {
        return office.services.grants.check(uid, ask).value();
    };
    for (const Uid uid : {kRoot, office.alice, office.tower}) {
        const SpecCheck info = check(uid, "A=X?,run:r,B-C,D,E?,NUL?");
        CHECK_FALSE(info.ok);
        CHECK(info.reason.empty());
        CHECK(info.ask == "run:r,A=X?,B-C,D,E?,NUL?");
        REQUIRE(info.items.size() == 5);
        CHECK(info.items[0].item == SpecItem{"A", "X", true});
        CHECK(info.items[0].found);
        CHECK(info.items[0].bytes == 3);
        CHECK(info.items[0].source == Source::run);
        CHECK(info.items[1].item.variable == "B_C");
        CHECK(info.items[1].source == Source::run);
        CHECK_FALSE(info.items[2].found);
        CHECK(info.items[2].reason == "secret D is not among the secrets of run r");
        CHECK_FALSE(info.items[3].found);
        CHECK(info.items[4].reason ==
              "secret NUL contains a NUL byte, which a variable cannot hold; request it as a file "
              "(NUL:file)");
    }
    CHECK(check(office.alice, "run:r,A,E?").ok);
    CHECK_FALSE(check(office.alice, "run:r,NUL?").ok);
    CHECK(check(office.alice, "none").ok);
    CHECK(check(office.bob, "run:r").reason == "run r belongs to another user, not to bob");
    CHECK(check(office.bob, "run:x").reason.starts_with("run x is not known"));
    CHECK(check(office.bob, "run:r?").ok);
    const auto malformed = office.services.grants.check(office.alice, "A,,B");
    REQUIRE(!status_of(malformed).ok());
    CHECK(status_of(malformed).code() == StatusCode::invalid_argument);
    CHECK(refusal_of(malformed) ==
          "the secret spec at character 3: an item is missing before or after a comma");
    CHECK(office.vault.inventory().holds == 0);
}

TEST_CASE("GrantService: refuses at submission what the user's own run lacks, and nothing else") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    const auto refusal = [&](Uid user, const std::string& spec) {
        return office.services.grants.check_submission(user, spec).message();
    };
    CHECK(refusal(office.alice, "run:r,A").empty());
    CHECK(refusal(office.alice, "run:r,A,NOPE") == "secret NOPE is not among the secrets of run r");
    CHECK(refusal(office.alice, "run:r?,NOPE") == "secret NOPE is not among the secrets of run r");
    CHECK(refusal(office.alice, "run:r,NOPE?").empty());
    CHECK(refusal(office.bob, "run:r,NOPE").empty());
    CHECK(refusal(office.alice, "run:later,NOPE").empty());
    REQUIRE(office.services.runs.complete_run(office.alice, run_id("r"), {}).ok());
    CHECK(refusal(office.alice, "run:r,NOPE").empty());
}

TEST_CASE("Status report: counts runs and holds and slabs") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    office.ask(office.alice, "run:r");
    office.time += std::chrono::seconds(90);
    const StatusInfo status = office.services.status.status(kRoot);
    CHECK(status.uptime == std::chrono::seconds(90));
    CHECK(status.memory == office.vault.memory());
    CHECK(status.inventory.runs == 1);
    CHECK(status.inventory.holds == 1);
    CHECK(status.inventory.slabs == 1);
}

}  // namespace
}  // namespace secrets::service
