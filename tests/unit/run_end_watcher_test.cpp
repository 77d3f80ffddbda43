// SPDX-License-Identifier: Apache-2.0
// Promise: a run goes once, after Slurm said that its job has ended for good; as long as Slurm does
// not say so, it stays.

#include "agentd/slurm/run_end_watcher.h"

#include <map>
#include <mutex>

#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/fake_shared_store.h"
#include "tests/unit/office.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

using slurm_query::JobState;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kInterval{15};
constexpr JobId kHead{12};

/// slurm-secrets-view: each job is of unknown state unless the test has set another.
class View {
  public:
    void set(JobId job, JobState state) {
        const std::lock_guard lock(mutex_);
        states_[job] = state;
    }
    void fail(bool fails) { fails_ = fails; }
    /// Returns the jobs of each query so far.
    std::vector<std::vector<JobId>> asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    /// Returns the owners in the last query.
    std::vector<Uid> owners() const {
        const std::lock_guard lock(mutex_);
        return owners_;
    }
    std::string path() const { return server_.path(); }

  private:
    slurm_query::Reply answer(const slurm_query::Request& request) {
        const std::lock_guard lock(mutex_);
        const auto& question = std::get<slurm_query::JobsRequest>(request);
        if (!question.for_good) return slurm_query::Refused{"not this question"};
        asked_.push_back(question.jobs);
        owners_ = question.owners;
        if (fails_) return slurm_query::Refused{"slurmctld is away"};
        slurm_query::States states;
        for (const JobId job : question.jobs) {
            const auto known = states_.find(job);
            states.states.push_back(known != states_.end() ? known->second : JobState::unknown);
        }
        return states;
    }

    mutable std::mutex mutex_;
    std::map<JobId, JobState> states_;
    std::vector<std::vector<JobId>> asked_;
    std::vector<Uid> owners_;
    std::atomic<bool> fails_{false};
    ViewServer server_{[this](const slurm_query::Request& request) { return answer(request); }};
};

struct Fixture : EventLoop {
    explicit Fixture(service::SharedStore* shared = nullptr)
        : watcher(io, supervisor, config(), office.services, shared) {
        events.watcher = &watcher;
        office.services.context.events = &events;
        push("r", kHead);
        turn();
    }
    ~Fixture() {
        supervisor.stop();
        watcher.stop();
        turn(milliseconds(20));
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    Config config() const {
        Config config;
        config.view_socket = view.path();
        return config;
    }
    void push(std::string_view run, JobId until) {
        service::PushRequest request{{}, {}, list_of(user_secret("A", "a")), until};
        REQUIRE(office.services.runs.push_run(office.alice, run_id(run), request).ok());
    }
    bool is_there(std::string_view run = "r") const {
        return office.vault.find_run(run_id(run)) != nullptr;
    }
    /// Lets the time pass until the next question is asked and answered.
    void round(std::chrono::nanoseconds time = kInterval) {
        const std::size_t before = view.asked().size();
        pass(time);
        REQUIRE(turns_until([&] { return view.asked().size() > before; }));
        turn(milliseconds(30));
    }

    struct Events final : service::Events {
        void job_may_have_ended(JobId job) override { watcher->look_soon(job); }
        RunEndWatcher* watcher = nullptr;
    };

    View view;
    Supervisor supervisor{
        io, [](const auto&, const auto&, auto) {}, {milliseconds(1), milliseconds(1)}};
    service::Office office;
    RunEndWatcher watcher;
    Events events;
};

TEST_CASE("RunEndWatcher: ends the runs of a job that ended, and no others", "[run_ends]") {
    Fixture fixture;
    fixture.push("other", JobId{13});
    fixture.view.set(kHead, JobState::ended);
    fixture.view.set(JobId{13}, JobState::active);
    fixture.round();
    CHECK_FALSE(fixture.is_there());
    CHECK(fixture.is_there("other"));
    CHECK(fixture.view.asked() == std::vector<std::vector<JobId>>{{kHead, JobId{13}}});
}

TEST_CASE("RunEndWatcher: never takes an answer that it did not get for an end", "[run_ends]") {
    Fixture fixture;
    for (int i = 0; i < 3; ++i) fixture.round();  // unknown
    fixture.view.set(kHead, JobState::ended);
    fixture.view.fail(true);
    fixture.round();
    CHECK(fixture.is_there());
    fixture.view.fail(false);
    fixture.round();
    CHECK_FALSE(fixture.is_there());
}

TEST_CASE("RunEndWatcher: asks soon after the wipe of the job's hold, and again", "[run_ends]") {
    Fixture fixture;
    fixture.office.ask(fixture.office.alice, "run:r", 0, kHead);
    fixture.view.set(kHead, JobState::active);  // its epilogs run
    fixture.office.services.grants.wipe(kHead);
    fixture.round(milliseconds(1));
    CHECK(fixture.is_there());
    fixture.view.set(kHead, JobState::ended);
    fixture.round(milliseconds(600));
    CHECK_FALSE(fixture.is_there());
    fixture.office.services.grants.wipe(JobId{13});  // with which no run ends
    fixture.pass(kInterval);
    fixture.turn(milliseconds(30));
    CHECK(fixture.view.asked().size() == 2);
}

TEST_CASE("RunEndWatcher: asks less and less often about a job that was requeued", "[run_ends]") {
    Fixture fixture;
    fixture.office.ask(fixture.office.alice, "run:r", 0, kHead);
    fixture.view.set(kHead, JobState::active);
    fixture.office.services.grants.wipe(kHead);
    std::size_t asked = 0;
    for (int i = 0; i < 60; ++i) {
        fixture.pass(std::chrono::seconds(1));
        fixture.turn(milliseconds(5));
    }
    asked = fixture.view.asked().size();
    CHECK(asked >= 6);
    CHECK(asked <= 12);
    CHECK(fixture.is_there());
}

TEST_CASE("RunEndWatcher: believes in a forgotten job after ten minutes, and only without a hold",
          "[run_ends]") {
    Fixture fixture;
    fixture.view.set(kHead, JobState::forgotten);
    for (int i = 0; i < 39; ++i) fixture.round();
    CHECK(fixture.is_there());
    fixture.office.ask(fixture.office.alice, "run:r", 0, kHead);
    for (int i = 0; i < 5; ++i) fixture.round();
    CHECK(fixture.is_there());
    fixture.office.services.grants.wipe(kHead);
    fixture.round(milliseconds(1));
    CHECK_FALSE(fixture.is_there());
}

TEST_CASE("RunEndWatcher: counts answers anew for a job with which no run ended meanwhile",
          "[run_ends]") {
    Fixture fixture;
    fixture.view.set(kHead, JobState::forgotten);
    for (int i = 0; i < 38; ++i) fixture.round();
    fixture.office.services.run_ends.end(run_id("r"), kHead);
    fixture.pass(kInterval);
    fixture.turn(milliseconds(30));
    fixture.push("r", kHead);
    for (int i = 0; i < 5; ++i) fixture.round();
    CHECK(fixture.is_there());
}

TEST_CASE("RunEndWatcher: says whose runs end with a job", "[run_ends]") {
    Fixture fixture;
    fixture.round();
    CHECK(fixture.view.owners() == std::vector{fixture.office.alice});
    service::PushRequest request{"bob", {}, {}, kHead};
    REQUIRE(fixture.office.services.runs.push_run(service::kRoot, run_id("s"), request).ok());
    fixture.round();
    CHECK(fixture.view.owners() == std::vector{slurm_query::kAnyUser});
}

TEST_CASE("RunEndWatcher: asks about many jobs in several queries, each in its turn",
          "[run_ends]") {
    Fixture fixture;
    fixture.office.services.context.limits.runs_per_owner = 1000;
    const std::size_t count = kMaxJobsPerQuery + 10;
    for (std::uint32_t job = 100; job < 100 + count; ++job) {
        fixture.push("r" + std::to_string(job), JobId{job});
        fixture.view.set(JobId{job}, JobState::ended);
    }
    fixture.round();
    fixture.round(std::chrono::seconds(1));
    CHECK(fixture.view.asked()[0].size() == kMaxJobsPerQuery);
    CHECK(fixture.office.vault.inventory().runs == 1);
}

TEST_CASE("RunEndWatcher: ends a run in the store that hubs share", "[run_ends]") {
    service::FakeSharedStore shared;
    Fixture fixture(&shared);
    fixture.view.set(kHead, JobState::ended);
    shared.failure = Status::unavailable("OpenBao is away");
    fixture.round();
    CHECK(fixture.is_there());
    shared.failure = Status();
    fixture.round();
    CHECK_FALSE(fixture.is_there());
}

}  // namespace
}  // namespace secrets::slurm
