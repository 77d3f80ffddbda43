// SPDX-License-Identifier: Apache-2.0
// Promise: a node is told that a job runs there only when slurmctld says so, of that owner and at
// that address; that it is elsewhere only by answers, never by the lack of one; and however many
// nodes ask about a job, slurmctld is asked once.

#include "slurmview/placement_cache.h"

#include <atomic>
#include <future>
#include <map>
#include <thread>

#include "slurmview/placement_queries.h"
#include "tests/unit/catch.h"

namespace secrets::slurmview {
namespace {

using slurm_query::JobState;
using slurm_query::Placement;
using slurm_query::Verdict;
using std::chrono::milliseconds;

/// A cluster as slurmctld would tell of it.
struct Slurm {
    ControllerCalls calls() {
        ControllerCalls made;
        made.ask_about_job = [this](JobId job) -> StatusOr<Told> {
            ++asked_about_jobs;
            if (down) return Status::failed("down");
            const auto found = jobs.find(job);
            return found == jobs.end() ? Told{JobState::ended, ""} : found->second;
        };
        made.nodes.all = [this]() -> StatusOr<NodeAddresses> {
            ++asked_about_nodes;
            if (down) return Status::failed("down");
            return nodes;
        };
        made.nodes.names_in = [](const std::string& list) -> StatusOr<std::vector<std::string>> {
            if (list == "n[1-") return Status::failed("bad list");
            return list == "n[1-2]" ? std::vector<std::string>{"n1", "n2"}
                                    : std::vector<std::string>{list};
        };
        made.nodes.addresses_of =
            [this](const std::string& host) -> StatusOr<std::vector<std::string>> {
            ++resolved;
            if (without_dns) return Status::failed("cannot resolve " + host);
            return hosts[host];
        };
        return made;
    }

    std::map<JobId, Told> jobs{{JobId{7}, {JobState::active, "", true, Uid{1001}, "n[1-2]"}},
                               {JobId{8}, {JobState::active, "", false, Uid{1001}, "n1"}},
                               {JobId{9}, {JobState::unknown, "hidden"}},
                               {JobId{10}, {JobState::forgotten, ""}},
                               {JobId{11}, {JobState::active, "", true, Uid{1001}, "n[1-"}},
                               {JobId{12}, {JobState::active, "", true, Uid{1001}, "n4"}}};
    NodeAddresses nodes{
        {"n1", {"10.0.0.1", "host-of-n1"}}, {"n2", {"host-of-n2"}}, {"n3", {"10.0.0.3"}}};
    std::map<std::string, std::vector<std::string>> hosts{{"10.0.0.1", {"10.0.0.1"}},
                                                          {"host-of-n1", {"10.1.0.1"}},
                                                          {"10.0.0.3", {"10.0.0.3"}},
                                                          {"host-of-n2", {"::2", "10.0.0.2"}}};
    bool down = false;
    bool without_dns = false;
    int asked_about_jobs = 0;
    int asked_about_nodes = 0;
    int resolved = 0;
};

/// The queries of one slurm-secrets-view.
struct Book {
    Book(const ControllerCalls& calls, Bounds bounds)
        : controller("slurmctld", bounds.patience),
          resolver("the name service", bounds.patience),
          queries(calls, bounds, controller, resolver) {}

    /// Returns the verdict, or the reason of an unknown one.
    StatusOr<Verdict> verdict_on(const Placement& place) {
        const auto answer = queries.answer({{place}});
        REQUIRE(answer.verdicts.size() == 1);
        if (answer.verdicts[0] != Verdict::unknown) return answer.verdicts[0];
        return Status::failed(answer.sentence);
    }

    QueryThread controller;
    QueryThread resolver;
    PlacementQueries queries;
};

Placement place(std::uint32_t job, const char* node, const char* address, uid_t owner = 1001) {
    return {JobId{job}, Uid{owner}, node, address};
}

Verdict on(Book& book, const Placement& where) {
    const auto verdict = book.verdict_on(where);
    return verdict ? *verdict : Verdict::unknown;
}

TEST_CASE("PlacementCache: confirms a placement only when every part of it matches",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    CHECK(on(book, place(7, "n2", "::2")) == Verdict::runs_there);
    CHECK(on(book, place(7, "n1", "10.1.0.1")) == Verdict::runs_there);
    CHECK(on(book, place(7, "n2", "10.1.0.1")) == Verdict::other_address);
    CHECK(on(book, place(7, "n1", "10.0.0.2")) == Verdict::other_address);
    CHECK(on(book, place(7, "n1", "")) == Verdict::other_address);
    CHECK(on(book, place(7, "n3", "10.0.0.3")) == Verdict::other_node);
    CHECK(on(book, place(7, "", "10.0.0.1")) == Verdict::other_node);
    CHECK(on(book, place(7, "n1", "10.0.0.1", 0)) == Verdict::other_owner);
    CHECK(on(book, place(8, "n1", "10.0.0.1")) == Verdict::does_not_run);  // its epilogs run
    CHECK(on(book, place(6, "n1", "10.0.0.1")) == Verdict::does_not_run);
    const auto hidden = book.verdict_on(place(9, "n1", "10.0.0.1"));
    REQUIRE_FALSE(hidden.ok());
    CHECK(hidden.status().message() == "hidden");
}

TEST_CASE("PlacementCache: confirms the address of a node without a job", "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {});
    CHECK(on(book, place(0, "n1", "10.0.0.1")) == Verdict::is_node);
    CHECK(on(book, place(0, "n2", "::2")) == Verdict::is_node);
    CHECK(on(book, place(0, "n1", "10.0.0.2")) == Verdict::other_address);
    CHECK(on(book, place(0, "n9", "10.0.0.1")) == Verdict::no_node);
    CHECK(on(book, place(0, "", "10.0.0.1")) == Verdict::no_node);
    CHECK(slurm.asked_about_jobs == 0);
    slurm.down = true;
    CHECK(on(book, place(0, "n1", "10.0.0.1")) == Verdict::is_node);
    Book another(slurm.calls(), {});
    CHECK(on(another, place(0, "n1", "10.0.0.1")) == Verdict::unknown);
}

TEST_CASE("PlacementCache: queries slurmctld once for a running job and each time for others",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {.memory = milliseconds(200)});
    for (int i = 0; i < 100; ++i)
        CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    CHECK(slurm.asked_about_jobs == 1);
    CHECK(slurm.asked_about_nodes == 1);
    slurm.jobs.erase(JobId{7});
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    std::this_thread::sleep_for(milliseconds(220));
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::does_not_run);
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::does_not_run);
    CHECK(slurm.asked_about_jobs == 3);
}

TEST_CASE("PlacementCache: accepts the new address of a moved node after a short delay",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {.memory = milliseconds(0), .doubt_of_nodes = milliseconds(50)});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    slurm.nodes["n1"] = {"10.0.0.3"};
    CHECK(on(book, place(7, "n1", "10.0.0.3")) == Verdict::other_address);  // asked just now
    CHECK(slurm.asked_about_nodes == 1);
    std::this_thread::sleep_for(milliseconds(70));
    CHECK(on(book, place(7, "n1", "10.0.0.3")) == Verdict::runs_there);
    CHECK(slurm.asked_about_nodes == 2);
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::other_address);
}

TEST_CASE("PlacementCache: answers only from known placements while slurmctld is unreachable",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    slurm.down = true;
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    const auto other = book.verdict_on(place(8, "n1", "10.0.0.1"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "down");
}

TEST_CASE("PlacementCache: keeps the last good addresses while the name service fails",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {.memory_of_nodes = milliseconds(20),
                              .doubt_of_nodes = milliseconds(0),
                              .memory_of_failures = milliseconds(20)});
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    slurm.without_dns = true;
    std::this_thread::sleep_for(milliseconds(30));  // the list and the addresses are due
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    CHECK(slurm.asked_about_nodes == 2);
    const auto other = book.verdict_on(place(7, "n2", "10.0.0.3"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "cannot resolve host-of-n2");
    CHECK_FALSE(book.verdict_on(place(7, "n1", "10.9.9.9")).ok());
    slurm.without_dns = false;
    std::this_thread::sleep_for(milliseconds(30));
    CHECK(on(book, place(7, "n2", "10.0.0.3")) == Verdict::other_address);
}

TEST_CASE("PlacementCache: takes a host without an address for unknown, not for elsewhere",
          "[place_book]") {
    Slurm slurm;
    slurm.hosts["host-of-n1"] = {};
    Book book(slurm.calls(), {});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);  // by its NodeAddr
    const auto other = book.verdict_on(place(7, "n1", "10.0.0.9"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "cannot resolve host-of-n1: it has no address");
}

TEST_CASE("PlacementCache: remembers a failure to resolve a host for a while", "[place_book]") {
    Slurm slurm;
    slurm.without_dns = true;
    Book book(slurm.calls(), {.memory_of_failures = milliseconds(200)});
    for (int i = 0; i < 20; ++i) CHECK_FALSE(book.verdict_on(place(7, "n2", "10.0.0.2")).ok());
    CHECK(slurm.resolved == 1);
    slurm.without_dns = false;
    std::this_thread::sleep_for(milliseconds(220));
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    CHECK(slurm.resolved == 2);
}

TEST_CASE("PlacementCache: never denies a node that a list of nodes lacks", "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(),
              {.memory_of_nodes = milliseconds(300), .doubt_of_nodes = milliseconds(0)});
    CHECK(on(book, place(12, "n4", "10.0.0.4")) == Verdict::no_node);
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    slurm.nodes.erase("n2");  // slurmctld has just started
    CHECK(on(book, place(7, "n2", "10.0.0.3")) == Verdict::no_node);
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    slurm.nodes.clear();
    const auto other = book.verdict_on(place(7, "n1", "10.9.9.9"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "slurmctld lists no nodes");
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
}

TEST_CASE("PlacementCache: keeps the last list of nodes while slurmctld gives none",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {.memory_of_nodes = milliseconds(0),
                              .doubt_of_nodes = milliseconds(0),
                              .memory_of_failures = milliseconds(0)});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    slurm.down = true;
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    const auto other = book.verdict_on(place(7, "n1", "10.0.0.9"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "down");
}

TEST_CASE("PlacementCache: denies no node by an old list while slurmctld sends no new one",
          "[place_book]") {
    Slurm slurm;
    // Shared: the thread that asks may go on when the test has ended.
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    const auto hangs = std::make_shared<std::atomic<bool>>(false);
    ControllerCalls calls = slurm.calls();
    calls.nodes.all = [=, nodes = slurm.nodes]() -> StatusOr<NodeAddresses> {
        if (*hangs) released->wait();
        return nodes;
    };
    Book book(calls, {.patience = milliseconds(300), .doubt_of_nodes = milliseconds(50)});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    CHECK(on(book, place(7, "n1", "10.0.0.3")) == Verdict::other_address);
    std::this_thread::sleep_for(milliseconds(70));
    *hangs = true;
    const auto late = book.verdict_on(place(7, "n1", "10.0.0.3"));
    REQUIRE_FALSE(late.ok());
    CHECK(late.status().message() == "slurmctld has not answered yet");
    CHECK(on(book, place(0, "n9", "10.0.0.9")) == Verdict::unknown);  // slurmctld is busy
    const auto mixed =
        book.queries.answer({{place(7, "n1", "10.0.0.1"), place(7, "n1", "10.0.0.3")}});
    CHECK(mixed.verdicts == std::vector{Verdict::runs_there, Verdict::unknown});
    release->set_value();
}

TEST_CASE("PlacementCache: answers within the time of a query, however many lookups it needs",
          "[place_book]") {
    Slurm slurm;
    ControllerCalls calls = slurm.calls();
    const auto slowly = [](auto call) {
        return [call](const auto&... arguments) {
            std::this_thread::sleep_for(milliseconds(300));
            return call(arguments...);
        };
    };
    calls.ask_about_job = [told = slurm.jobs.at(JobId{7})](JobId) -> StatusOr<Told> {
        return told;
    };
    calls.nodes.all = [nodes = slurm.nodes]() -> StatusOr<NodeAddresses> { return nodes; };
    calls.nodes.addresses_of = [](const std::string&) -> StatusOr<std::vector<std::string>> {
        return std::vector<std::string>{"10.0.0.2"};
    };
    calls.ask_about_job = slowly(calls.ask_about_job);
    calls.nodes.all = slowly(calls.nodes.all);
    calls.nodes.addresses_of = slowly(calls.nodes.addresses_of);
    Book book(calls, {.patience = milliseconds(400)});
    const auto begin = std::chrono::steady_clock::now();
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::unknown);
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(800));
}

TEST_CASE("PlacementCache: denies neither a forgotten job nor one whose nodes cannot be read",
          "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {});
    CHECK(on(book, place(10, "n1", "10.0.0.1")) == Verdict::unknown_job);
    const auto unreadable = book.verdict_on(place(11, "n1", "10.0.0.1"));
    REQUIRE_FALSE(unreadable.ok());
    CHECK(unreadable.status().message() == "bad list");
}

TEST_CASE("PlacementCache: recalls verdicts without any lookup", "[place_book]") {
    Slurm slurm;
    Book book(slurm.calls(), {});
    const auto recall = [&](std::vector<Placement> places) {
        return book.queries.answer({std::move(places), false}).verdicts;
    };
    CHECK(recall({place(7, "n1", "10.0.0.1")}) == std::vector{Verdict::unknown});
    CHECK(slurm.asked_about_jobs + slurm.asked_about_nodes + slurm.resolved == 0);
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    const int asked = slurm.asked_about_jobs + slurm.asked_about_nodes + slurm.resolved;
    CHECK(
        recall({place(8, "n1", "10.0.0.1"), place(7, "n1", "10.0.0.1"), place(7, "n3", "10.0.0.1"),
                place(7, "n2", "10.0.0.2")}) ==
        std::vector{Verdict::unknown, Verdict::runs_there, Verdict::other_node, Verdict::unknown});
    CHECK(slurm.asked_about_jobs + slurm.asked_about_nodes + slurm.resolved == asked);
}

TEST_CASE("PlacementCache: a silent name service delays only the nodes it is asked about",
          "[place_book]") {
    Slurm slurm;
    // Shared: the thread that resolves may go on when the test has ended.
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    ControllerCalls calls = slurm.calls();
    calls.nodes.addresses_of = [released, hosts = slurm.hosts](
                                   const std::string& host) -> StatusOr<std::vector<std::string>> {
        if (host == "host-of-n2") released->wait();
        return hosts.at(host);
    };
    Book book(calls, {.patience = milliseconds(300), .patience_for_rest = milliseconds(50)});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    auto begin = std::chrono::steady_clock::now();
    const auto mixed =
        book.queries.answer({{place(7, "n1", "10.0.0.1"), place(7, "n2", "10.0.0.2")}});
    CHECK(mixed.verdicts == std::vector{Verdict::runs_there, Verdict::unknown});
    CHECK(mixed.sentence == "the name service has not answered yet");
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(250));
    begin = std::chrono::steady_clock::now();
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    CHECK(on(book, place(8, "n1", "10.0.0.1")) == Verdict::does_not_run);
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(50));
    const auto hung = book.verdict_on(place(7, "n2", "10.0.0.2"));
    REQUIRE_FALSE(hung.ok());
    CHECK(hung.status().message() == "the name service has not answered earlier queries yet");
    release->set_value();
    for (int i = 0; i < 500 && on(book, place(7, "n2", "10.0.0.2")) == Verdict::unknown; ++i)
        std::this_thread::sleep_for(milliseconds(10));
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
}

}  // namespace
}  // namespace secrets::slurmview
