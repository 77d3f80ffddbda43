// SPDX-License-Identifier: Apache-2.0
// Promise: a hold and the files of a job go once, after Slurm said that the job ended; as long as
// Slurm does not say so, nothing goes.

#include "agentd/slurm/stale_hold_reaper.h"

#include <filesystem>
#include <map>
#include <mutex>

#include "common/base/limits.h"
#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/office.h"
#include "tests/unit/temporary_folder.h"
#include "tests/unit/view_server.h"

namespace secrets::slurm {
namespace {

namespace fs = std::filesystem;
using slurm_query::JobState;
using std::chrono::milliseconds;

constexpr std::chrono::seconds kInterval{60};

/// slurm-secrets-view: each job is of unknown state unless the test has set another.
class View {
  public:
    void set(JobId job, JobState state) {
        const std::lock_guard lock(mutex_);
        states_[job] = state;
    }
    /// Makes each further query after the next `count` fail.
    void fail_after(std::size_t count) {
        const std::lock_guard lock(mutex_);
        fails_at_ = asked_.size() + count;
    }
    /// Keeps replies back until called with false.
    void hold_replies(bool holds) { holds_ = holds; }
    /// Returns the number of jobs in each query so far.
    std::vector<std::size_t> asked() const {
        const std::lock_guard lock(mutex_);
        return asked_;
    }
    std::string path() const { return server_.path(); }

  private:
    slurm_query::Reply answer(const slurm_query::Request& request) {
        slurm_query::States states;
        {
            const std::lock_guard lock(mutex_);
            const auto& jobs = std::get<slurm_query::JobsRequest>(request).jobs;
            asked_.push_back(jobs.size());
            if (fails_at_ && asked_.size() > *fails_at_) {
                return slurm_query::Refused{"slurmctld is away"};
            }
            for (const JobId job : jobs) {
                const auto known = states_.find(job);
                states.states.push_back(known != states_.end() ? known->second : JobState::unknown);
            }
        }
        while (holds_) std::this_thread::sleep_for(milliseconds(1));
        return states;
    }

    mutable std::mutex mutex_;
    std::map<JobId, JobState> states_;
    std::vector<std::size_t> asked_;
    std::optional<std::size_t> fails_at_;
    std::atomic<bool> holds_{false};
    ViewServer server_{[this](const slurm_query::Request& request) { return answer(request); }};
};

/// A reaper, and holds and files for it.
struct Fixture : EventLoop {
    Fixture() : reaper(io, supervisor, config(), office.services) {
        REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    }
    ~Fixture() {
        view.hold_replies(false);
        supervisor.stop();
        reaper.stop();
        turn(milliseconds(20));
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    Config config() const {
        Config config;
        config.view_socket = view.path();
        config.files_directory = folder.path();
        config.reaper_interval = kInterval;
        return config;
    }
    void hold(std::uint32_t job) { office.ask(office.alice, "run:r", 0, JobId{job}); }
    bool is_held(std::uint32_t job) const { return office.vault.find_hold(JobId{job}) != nullptr; }
    /// Lets one interval pass, and so many queries be answered.
    void round(std::size_t queries) {
        begin_round(queries);
        // A reply is handled when the reaper waits for its next round.
        turn(milliseconds(50));
    }
    /// Lets one interval pass, until so many queries have been sent.
    void begin_round(std::size_t queries) {
        turn(milliseconds(1));
        office.time += kInterval;
        const std::size_t expected = view.asked().size() + queries;
        pass(kInterval);
        REQUIRE(turns_until([&] { return view.asked().size() >= expected; }));
    }

    View view;
    TemporaryFolder folder;
    Supervisor supervisor{
        io, [](const auto&, const auto&, auto) {}, {milliseconds(1), milliseconds(1)}};
    service::Office office;
    StaleHoldReaper reaper;
};

TEST_CASE("StaleHoldReaper: wipes the holds of jobs that ended, and of no others", "[reaper]") {
    Fixture fixture;
    for (const std::uint32_t job : {7U, 8U, 9U}) fixture.hold(job);
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.view.set(JobId{8}, JobState::active);
    const std::uint64_t reaped = audit::count_of(audit::Kind::reap);
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
    CHECK(fixture.is_held(8));
    CHECK(fixture.is_held(9));
    CHECK(audit::count_of(audit::Kind::reap) == reaped + 1);
    CHECK(fixture.view.asked() == std::vector<std::size_t>{3});
}

TEST_CASE("StaleHoldReaper: never takes an unknown job for one that ended", "[reaper]") {
    Fixture fixture;
    fixture.hold(7);
    fs::create_directory(fixture.folder.file("7"));
    for (int i = 0; i < 5; ++i) fixture.round(1);
    CHECK(fixture.is_held(7));
    CHECK(fs::exists(fixture.folder.file("7")));
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
    CHECK_FALSE(fs::exists(fixture.folder.file("7")));
}

TEST_CASE("StaleHoldReaper: believes in a forgotten job after ten minutes of such answers only",
          "[reaper]") {
    Fixture fixture;
    fixture.hold(7);
    fs::create_directory(fixture.folder.file("7"));
    fixture.view.set(JobId{7}, JobState::forgotten);
    for (int i = 0; i < 9; ++i) fixture.round(1);
    fixture.view.set(JobId{7}, JobState::active);  // slurmctld has its state again
    fixture.round(1);
    fixture.view.set(JobId{7}, JobState::forgotten);
    for (int i = 0; i < 5; ++i) fixture.round(1);
    fixture.view.set(JobId{7}, JobState::unknown);
    fixture.round(1);
    fixture.view.set(JobId{7}, JobState::forgotten);
    for (int i = 0; i < 4; ++i) fixture.round(1);
    CHECK(fixture.is_held(7));
    CHECK(fs::exists(fixture.folder.file("7")));
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
    CHECK_FALSE(fs::exists(fixture.folder.file("7")));
}

TEST_CASE("StaleHoldReaper: believes in no forgotten job after two answers", "[reaper]") {
    Fixture fixture;
    fixture.hold(7);
    fixture.view.set(JobId{7}, JobState::forgotten);
    fixture.round(1);
    fixture.pass(std::chrono::hours(1));
    REQUIRE(fixture.turns_until([&] { return fixture.view.asked().size() == 2; }));
    fixture.turn(milliseconds(50));
    CHECK(fixture.is_held(7));
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
}

TEST_CASE("StaleHoldReaper: asks about a job only once it is an interval old", "[reaper]") {
    Fixture fixture;
    fixture.turn(milliseconds(1));
    fixture.hold(7);
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.pass(kInterval);  // and no time for the hold
    fixture.turn(milliseconds(20));
    CHECK(fixture.view.asked().empty());
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
}

TEST_CASE("StaleHoldReaper: wipes nothing twice that ends during the query", "[reaper]") {
    Fixture fixture;
    fixture.hold(7);
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.view.hold_replies(true);
    fixture.begin_round(1);
    fixture.office.services.grants.wipe(JobId{7});
    const std::uint64_t reaped = audit::count_of(audit::Kind::reap);
    fixture.view.hold_replies(false);
    fixture.turn(milliseconds(50));
    CHECK(audit::count_of(audit::Kind::reap) == reaped);
    CHECK_FALSE(fixture.is_held(7));
}

TEST_CASE("StaleHoldReaper: keeps what a job was granted during the query", "[reaper]") {
    Fixture fixture;
    fixture.hold(7);
    fs::create_directory(fixture.folder.file("7"));
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.view.hold_replies(true);
    fixture.begin_round(1);
    fixture.hold(7);  // requeued, and started again
    fixture.view.hold_replies(false);
    fixture.turn(milliseconds(50));
    CHECK(fixture.is_held(7));
    CHECK(fs::exists(fixture.folder.file("7")));
    fixture.round(1);
    CHECK_FALSE(fixture.is_held(7));
    CHECK_FALSE(fs::exists(fixture.folder.file("7")));
}

TEST_CASE("StaleHoldReaper: asks about many jobs in several queries", "[reaper]") {
    Fixture fixture;
    const std::size_t count = 2 * kMaxJobsPerQuery + 1;
    for (std::uint32_t job = 1; job <= count; ++job) {
        fixture.hold(job);
        fixture.view.set(JobId{job}, JobState::ended);
    }
    fixture.round(3);
    CHECK(fixture.view.asked() == std::vector{kMaxJobsPerQuery, kMaxJobsPerQuery, std::size_t{1}});
    CHECK(fixture.office.vault.holds().empty());
}

TEST_CASE("StaleHoldReaper: asks about the rest in the next round after a query fails",
          "[reaper]") {
    Fixture fixture;
    const std::size_t count = 2 * kMaxJobsPerQuery + 1;
    for (std::uint32_t job = 1; job <= count; ++job) {
        fixture.hold(job);
        fixture.view.set(JobId{job}, JobState::ended);
    }
    fixture.view.fail_after(1);
    fixture.round(2);
    CHECK(fixture.view.asked().size() == 2);
    CHECK(fixture.office.vault.holds().size() == count - kMaxJobsPerQuery);
    fixture.view.fail_after(2);
    fixture.round(2);
    CHECK(fixture.office.vault.holds().empty());
}

TEST_CASE("StaleHoldReaper: removes files that an ended job left without a hold", "[reaper]") {
    Fixture fixture;
    // The age of a directory is by the machine's own clock.
    Config config = fixture.config();
    config.reaper_interval = std::chrono::seconds(0);
    for (const char* job : {"7", "8", "9"}) fs::create_directory(fixture.folder.file(job));
    fixture.view.set(JobId{7}, JobState::ended);
    fixture.view.set(JobId{8}, JobState::active);
    StaleHoldReaper quick(fixture.io, fixture.supervisor, config, fixture.office.services);
    CHECK(fixture.turns_until([&] { return !fs::exists(fixture.folder.file("7")); }));
    fixture.turn(milliseconds(50));
    CHECK(fs::exists(fixture.folder.file("8")));
    CHECK(fs::exists(fixture.folder.file("9")));
    fixture.supervisor.stop();
    quick.stop();
    fixture.turn(milliseconds(20));
}

}  // namespace
}  // namespace secrets::slurm
