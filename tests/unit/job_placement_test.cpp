// SPDX-License-Identifier: Apache-2.0
// Promise: a placement that slurm-secrets-view remembers is answered at once, whatever other
// placements wait for; and the journal says when placements cannot be checked, and since when they
// can.

#include "agentd/slurm/job_placement.h"

#include <atomic>

#include "agentd/audit/audit_log.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/office.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

using slurm_query::PlacementsRequest;
using slurm_query::Verdict;
using slurm_query::Verdicts;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// slurm-secrets-view, which remembers job 7 and the node's address only.
class View {
  public:
    std::atomic<bool> hangs{false};
    std::atomic<Verdict> looked_up{Verdict::runs_there};
    std::atomic<int> lookups{0};
    std::atomic<int> recalls{0};
    std::string path() const { return server_.path(); }

  private:
    slurm_query::Reply answer(const slurm_query::Request& request) {
        const auto& asked = std::get<PlacementsRequest>(request);
        ++(asked.may_look_up ? lookups : recalls);
        while (asked.may_look_up && hangs) std::this_thread::sleep_for(milliseconds(1));
        Verdicts answer{{}, asked.may_look_up ? "slurmctld is away" : ""};
        for (const slurm_query::Placement& place : asked.places) {
            const bool is_known = place.job == JobId{7};
            const bool is_node = place.job == slurm_query::kNoJob;
            answer.verdicts.push_back(is_node             ? Verdict::is_node
                                      : is_known          ? Verdict::runs_there
                                      : asked.may_look_up ? looked_up.load()
                                                          : Verdict::unknown);
        }
        return answer;
    }

    ViewServer server_{[this](const auto& request) { return answer(request); }};
};

struct Fixture : EventLoop {
    Fixture() { service::keep_the_log_quiet(); }
    ~Fixture() {
        view.hangs = false;
        supervisor.stop();
        placement.stop();
        turn(milliseconds(20));
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::shared_ptr<std::optional<PlacementAnswer>> ask(std::uint32_t job,
                                                        JobPlacement::Clock::duration patience) {
        slurm_query::Placement place{JobId{job}, Uid{1001}, "n1", "10.0.0.1"};
        return start(placement.ask(std::move(place), JobPlacement::Clock::now() + patience));
    }
    PlacementAnswer answer_to(std::uint32_t job, JobPlacement::Clock::duration patience) {
        const auto answer = ask(job, patience);
        REQUIRE(turns_until([&] { return answer->has_value(); }));
        return **answer;
    }

    View view;
    Supervisor supervisor{io, [](const auto&, const auto&, auto) {}};
    JobPlacement placement{io, supervisor, view.path()};
};

TEST_CASE("JobPlacement: answers from memory while a lookup hangs", "[job_placement]") {
    Fixture fixture;
    fixture.view.hangs = true;
    const auto hung = fixture.ask(8, seconds(30));
    REQUIRE(fixture.turns_until([&] { return fixture.view.lookups == 1; }));
    CHECK(fixture.answer_to(7, seconds(30)).verdict == Verdict::runs_there);
    CHECK_FALSE(hung->has_value());
    fixture.view.hangs = false;
    REQUIRE(fixture.turns_until([&] { return hung->has_value(); }));
    CHECK((*hung)->verdict == Verdict::runs_there);
    CHECK(fixture.view.lookups == 1);
}

TEST_CASE("JobPlacement: logs the begin and the end of an outage once", "[job_placement]") {
    Fixture fixture;
    const auto troubles = audit::count_of(audit::Kind::trouble);
    const auto ends = audit::count_of(audit::Kind::mended);
    fixture.view.looked_up = Verdict::unknown;
    for (std::uint32_t job : {8U, 9U, 10U}) {
        const PlacementAnswer answer = fixture.answer_to(job, milliseconds(500));
        CHECK(answer.verdict == Verdict::unknown);
        CHECK(answer.why == "slurmctld is away");
    }
    CHECK(audit::count_of(audit::Kind::trouble) == troubles + 1);
    fixture.view.looked_up = Verdict::does_not_run;
    CHECK(fixture.answer_to(8, seconds(5)).verdict == Verdict::does_not_run);
    CHECK(audit::count_of(audit::Kind::mended) == ends);  // may be but a pause of the outage
    fixture.pass(seconds(31));
    CHECK(fixture.answer_to(8, seconds(5)).verdict == Verdict::does_not_run);
    CHECK(fixture.answer_to(8, seconds(5)).verdict == Verdict::does_not_run);
    CHECK(audit::count_of(audit::Kind::mended) == ends + 1);
    CHECK(audit::count_of(audit::Kind::trouble) == troubles + 1);
}

TEST_CASE("JobPlacement: takes a request that had no time for an answer for no outage",
          "[job_placement]") {
    Fixture fixture;
    const auto troubles = audit::count_of(audit::Kind::trouble);
    CHECK(fixture.answer_to(8, milliseconds(0)).why == "slurm-secrets-view has not answered yet");
    REQUIRE(
        fixture.turns_until([&] { return fixture.view.lookups > 0 || fixture.view.recalls > 0; }));
    CHECK(fixture.answer_to(8, seconds(5)).verdict == Verdict::runs_there);
    CHECK(audit::count_of(audit::Kind::trouble) == troubles);
}

TEST_CASE("JobPlacement: gives each request the reason of its own lookup", "[job_placement]") {
    Fixture fixture;
    fixture.view.looked_up = Verdict::unknown;
    CHECK(fixture.answer_to(8, milliseconds(500)).why == "slurmctld is away");
    fixture.view.hangs = true;
    const int lookups = fixture.view.lookups;
    CHECK(fixture.answer_to(9, milliseconds(500)).why == "slurm-secrets-view has not answered yet");
    CHECK(fixture.view.lookups == lookups + 1);
}

TEST_CASE("JobPlacement: logs an outage by a lookup that outlasts its requests",
          "[job_placement]") {
    Fixture fixture;
    const auto troubles = audit::count_of(audit::Kind::trouble);
    fixture.view.looked_up = Verdict::unknown;
    fixture.view.hangs = true;
    const auto gone = fixture.ask(8, milliseconds(500));
    REQUIRE(fixture.turns_until([&] { return gone->has_value(); }));
    CHECK(audit::count_of(audit::Kind::trouble) == troubles);
    fixture.view.hangs = false;
    CHECK(fixture.turns_until([&] { return audit::count_of(audit::Kind::trouble) > troubles; }));
}

TEST_CASE("JobPlacement: logs the end of an outage by what is remembered of jobs",
          "[job_placement]") {
    Fixture fixture;
    const auto ends = audit::count_of(audit::Kind::mended);
    fixture.view.looked_up = Verdict::unknown;
    CHECK(fixture.answer_to(8, milliseconds(500)).why == "slurmctld is away");
    fixture.pass(seconds(31));
    // Addresses of nodes may be older than the outage.
    CHECK(fixture.answer_to(0, seconds(5)).verdict == Verdict::is_node);
    CHECK(audit::count_of(audit::Kind::mended) == ends);
    CHECK(fixture.answer_to(7, seconds(5)).verdict == Verdict::runs_there);
    CHECK(audit::count_of(audit::Kind::mended) == ends + 1);
}

}  // namespace
}  // namespace secrets::slurm
