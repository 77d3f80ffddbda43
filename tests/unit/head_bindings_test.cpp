// SPDX-License-Identifier: Apache-2.0
// Promise: a run that cannot be bound to its head job at the job's start is bound later, as long as
// the job holds something; what is refused is not repeated.

#include "agentd/service/head_bindings.h"

#include "tests/unit/catch.h"
#include "tests/unit/event_loop.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

using std::chrono::milliseconds;

constexpr JobId kHead{12};
constexpr std::chrono::seconds kInterval{10};

struct Fixture : EventLoop {
    Fixture() {
        keep_the_log_quiet();
        REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
        office.ask(office.alice, "run:r", 0, kHead);
        turn();
    }
    ~Fixture() {
        supervisor.stop();
        bindings.stop();
        turn(milliseconds(20));
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    Status bind() { return result_of(bindings.bind({run_id("r"), kHead, office.alice})); }
    void rounds(int count) {
        for (int i = 0; i < count; ++i) pass(kInterval);
    }

    Status outcome = Status::unavailable("no hub answered");
    int tries = 0;
    Supervisor supervisor{
        io, [](const auto&, const auto&, auto) {}, {milliseconds(1), milliseconds(1)}};
    Office office;
    HeadBindings bindings{io, supervisor, office.services.context,
                          [this](RunBinding binding) { return bind_once(std::move(binding)); }};

  private:
    asio::awaitable<Status> bind_once(RunBinding binding) {
        ++tries;
        if (!outcome.ok()) co_return outcome;
        co_return office.services.run_ends.bind(binding);
    }
};

TEST_CASE("HeadBindings: repeats a binding that could not be made until it is", "[run_ends]") {
    Fixture fixture;
    CHECK(fixture.bind().code() == StatusCode::unavailable);
    fixture.rounds(3);
    CHECK(fixture.tries == 4);
    fixture.outcome = Status();
    fixture.rounds(1);
    CHECK(fixture.office.info("r").head.until_job == kHead);
    fixture.rounds(3);
    CHECK(fixture.tries == 5);
}

TEST_CASE("HeadBindings: repeats no binding that was made or refused", "[run_ends]") {
    Fixture fixture;
    fixture.outcome = {StatusCode::not_found, "run r is not known"};
    CHECK(fixture.bind().code() == StatusCode::not_found);
    fixture.rounds(2);
    CHECK(fixture.tries == 1);
    fixture.outcome = Status();
    CHECK(fixture.bind().ok());
    fixture.rounds(2);
    CHECK(fixture.tries == 2);
}

TEST_CASE("HeadBindings: repeats no binding after the job's hold was wiped", "[run_ends]") {
    Fixture fixture;
    CHECK_FALSE(fixture.bind().ok());
    fixture.office.services.grants.wipe(kHead);
    fixture.outcome = Status();
    fixture.rounds(2);
    CHECK(fixture.tries == 1);
    CHECK(fixture.office.info("r").head.until_job == JobId());
}

}  // namespace
}  // namespace secrets::service
