// SPDX-License-Identifier: Apache-2.0
// Promise: however many processes ask for their jobs, slurm-secrets-view gets few queries at a
// time, and one user's processes delay another's by one query at most.

#include "agentd/slurm/process_lookups.h"

#include <atomic>

#include "tests/unit/event_loop.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// slurm-secrets-view, whose slurmd finds the job of a process when the test lets it.
class View {
  public:
    std::atomic<bool> hangs{true};
    std::atomic<std::uint32_t> released{0};  ///< the process that is answered even so
    std::atomic<std::size_t> open{0};
    std::atomic<std::size_t> most{0};
    std::string path() const { return server_.path(); }

  private:
    slurm_query::Reply answer(const slurm_query::Request& request) {
        const std::uint32_t pid = std::get<slurm_query::ProcessRequest>(request).pid;
        if (++open > most) most = open.load();
        while (hangs && released != pid) std::this_thread::sleep_for(milliseconds(1));
        --open;
        return slurm_query::JobOfProcess{JobId{pid + 1}};
    }

    ViewServer server_{[this](const auto& request) { return answer(request); }};
};

struct Fixture : EventLoop {
    ~Fixture() { view.hangs = false; }
    Fixture() = default;
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    View view;
    ProcessLookups processes{io, view.path(), seconds(60)};
};

TEST_CASE("ProcessLookups: asks nobody about a process that it does not see", "[process_lookups]") {
    Fixture fixture;
    fixture.view.hangs = false;
    const auto job = fixture.start(fixture.processes.job_of({Uid{1001}, 0}));
    REQUIRE(fixture.turns_until([&] { return job->has_value(); }));
    CHECK((*job)->status().code() == StatusCode::unavailable);
    CHECK(fixture.view.most == 0);
}

TEST_CASE("ProcessLookups: keeps few queries open and answers all", "[process_lookups]") {
    Fixture fixture;
    fixture.view.hangs = false;
    std::vector<std::shared_ptr<std::optional<StatusOr<JobId>>>> jobs;
    for (pid_t pid = 1; pid <= 40; ++pid)
        jobs.push_back(fixture.start(fixture.processes.job_of({Uid{1001}, pid})));
    std::uint32_t number = 1;
    for (const auto& job : jobs) {
        REQUIRE(fixture.turns_until([&] { return job->has_value(); }));
        REQUIRE((*job)->ok());
        CHECK(***job == JobId{++number});
    }
    CHECK(fixture.view.most <= ProcessLookups::kMostQueries);
}

TEST_CASE("ProcessLookups: gives the next turn to the user with the fewest queries",
          "[process_lookups]") {
    Fixture fixture;
    std::vector<std::shared_ptr<std::optional<StatusOr<JobId>>>> jobs;
    for (pid_t pid = 1; pid <= 20; ++pid)
        jobs.push_back(fixture.start(fixture.processes.job_of({Uid{1001}, pid})));
    const auto other = fixture.start(fixture.processes.job_of({Uid{1002}, 100}));
    REQUIRE(fixture.turns_until([&] { return fixture.view.open == ProcessLookups::kMostQueries; }));
    fixture.view.released = 1;
    REQUIRE(fixture.turns_until([&] { return jobs[0]->has_value(); }));
    fixture.view.released = 100;
    REQUIRE(fixture.turns_until([&] { return other->has_value(); }));
    CHECK((*other)->ok());
    CHECK_FALSE(jobs[ProcessLookups::kMostQueries]->has_value());
    fixture.pass(seconds(60));
    REQUIRE(fixture.turns_until([&] { return jobs.back()->has_value(); }));
    CHECK((*jobs.back())->status().message() == "too many processes ask for their jobs at a time");
    for (const auto& job : jobs) CHECK(fixture.turns_until([&] { return job->has_value(); }));
}

}  // namespace
}  // namespace secrets::slurm
