// Promise: whatever slurmctld does, slurm-secrets-view answers in time, and says that a job has
// ended only when slurmctld has just said so.

#include "slurmview/questions.h"

#include <atomic>
#include <future>
#include <map>
#include <mutex>

#include "slurmview/job_states.h"
#include "tests/unit/catch.h"

extern "C" {
#include <slurm/slurm.h>
}

namespace secrets::slurmview {
namespace {

using std::chrono::milliseconds;
using view_wire::JobState;
using view_wire::Refused;
using view_wire::States;

/// A controller whose answers the test chooses.
struct Controller {
    AskController ask() {
        return [this](JobId job) -> Result<Told> {
            const std::lock_guard lock(mutex);
            asked.push_back(job);
            const auto found = answers.find(job);
            return found == answers.end() ? Result<Told>(Error{"down"}) : found->second;
        };
    }
    std::vector<JobId> questions() {
        const std::lock_guard lock(mutex);
        return std::exchange(asked, {});
    }

    std::mutex mutex;
    std::map<JobId, Result<Told>> answers;
    std::vector<JobId> asked;
};

const Told kActive{JobState::active, ""};
const Told kEnded{JobState::ended, ""};

std::vector<JobId> jobs(std::initializer_list<std::uint32_t> numbers) {
    std::vector<JobId> list;
    for (const std::uint32_t number : numbers) list.push_back(JobId{number});
    return list;
}

States states_of(const view_wire::Reply& reply) {
    const auto* states = std::get_if<States>(&reply);
    return states != nullptr ? *states
                             : States{{}, "refused: " + std::get<Refused>(reply).sentence};
}

TEST_CASE("each job is answered at its place", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kActive}, {JobId{2}, kEnded}, {JobId{3}, kActive}};
    Questions questions(controller.ask());
    const States states = states_of(questions.answer(jobs({3, 2, 1, 2})));
    CHECK(states.states ==
          std::vector{JobState::active, JobState::ended, JobState::active, JobState::ended});
    CHECK(states.sentence.empty());
}

TEST_CASE("an active job is remembered for a while, an ended one never", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kActive}, {JobId{2}, kEnded}};
    Questions questions(controller.ask(), {milliseconds(5000), milliseconds(300)});
    questions.answer(jobs({1, 2}));
    CHECK(controller.questions() == jobs({1, 2}));
    controller.answers = {{JobId{1}, kEnded}, {JobId{2}, kActive}};
    CHECK(states_of(questions.answer(jobs({1, 2}))).states ==
          std::vector{JobState::active, JobState::active});
    CHECK(controller.questions() == jobs({2}));
    std::this_thread::sleep_for(milliseconds(320));
    CHECK(states_of(questions.answer(jobs({1}))).states == std::vector{JobState::ended});
}

TEST_CASE("a job that nobody can tell of does not hinder the others", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, Told{JobState::unknown, "hidden"}}, {JobId{2}, kEnded}};
    Questions questions(controller.ask());
    const States states = states_of(questions.answer(jobs({1, 2})));
    CHECK(states.states == std::vector{JobState::unknown, JobState::ended});
    CHECK(states.sentence == "hidden");
}

TEST_CASE("a controller that can't be asked is not asked for each job", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kEnded}};
    Questions questions(controller.ask());
    const States states = states_of(questions.answer(jobs({1, 2, 3})));
    CHECK(states.states == std::vector{JobState::ended, JobState::unknown, JobState::unknown});
    CHECK(states.sentence == "down");
    CHECK(controller.questions() == jobs({1, 2}));
}

TEST_CASE("a silent controller costs one question its patience, and no other", "[questions]") {
    // Shared: the thread that asks may go on when the test has ended.
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    const auto asked = std::make_shared<std::atomic<int>>(0);
    Questions questions(
        [=](JobId job) -> Result<Told> {
            ++*asked;
            if (job == JobId{2}) released->wait();
            return kEnded;
        },
        {milliseconds(100), milliseconds(1000)});
    const auto begin = std::chrono::steady_clock::now();
    const States late = states_of(questions.answer(jobs({1, 2, 3})));
    CHECK(late.states == std::vector{JobState::ended, JobState::unknown, JobState::unknown});
    CHECK(late.sentence == "slurmctld did not answer within 0 s");
    CHECK(states_of(questions.answer(jobs({4}))).sentence ==
          "refused: still waiting for slurmctld, which was asked 0 s ago");
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(5000));

    release->set_value();
    States states;
    for (int i = 0; i < 500 && states.states.empty(); ++i) {
        std::this_thread::sleep_for(milliseconds(10));
        states = states_of(questions.answer(jobs({4})));
    }
    CHECK(states.states == std::vector{JobState::ended});
    CHECK(*asked == 3);  // not for job 3, whose question nobody waited for any more
}

TEST_CASE("what Slurm's states say of a hold", "[questions]") {
    for (const std::uint32_t state : std::initializer_list<std::uint32_t>{
             JOB_RUNNING, JOB_SUSPENDED, JOB_RUNNING | JOB_CONFIGURING, JOB_RUNNING | JOB_STOPPED,
             JOB_RUNNING | JOB_SIGNALING, JOB_COMPLETE | JOB_COMPLETING,
             JOB_PENDING | JOB_COMPLETING, JOB_PENDING | JOB_COMPLETING | JOB_REQUEUE,
             JOB_PENDING | JOB_CONFIGURING, JOB_NODE_FAIL | JOB_COMPLETING}) {
        CAPTURE(state);
        CHECK(state_of(state) == JobState::active);
    }
    for (const std::uint32_t state : std::initializer_list<std::uint32_t>{
             JOB_PENDING, JOB_PENDING | JOB_SPECIAL_EXIT, JOB_COMPLETE, JOB_CANCELLED, JOB_FAILED,
             JOB_TIMEOUT, JOB_NODE_FAIL, JOB_PREEMPTED, JOB_BOOT_FAIL, JOB_DEADLINE, JOB_OOM,
             JOB_COMPLETE | JOB_STAGE_OUT, JOB_CANCELLED | JOB_REVOKED}) {
        CAPTURE(state);
        CHECK(state_of(state) == JobState::ended);
    }
    CHECK(state_of(JOB_END) == JobState::unknown);
    CHECK(state_of(0xff) == JobState::unknown);
}

}  // namespace
}  // namespace secrets::slurmview
