// SPDX-License-Identifier: Apache-2.0
// Promise: a random secret is made for one job, is the same for all its steps and nodes, is nobody
// else's, and ends with the job.

#include "agentd/service/job_randoms.h"

#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"

namespace secrets::service {
namespace {

/// Returns the value after `name` in a text of given(); it has to be hexadecimal.
std::string digits_of(const std::string& text, const std::string& name, std::size_t count) {
    CAPTURE(text);
    const auto begin = text.find(name);
    REQUIRE(begin != text.npos);
    const std::string line =
        text.substr(begin + name.size(), text.find('\n', begin) - begin - name.size());
    CHECK(line.size() == count);
    CHECK(line.find_first_not_of("0123456789abcdef") == line.npos);
    return line;
}

TEST_CASE("Random secret: is the same for all steps of a job, and another for each job") {
    Office office;
    const auto value = [&](const std::string& spec, JobId job = JobId{7}) {
        return digits_of(given(office.ask(office.alice, spec, 0, job)), "R=", 64);
    };
    const std::string first = value("R:random");
    CHECK(value("R:random") == first);
    CHECK(value("R:random,S:random") == first);
    CHECK(value("R:random", JobId{8}) != first);
    CHECK(digits_of(given(office.ask(office.alice, "S:random", 0, JobId{7})), "S=", 64) != first);
    const std::string file = given(office.ask(office.alice, "R:random:file", 0, JobId{7}));
    CHECK(file == "R_FILE=file R " + first + "\n");
    CHECK(given(office.ask(office.alice, "R:random:hold", 0, JobId{7})).empty());
}

TEST_CASE("Random secret: has as many bytes as requested, and a name may have several lengths") {
    Office office;
    const auto text = given(office.ask(office.alice, "R:random=16,X:random=1024", 0, JobId{7}));
    const std::string small = digits_of(text, "R=", 32);
    digits_of(text, "X=", 2048);
    CHECK(given(office.ask(office.alice, "R=Y:random", 0, JobId{7})).find(small) ==
          std::string::npos);
    CHECK(digits_of(given(office.ask(office.alice, "R:random=16", 0, JobId{7})), "R=", 32) ==
          small);
}

TEST_CASE("Random secret: ends with the job's hold") {
    Office office;
    const std::string first = given(office.ask(office.alice, "R:random", 0, JobId{7}));
    CHECK(office.vault.inventory().secret_bytes > 64);
    office.services.grants.wipe(JobId{7});
    CHECK(office.vault.inventory().secret_bytes == 0);
    CHECK(given(office.ask(office.alice, "R:random", 0, JobId{7})) != first);
}

TEST_CASE("Random secret: outlives the process with the job's hold") {
    vault::Shelf shelf;
    std::string first;
    {
        vault::Vault vault(best_memory_kind(), 64UL * 1024 * 1024, &shelf);
        JobRandoms randoms(vault);
        REQUIRE(vault.hold(JobId{7}, Uid{1001}, {"R:random", "", 0}, at(1000)).ok());
        std::vector<ItemAnswer> answers(1);
        answers[0].item = {"R", "R", false, ItemForm::env, 32};
        answers[0].source = Source::random;
        answers[0].found = true;
        answers[0].bytes = 64;
        const auto made = randoms.values_for(JobId{7}, answers);
        REQUIRE((made.ok() && made->has_new));
        first = text_of(answers[0].value.bytes());
        REQUIRE(randoms.keep(JobId{7}, Uid{1001}, *made).ok());
    }
    vault::Vault vault(best_memory_kind(), 64UL * 1024 * 1024, &shelf);
    CHECK(vault.restore(shelf.hand_out()).cached_grants == 1);
    std::vector<ItemAnswer> answers(1);
    answers[0].item = {"R", "R", false, ItemForm::env, 32};
    answers[0].source = Source::random;
    answers[0].found = true;
    answers[0].bytes = 64;
    const auto made = JobRandoms(vault).values_for(JobId{7}, answers);
    REQUIRE((made.ok() && !made->has_new));
    CHECK(text_of(answers[0].value.bytes()) == first);
}

/// Returns a hub's answer to a node as a text of given(), and keeps its tag.
std::string at_hub(Office& hub, const std::string& node, std::string spec, std::string& tag,
                   std::uint32_t job = 7) {
    const plugin_protocol::GrantRequest request{JobId{job}, StepId{0}, hub.alice, 0,
                                                std::move(spec)};
    const auto answer = hub.services.node_grants.grant_to_node(request, node, tag);
    if (std::holds_alternative<Unchanged>(answer)) return "(unchanged)";
    const auto* granted = std::get_if<NodeGranted>(&answer);
    if (granted == nullptr) return refusal_of(answer);
    tag = granted->tag;
    return text_of_delivery(granted->image.view().bytes());
}

TEST_CASE("Random secret: a hub makes it once for all nodes, until the job has ended") {
    Office hub;
    std::string tag;
    std::string other_tag;
    const std::string first = at_hub(hub, "n1", "R:random", tag);
    CHECK(at_hub(hub, "n2", "R:random", other_tag) == first);
    CHECK(tag == other_tag);
    CHECK(at_hub(hub, "n1", "R:random", tag) == "(unchanged)");
    std::string of_hold;
    CHECK(at_hub(hub, "n2", "R:random:hold", of_hold) == "R=held R " + first.substr(2));
    CHECK(hub.services.grants.begin_reaping(std::chrono::seconds(0)) == std::vector{JobId{7}});
    CHECK(hub.services.grants.reap(JobId{7}));
    CHECK(hub.vault.inventory().secret_bytes == 0);
    other_tag.clear();
    CHECK(at_hub(hub, "n2", "R:random", other_tag) != first);
}

TEST_CASE("Random secret: a hub that lost it takes it back from no node") {
    Office hub;
    std::string tag;
    at_hub(hub, "n1", "R:random", tag);
    Office restarted;
    CHECK(at_hub(restarted, "n1", "R:random", tag) == "(unchanged)");
    CHECK(restarted.vault.inventory().secret_bytes == 0);
    const std::string node = "n1";
    const std::string address = "10.0.0.9";
    const std::vector<vault::CachedGrant> held{{JobId{7}, hub.alice, "R:random", "", tag}};
    ReportProgress progress;
    CHECK(
        restarted.services.node_grants.process_report({node, address, held, true, true}, progress));
    CHECK(progress.revoked.empty());
}

TEST_CASE("Random secret: a hub that lost it makes no other for the job's other nodes") {
    Office hub;
    std::string tag;
    at_hub(hub, "n1", "R:random", tag);
    Office restarted;
    const std::string node = "n1";
    const std::string address = "10.0.0.9";
    const std::vector<vault::CachedGrant> held{{JobId{7}, hub.alice, "R:random", "", tag}};
    const auto report = [&](const std::vector<vault::CachedGrant>& grants) {
        ReportProgress progress;
        restarted.services.node_grants.process_report({node, address, grants, true, true},
                                                      progress);
        return progress.revoked.size();
    };
    CHECK(report(held) == 0);
    std::string none;
    CHECK(at_hub(restarted, "n2", "R:random", none).starts_with("this hub has lost the values"));
    CHECK(at_hub(restarted, "n2", "S:random", none).starts_with("this hub has lost the values"));
    CHECK(at_hub(restarted, "n2", "R:random", none, 8).starts_with("R="));
    CHECK(report({}) == 0);  // the job has ended on n1: it was requeued
    none.clear();
    CHECK(at_hub(restarted, "n2", "R:random", none).starts_with("R="));
}

TEST_CASE(
    "Random secret: a node's values of a lost memory stay beside those that were made since") {
    Office hub;
    std::string tag;
    at_hub(hub, "n1", "R:random", tag);
    Office restarted;
    std::string none;
    CHECK(at_hub(restarted, "n2", "R:random", none).starts_with("R="));
    CHECK(at_hub(restarted, "n1", "R:random", tag) == "(unchanged)");
    CHECK(at_hub(restarted, "n3", "S:random", tag = "").starts_with("this hub has lost"));
}

TEST_CASE("Random secret: what else the spec requests is denied although the value is lost") {
    Office hub;
    REQUIRE(hub.push(hub.alice, "r", {}, list_of(user_secret("TOK", "t"))).ok());
    std::string tag;
    CHECK(at_hub(hub, "n1", "run:r,R:random,TOK", tag).find("TOK=t") != std::string::npos);
    hub.vault.wipe_cached_grant(JobId{7}, ":random");
    REQUIRE(hub.services.runs.complete_run(hub.alice, run_id("r")).ok());
    CHECK(at_hub(hub, "n1", "run:r,R:random,TOK", tag).starts_with("run r was completed"));
}

TEST_CASE("Random secret: a process gets no new value from a hub that lost it") {
    Office hub;
    const plugin_protocol::GrantRequest process{JobId{7}, kNoStep, hub.alice, 0, "R:random"};
    const auto answer = hub.services.node_grants.grant_to_node(process, "n1", "");
    CHECK(refusal_of(answer).starts_with("this hub has lost the values"));
    CHECK(hub.vault.inventory().secret_bytes == 0);
}

TEST_CASE("Random secret: a job has at most 256, and a hub keeps those of a running job") {
    Office hub;
    std::string tag;
    std::string names;
    for (int i = 0; i < 256; ++i) names += (i == 0 ? "N" : ",N") + std::to_string(i) + ":random=16";
    CHECK(at_hub(hub, "n1", names, tag).size() > 256UL * 32);
    std::string other;
    CHECK(at_hub(hub, "n1", "MORE:random", other)
              .starts_with("cannot make another random secret: job 7 has 256 of them"));
    CHECK(at_hub(hub, "n1", "N3:random=16", other).starts_with("N3="));
    hub.services.grants.begin_reaping(std::chrono::seconds(0));
    CHECK(at_hub(hub, "n2", "N3:random=16", other) == "(unchanged)");
    CHECK_FALSE(hub.services.grants.reap(JobId{7}));
}

TEST_CASE("Random secret: hubs that share OpenBao refuse to make it") {
    Office hub;
    hub.services.context.shares_runs = true;
    std::string tag;
    CHECK(at_hub(hub, "n1", "R:random", tag).starts_with("cannot make the random secret R: hubs"));
    CHECK(at_hub(hub, "n1", "R:random?", tag) == "(granted)");
}

TEST_CASE("Random secret: passes a check without being made") {
    Office office;
    const auto check = office.services.grants.check(office.alice, "R:random=16");
    REQUIRE(check.ok());
    CHECK(check->ok);
    CHECK((check->items.front().source == Source::random && check->items.front().bytes == 32));
    CHECK(office.vault.inventory().secret_bytes == 0);
}

}  // namespace
}  // namespace secrets::service
