// SPDX-License-Identifier: Apache-2.0
// Promise: a node is told that a job runs there only when slurmctld says so, of that owner and at
// that address; and however many nodes ask about a job, slurmctld is asked once.

#include "slurmview/placement_cache.h"

#include <map>
#include <thread>

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
        made.nodes.names_in = [](const std::string& list) {
            return list == "n[1-2]" ? std::vector<std::string>{"n1", "n2"}
                                    : std::vector<std::string>{list};
        };
        made.nodes.addresses_of = [this](const std::string& host) { return hosts[host]; };
        return made;
    }

    std::map<JobId, Told> jobs{{JobId{7}, {JobState::active, "", true, Uid{1001}, "n[1-2]"}},
                               {JobId{8}, {JobState::active, "", false, Uid{1001}, "n1"}},
                               {JobId{9}, {JobState::unknown, "hidden"}}};
    NodeAddresses nodes{
        {"n1", {"10.0.0.1", "host-of-n1"}}, {"n2", {"host-of-n2"}}, {"n3", {"10.0.0.3"}}};
    std::map<std::string, std::vector<std::string>> hosts{{"10.0.0.1", {"10.0.0.1"}},
                                                          {"host-of-n1", {"10.1.0.1"}},
                                                          {"10.0.0.3", {"10.0.0.3"}},
                                                          {"host-of-n2", {"::2", "10.0.0.2"}}};
    bool down = false;
    int asked_about_jobs = 0;
    int asked_about_nodes = 0;
};

Placement place(std::uint32_t job, const char* node, const char* address, uid_t owner = 1001) {
    return {JobId{job}, Uid{owner}, node, address};
}

Verdict on(PlacementCache& book, const Placement& where) {
    const auto verdict = book.verdict_on(where);
    return verdict ? *verdict : Verdict::unknown;
}

TEST_CASE("PlacementCache: confirms a placement only when every part of it matches",
          "[place_book]") {
    Slurm slurm;
    PlacementCache book(slurm.calls(), {});
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
    PlacementCache book(slurm.calls(), {});
    CHECK(on(book, place(0, "n1", "10.0.0.1")) == Verdict::is_node);
    CHECK(on(book, place(0, "n2", "::2")) == Verdict::is_node);
    CHECK(on(book, place(0, "n1", "10.0.0.2")) == Verdict::other_address);
    CHECK(on(book, place(0, "n9", "10.0.0.1")) == Verdict::other_address);
    CHECK(on(book, place(0, "", "10.0.0.1")) == Verdict::other_address);
    CHECK(slurm.asked_about_jobs == 0);
    slurm.down = true;
    CHECK(on(book, place(0, "n1", "10.0.0.1")) == Verdict::is_node);
    PlacementCache another(slurm.calls(), {});
    CHECK(on(another, place(0, "n1", "10.0.0.1")) == Verdict::unknown);
}

TEST_CASE("PlacementCache: queries slurmctld once for a running job and each time for others",
          "[place_book]") {
    Slurm slurm;
    PlacementCache book(slurm.calls(), {.memory = milliseconds(200)});
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
    PlacementCache book(slurm.calls(),
                        {.memory = milliseconds(0), .doubt_of_nodes = milliseconds(50)});
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
    PlacementCache book(slurm.calls(), {});
    CHECK(on(book, place(7, "n1", "10.0.0.1")) == Verdict::runs_there);
    slurm.down = true;
    CHECK(on(book, place(7, "n2", "10.0.0.2")) == Verdict::runs_there);
    const auto other = book.verdict_on(place(8, "n1", "10.0.0.1"));
    REQUIRE_FALSE(other.ok());
    CHECK(other.status().message() == "down");
}

}  // namespace
}  // namespace secrets::slurmview
