// SPDX-License-Identifier: Apache-2.0
// Promise: whatever slurmctld does, slurm-secrets-view answers in time, and says that a job has
// ended only when slurmctld has just said so.

#include "slurmview/query_queue.h"

#include <atomic>
#include <future>
#include <map>
#include <mutex>

#include "common/base/limits.h"
#include "slurmview/job_states.h"
#include "slurmview/step_list.h"
#include "tests/unit/catch.h"

extern "C" {
#include <slurm/slurm.h>
}

namespace secrets::slurmview {
namespace {

using slurm_query::AccountRequest;
using slurm_query::JobState;
using slurm_query::Refused;
using slurm_query::States;
using slurm_query::Users;
using std::chrono::milliseconds;

/// A controller whose answers the test chooses.
struct Controller {
    ControllerCalls calls() {
        const auto ask = [this](JobId job) -> StatusOr<Told> {
            const std::lock_guard lock(mutex);
            asked.push_back(job);
            const auto found = answers.find(job);
            return found == answers.end() ? StatusOr<Told>(Status::failed("down")) : found->second;
        };
        const auto users_of = [this](const std::string& account) -> StatusOr<AccountUsers> {
            const std::lock_guard lock(mutex);
            accounts_asked.push_back(account);
            const auto found = accounts.find(account);
            return found == accounts.end() ? StatusOr<AccountUsers>(Status::failed("down"))
                                           : found->second;
        };
        return {ask, users_of};
    }
    std::vector<JobId> questions() {
        const std::lock_guard lock(mutex);
        return std::exchange(asked, {});
    }

    std::mutex mutex;
    std::map<JobId, StatusOr<Told>> answers;
    std::vector<JobId> asked;
    std::map<std::string, AccountUsers> accounts;
    std::vector<std::string> accounts_asked;
};

const Told kActive{JobState::active, ""};
const Told kEnded{JobState::ended, ""};

slurm_query::JobsRequest asking_about(std::initializer_list<std::uint32_t> numbers) {
    slurm_query::JobsRequest request;
    for (const std::uint32_t number : numbers) request.jobs.push_back(JobId{number});
    return request;
}

States states_of(const slurm_query::Reply& reply) {
    const auto* states = std::get_if<States>(&reply);
    return states != nullptr ? *states
                             : States{{}, "refused: " + std::get<Refused>(reply).sentence};
}

TEST_CASE("QueryQueue: answers each job at its position", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kActive}, {JobId{2}, kEnded}, {JobId{3}, kActive}};
    QueryQueue questions(controller.calls());
    const States states = states_of(questions.answer(asking_about({3, 2, 1, 2})));
    CHECK(states.states ==
          std::vector{JobState::active, JobState::ended, JobState::active, JobState::ended});
    CHECK(states.sentence.empty());
}

TEST_CASE("QueryQueue: remembers active jobs for a while and ended ones never", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kActive}, {JobId{2}, kEnded}};
    QueryQueue questions(controller.calls(), {milliseconds(5000), milliseconds(300)});
    questions.answer(asking_about({1, 2}));
    CHECK(controller.questions() == asking_about({1, 2}).jobs);
    controller.answers = {{JobId{1}, kEnded}, {JobId{2}, kActive}};
    CHECK(states_of(questions.answer(asking_about({1, 2}))).states ==
          std::vector{JobState::active, JobState::active});
    CHECK(controller.questions() == asking_about({2}).jobs);
    std::this_thread::sleep_for(milliseconds(320));
    CHECK(states_of(questions.answer(asking_about({1}))).states == std::vector{JobState::ended});
}

TEST_CASE("QueryQueue: answers for other jobs when one is unknown", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, Told{JobState::unknown, "hidden"}}, {JobId{2}, kEnded}};
    QueryQueue questions(controller.calls());
    const States states = states_of(questions.answer(asking_about({1, 2})));
    CHECK(states.states == std::vector{JobState::unknown, JobState::ended});
    CHECK(states.sentence == "hidden");
}

TEST_CASE("QueryQueue: asks for no further job after slurmctld fails", "[questions]") {
    Controller controller;
    controller.answers = {{JobId{1}, kEnded}};
    QueryQueue questions(controller.calls());
    const States states = states_of(questions.answer(asking_about({1, 2, 3})));
    CHECK(states.states == std::vector{JobState::ended, JobState::unknown, JobState::unknown});
    CHECK(states.sentence == "down");
    CHECK(controller.questions() == asking_about({1, 2}).jobs);
}

TEST_CASE("QueryQueue: times out one request to a silent slurmctld and rejects others at once",
          "[questions]") {
    // Shared: the thread that asks may go on when the test has ended.
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    const auto asked = std::make_shared<std::atomic<int>>(0);
    QueryQueue questions({[=](JobId job) -> StatusOr<Told> {
                              ++*asked;
                              if (job == JobId{2}) released->wait();
                              return kEnded;
                          },
                          [](const std::string&) { return AccountUsers{}; }},
                         {milliseconds(100), milliseconds(1000)});
    const auto begin = std::chrono::steady_clock::now();
    const States late = states_of(questions.answer(asking_about({1, 2, 3})));
    CHECK(late.states == std::vector{JobState::ended, JobState::unknown, JobState::unknown});
    CHECK(late.sentence == "slurmctld has not answered yet");
    CHECK(states_of(questions.answer(asking_about({4}))).sentence ==
          "refused: slurmctld has not answered earlier queries yet");
    CHECK(std::get<Refused>(questions.answer(AccountRequest{"chem"})).sentence ==
          "slurmctld has not answered earlier queries yet");
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(5000));

    release->set_value();
    States states;
    for (int i = 0; i < 500 && states.states.empty(); ++i) {
        std::this_thread::sleep_for(milliseconds(10));
        states = states_of(questions.answer(asking_about({4})));
    }
    CHECK(states.states == std::vector{JobState::ended});
    CHECK(*asked == 3);  // not for job 3, whose question nobody waited for any more
}

Users users_of(const slurm_query::Reply& reply) {
    const auto* users = std::get_if<Users>(&reply);
    return users != nullptr ? *users : Users{false, false, {std::get<Refused>(reply).sentence}};
}

std::vector<std::string> many_users(std::size_t count) {
    std::vector<std::string> users;
    for (std::size_t i = 0; i < count; ++i) users.push_back("u" + std::to_string(100000 + i));
    return users;
}

TEST_CASE("QueryQueue: names the users of an account and none of an unknown account",
          "[questions]") {
    Controller controller;
    controller.accounts = {{"chem", {true, {"alice", "bob"}}}, {"empty", {true, {}}}, {"no", {}}};
    QueryQueue questions(controller.calls());
    Users users = users_of(questions.answer(AccountRequest{"chem"}));
    CHECK((users.known && !users.more));
    CHECK(users.users == std::vector<std::string>{"alice", "bob"});
    CHECK(users_of(questions.answer(AccountRequest{"empty"})).known);
    users = users_of(questions.answer(AccountRequest{"no"}));
    CHECK((!users.known && !users.more && users.users.empty()));
    CHECK(users_of(questions.answer(AccountRequest{"down"})).users ==
          std::vector<std::string>{"down"});
}

TEST_CASE("QueryQueue: returns a large account in parts from a single query", "[questions]") {
    const auto all = many_users(2 * kMaxUsersPerReply + 1);
    Controller controller;
    controller.accounts = {{"chem", {true, all}}, {"bio", {true, {"zoe"}}}};
    QueryQueue questions(controller.calls(),
                         {milliseconds(5000), milliseconds(300), milliseconds(300)});
    std::vector<std::string> got;
    Users users{true, true, {}};
    while (users.more) {
        users = users_of(questions.answer(AccountRequest{"chem", got.empty() ? "" : got.back()}));
        REQUIRE_FALSE(users.users.empty());
        CHECK(users.users.size() <= kMaxUsersPerReply);
        got.insert(got.end(), users.users.begin(), users.users.end());
    }
    CHECK(got == all);
    CHECK(controller.accounts_asked == std::vector<std::string>{"chem"});
    // Of another account nothing is remembered, nor for ever, and a first question is a new one.
    CHECK(users_of(questions.answer(AccountRequest{"bio", "alice"})).users ==
          std::vector<std::string>{"zoe"});
    CHECK(users_of(questions.answer(AccountRequest{"bio"})).users.size() == 1);
    CHECK(controller.accounts_asked.size() == 3);
    std::this_thread::sleep_for(milliseconds(320));
    CHECK(users_of(questions.answer(AccountRequest{"bio", "zoe"})).users.empty());
    CHECK(controller.accounts_asked.size() == 4);
}

TEST_CASE("QueryQueue: times out an account request like a job request", "[questions]") {
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    QueryQueue questions({[](JobId) { return kEnded; },
                          [=](const std::string&) {
                              released->wait();
                              return AccountUsers{true, {"alice"}};
                          }},
                         {milliseconds(100), milliseconds(1000)});
    const auto begin = std::chrono::steady_clock::now();
    CHECK(std::get<Refused>(questions.answer(AccountRequest{"chem"})).sentence ==
          "slurmctld has not answered yet");
    CHECK(states_of(questions.answer(asking_about({4}))).sentence ==
          "refused: slurmctld has not answered earlier queries yet");
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(5000));
    release->set_value();
    Users users;
    for (int i = 0; i < 500 && !users.known; ++i) {
        std::this_thread::sleep_for(milliseconds(10));
        users = users_of(questions.answer(AccountRequest{"chem"}));
    }
    CHECK(users.users == std::vector<std::string>{"alice"});
}

TEST_CASE("QueryQueue: names the job of a process, or passes on why slurmd cannot", "[questions]") {
    Controller controller;
    ControllerCalls calls = controller.calls();
    calls.job_of_process = [](std::uint32_t pid) -> StatusOr<JobId> {
        if (pid == 1) return Status::failed("no slurmd");
        return JobId{pid == 4711 ? 7U : 0U};
    };
    QueryQueue questions(calls);
    const auto job_of = [&questions](std::uint32_t pid) {
        return questions.answer(slurm_query::ProcessRequest{pid});
    };
    CHECK(std::get<slurm_query::JobOfProcess>(job_of(4711)).job == JobId{7});
    CHECK(std::get<slurm_query::JobOfProcess>(job_of(2)).job == slurm_query::kNoJob);
    CHECK(std::get<Refused>(job_of(1)).sentence == "no slurmd");
}

TEST_CASE("QueryQueue: a silent slurmd keeps few questions for processes, and not for long",
          "[questions]") {
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    ControllerCalls calls{[](JobId) { return kActive; },
                          [](const std::string&) { return AccountUsers{}; }};
    calls.job_of_process = [=](std::uint32_t) {
        released->wait();
        return JobId{7};
    };
    QueryQueue questions(calls, {.patience = milliseconds(60'000),
                                 .patience_for_process = milliseconds(1000),
                                 .most_processes = 2});
    const auto ask = [&questions] {
        const auto reply = questions.answer(slurm_query::ProcessRequest{1});
        return std::get<Refused>(reply).sentence;
    };
    auto first = std::async(std::launch::async, ask);
    auto second = std::async(std::launch::async, ask);
    std::this_thread::sleep_for(milliseconds(300));
    CHECK(ask() == "slurm-secrets-view looks for the jobs of too many processes already");
    CHECK(first.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    CHECK(second.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    release->set_value();
}

TEST_CASE("QueryQueue: a silent slurmctld delays no question to slurmd, nor what it remembers",
          "[questions]") {
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = std::make_shared<std::shared_future<void>>(release->get_future());
    ControllerCalls calls{[=](JobId job) -> StatusOr<Told> {
                              if (job == JobId{2}) released->wait();
                              return kActive;
                          },
                          [](const std::string&) { return AccountUsers{}; }};
    calls.job_of_process = [](std::uint32_t) { return JobId{7}; };
    QueryQueue questions(calls, {milliseconds(400), milliseconds(60'000)});
    CHECK(states_of(questions.answer(asking_about({1}))).states == std::vector{JobState::active});
    auto hung = std::async(std::launch::async, [&] { questions.answer(asking_about({2})); });
    std::this_thread::sleep_for(milliseconds(50));
    const auto begin = std::chrono::steady_clock::now();
    const auto process = questions.answer(slurm_query::ProcessRequest{1});
    CHECK(std::get<slurm_query::JobOfProcess>(process).job == JobId{7});
    CHECK(states_of(questions.answer(asking_about({1}))).states == std::vector{JobState::active});
    CHECK(std::chrono::steady_clock::now() - begin < milliseconds(200));
    hung.wait();
    const States mixed = states_of(questions.answer(asking_about({1, 3})));
    CHECK(mixed.states == std::vector{JobState::active, JobState::unknown});
    CHECK(mixed.sentence == "slurmctld has not answered earlier queries yet");
    release->set_value();
}

TEST_CASE("QueryQueue: takes no job with a step on this host for forgotten or waiting",
          "[questions]") {
    Told forgotten{JobState::forgotten, ""};
    Told waiting = kEnded;
    forgotten.is_doubtful = waiting.is_doubtful = true;
    Controller controller;
    controller.answers = {{JobId{1}, forgotten}, {JobId{2}, waiting}, {JobId{3}, forgotten},
                          {JobId{4}, waiting},   {JobId{5}, kEnded},  {JobId{6}, kActive}};
    ControllerCalls calls = controller.calls();
    StatusOr<std::set<JobId>> steps = std::set{JobId{1}, JobId{2}, JobId{5}};
    int asked = 0;
    calls.jobs_with_steps = [&] {
        ++asked;
        return steps;
    };
    QueryQueue questions(calls);
    CHECK(states_of(questions.answer(asking_about({1, 2, 3, 4, 5, 6}))).states ==
          std::vector{JobState::active, JobState::active, JobState::forgotten, JobState::ended,
                      JobState::ended, JobState::active});
    CHECK(asked == 1);
    CHECK(states_of(questions.answer(asking_about({5, 6}))).states ==
          std::vector{JobState::ended, JobState::active});
    CHECK(asked == 1);
    steps = Status::failed("no slurmd");
    const States states = states_of(questions.answer(asking_about({3, 4, 5})));
    CHECK(states.states == std::vector{JobState::unknown, JobState::unknown, JobState::ended});
    CHECK(states.sentence == "no slurmd");
}

TEST_CASE("QueryQueue: answers within the time of a query, whomever it asks", "[questions]") {
    Told forgotten{JobState::forgotten, ""};
    forgotten.is_doubtful = true;
    ControllerCalls calls{[forgotten](JobId) -> StatusOr<Told> {
                              std::this_thread::sleep_for(milliseconds(300));
                              return forgotten;
                          },
                          [](const std::string&) { return AccountUsers{}; }};
    calls.jobs_with_steps = [] {
        std::this_thread::sleep_for(milliseconds(300));
        return std::set<JobId>{};
    };
    QueryQueue questions(calls, {.patience = milliseconds(400)});
    const States states = states_of(questions.answer(asking_about({1})));
    CHECK(states.states == std::vector{JobState::unknown});
    CHECK(states.sentence == "slurmd has not answered yet");
}

TEST_CASE("Step lists: name the jobs of slurmd's steps, or are rejected", "[questions]") {
    const auto jobs = jobs_in_step_list("7.0, 8,9+1.4294967295 10.extern, 7");
    REQUIRE(jobs.ok());
    CHECK(*jobs == std::set{JobId{7}, JobId{8}, JobId{9}, JobId{10}});
    CHECK(jobs_in_step_list("NONE")->empty());
    CHECK(jobs_in_step_list("")->empty());
    for (const char* list : {"x7", "7.0,none", "7x", "StepId=7.0", "99999999999.0", "NONE,7.0"}) {
        CAPTURE(list);
        CHECK_FALSE(jobs_in_step_list(list).ok());
    }
}

TEST_CASE("Job states: know which jobs wait in the queue", "[questions]") {
    CHECK(waits_in_queue(JOB_PENDING));
    CHECK(waits_in_queue(JOB_PENDING | JOB_SPECIAL_EXIT));
    for (const std::uint32_t state : std::initializer_list<std::uint32_t>{
             JOB_PENDING | JOB_COMPLETING, JOB_RUNNING, JOB_COMPLETE, JOB_NODE_FAIL, JOB_END}) {
        CAPTURE(state);
        CHECK_FALSE(waits_in_queue(state));
    }
}

TEST_CASE("Job states: map Slurm states to active or ended or unknown", "[questions]") {
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

TEST_CASE("Job states: report running steps only for a job with nodes before its epilogs",
          "[questions]") {
    for (const std::uint32_t state : std::initializer_list<std::uint32_t>{
             JOB_RUNNING, JOB_SUSPENDED, JOB_RUNNING | JOB_CONFIGURING,
             JOB_RUNNING | JOB_STOPPED}) {
        CAPTURE(state);
        CHECK(runs(state));
    }
    for (const std::uint32_t state : std::initializer_list<std::uint32_t>{
             JOB_PENDING, JOB_PENDING | JOB_CONFIGURING, JOB_COMPLETE, JOB_CANCELLED, JOB_END,
             JOB_COMPLETE | JOB_COMPLETING, JOB_PENDING | JOB_COMPLETING | JOB_REQUEUE,
             JOB_RUNNING | JOB_COMPLETING, JOB_NODE_FAIL | JOB_COMPLETING}) {
        CAPTURE(state);
        CHECK_FALSE(runs(state));
    }
}

slurm_query::JobsRequest asking_for_ends(std::initializer_list<std::uint32_t> numbers, Uid owner) {
    slurm_query::JobsRequest request = asking_about(numbers);
    request.for_good = true;
    request.owners.assign(request.jobs.size(), owner);
    return request;
}

/// The calls of a controller that answers for the ends of jobs only.
ControllerCalls ends_by(std::function<StatusOr<Told>(JobId)> ask) {
    ControllerCalls calls;
    calls.ask_for_end = std::move(ask);
    return calls;
}

Told ended_of(Uid owner) {
    Told told = kEnded;
    told.owner = owner;
    return told;
}

TEST_CASE("QueryQueue: takes an end of another user's job for one that was forgotten",
          "[questions]") {
    QueryQueue questions(ends_by([](JobId job) -> StatusOr<Told> {
        Told told = ended_of(Uid{job.value == 1 ? 1001U : 1002U});
        if (job.value == 3) told.state = JobState::active;
        return told;
    }));
    CHECK(states_of(questions.answer(asking_for_ends({1, 2, 3}, Uid{1001}))).states ==
          std::vector{JobState::ended, JobState::forgotten, JobState::active});
    CHECK(states_of(questions.answer(asking_for_ends({1, 2}, slurm_query::kAnyUser))).states ==
          std::vector{JobState::ended, JobState::ended});
}

TEST_CASE("QueryQueue: asks for each end anew, and for no other after slurmctld fails",
          "[questions]") {
    bool has_ended = false;
    int asked = 0;
    QueryQueue questions(ends_by([&](JobId job) -> StatusOr<Told> {
        ++asked;
        if (job.value == 2) return Status::failed("down");
        return has_ended ? ended_of(Uid{1001}) : kActive;
    }));
    CHECK(states_of(questions.answer(asking_for_ends({1}, Uid{1001}))).states ==
          std::vector{JobState::active});
    has_ended = true;
    const States half = states_of(questions.answer(asking_for_ends({1, 2, 3}, Uid{1001})));
    CHECK(half.states == std::vector{JobState::ended, JobState::unknown, JobState::unknown});
    CHECK(half.sentence == "down");
    CHECK(asked == 3);
}

TEST_CASE("QueryQueue: tells no end while slurmctld is silent", "[questions]") {
    // Shared: the thread that asks may go on when the test has ended.
    const auto release = std::make_shared<std::promise<void>>();
    const auto released = release->get_future().share();
    QueryQueue questions(ends_by([released](JobId job) -> StatusOr<Told> {
                             if (job.value == 2) released.wait();
                             return ended_of(Uid{1001});
                         }),
                         {milliseconds(100), milliseconds(1000)});
    const States late = states_of(questions.answer(asking_for_ends({1, 2}, Uid{1001})));
    CHECK(late.states == std::vector{JobState::ended, JobState::unknown});
    CHECK(late.sentence == "slurmctld has not answered yet");
    CHECK(states_of(questions.answer(asking_for_ends({3}, Uid{1001}))).sentence ==
          "refused: slurmctld has not answered earlier queries yet");
    release->set_value();
}

TEST_CASE("job states: only what neither runs nor waits has ended for good", "[questions]") {
    for (const std::uint32_t base : {JOB_COMPLETE, JOB_CANCELLED, JOB_FAILED, JOB_TIMEOUT,
                                     JOB_NODE_FAIL, JOB_PREEMPTED, JOB_OOM, JOB_DEADLINE}) {
        CAPTURE(base);
        CHECK(has_ended_for_good(base));
        for (const auto flag : {JOB_COMPLETING, JOB_REQUEUE, JOB_REQUEUE_HOLD, JOB_SPECIAL_EXIT,
                                JOB_REQUEUE_FED, JOB_REVOKED}) {
            CHECK_FALSE(has_ended_for_good(base | static_cast<std::uint32_t>(flag)));
        }
    }
    for (const std::uint32_t base : {JOB_PENDING, JOB_RUNNING, JOB_SUSPENDED, JOB_END})
        CHECK_FALSE(has_ended_for_good(base));
}

TEST_CASE("job states: a job of several parts ends with the last", "[questions]") {
    const auto end = [](std::initializer_list<std::uint32_t> parts) {
        return end_of(std::vector<std::uint32_t>(parts));
    };
    CHECK(end({JOB_COMPLETE, JOB_CANCELLED}) == JobState::ended);
    CHECK(end({JOB_COMPLETE, JOB_PENDING}) == JobState::active);
    CHECK(end({JOB_RUNNING, JOB_FAILED}) == JobState::active);
    CHECK(end({JOB_COMPLETE | JOB_COMPLETING, JOB_FAILED}) == JobState::active);
    CHECK(end({JOB_RUNNING, JOB_END}) == JobState::unknown);
}

}  // namespace
}  // namespace secrets::slurmview
