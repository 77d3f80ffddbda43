// SPDX-License-Identifier: Apache-2.0
// Promise: a run ends with the job that it is bound to, and with no other, and only its owner's
// head job binds it.

#include "agentd/service/run_end_service.h"

#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

constexpr JobId kHead{12};

struct Fixture : Office {
    Fixture() { push_until(std::nullopt); }

    void push_until(std::optional<JobId> job) {
        PushRequest request{{}, {}, list_of(user_secret("A", "value")), job};
        REQUIRE(services.runs.push_run(alice, run_id("r"), request).ok());
    }
    Status bind(Uid uid, JobId job = kHead) {
        return services.run_ends.bind({run_id("r"), job, uid});
    }
    JobId until() { return info("r").head.until_job; }
    bool is_there() const { return vault.find_run(run_id("r")) != nullptr; }
};

TEST_CASE("RunEndService: ends a run with the job of its push, and with no other") {
    Fixture office;
    office.push_until(kHead);
    office.services.run_ends.end(run_id("r"), JobId{13});
    CHECK(office.is_there());
    CHECK(office.services.run_ends.runs_until(JobId{13}).empty());
    REQUIRE(office.services.run_ends.runs_until(kHead) == std::vector{run_id("r")});
    const std::uint64_t completed = audit::count_of(audit::Kind::complete);
    office.services.run_ends.end(run_id("r"), kHead);
    CHECK_FALSE(office.is_there());
    CHECK(audit::count_of(audit::Kind::complete) == completed + 1);
    office.services.run_ends.end(run_id("r"), kHead);  // twice
    CHECK(audit::count_of(audit::Kind::complete) == completed + 1);
}

TEST_CASE("RunEndService: refuses what still names a run that ended with its job") {
    Fixture office;
    office.push_until(kHead);
    office.services.run_ends.end(run_id("r"), kHead);
    const std::string ended = "run r ended with job 12 at 1970-01-12T13:46:40Z";
    CHECK(refusal_of(office.ask(office.alice, "run:r", 1000)) == ended);
    CHECK(refusal_of(office.ask(office.alice, "run:r?,A,B")) ==
          ended +
              "; secret A is not among the secrets of run r; "
              "secret B is not among the secrets of run r");
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "run:r?")));
    CHECK(std::holds_alternative<Nothing>(office.ask(office.alice, "run:r?,A?")));
    CHECK(refusal_of(office.ask(office.bob, "run:r?,A")) ==
          "secret A is not among the secrets of run r");
}

TEST_CASE("RunEndService: binds a run to a head job of its owner, with its values") {
    Fixture office;
    CHECK_FALSE(office.services.run_ends.is_bound(run_id("r")));
    CHECK(office.bind(office.bob).message() == "run r belongs to another user than job 12");
    CHECK(office.until() == JobId());
    CHECK(office.bind(office.alice).ok());
    CHECK(office.until() == kHead);
    CHECK(office.services.run_ends.is_bound(run_id("r")));
    CHECK(office.info("r").head.generation == 1);
    CHECK(given(office.ask(office.alice, "run:r,A")) == "A=value\n");
}

TEST_CASE("RunEndService: keeps the first job that a run was bound to") {
    Fixture office;
    REQUIRE(office.bind(office.alice).ok());
    CHECK(office.bind(office.alice, JobId{13}).ok());
    CHECK(office.until() == kHead);
    office.push_until(JobId{14});
    CHECK(office.until() == JobId{14});
    CHECK(office.bind(office.alice).ok());
    CHECK(office.until() == JobId{14});
}

TEST_CASE(
    "RunEndService: keeps the job at a push that names none only if the job holds something") {
    Fixture office;
    REQUIRE(office.bind(office.alice).ok());
    office.ask(office.alice, "run:r", 0, kHead);
    office.push_until(std::nullopt);
    CHECK(office.until() == kHead);
    office.services.grants.wipe(kHead);  // it may have ended
    office.push_until(std::nullopt);
    CHECK(office.until() == JobId());
    CHECK(office.services.run_ends.jobs(JobId(), 10).empty());
    office.services.run_ends.end(run_id("r"), kHead);
    CHECK(office.is_there());
}

TEST_CASE("RunEndService: keeps the job at a push while a node holds something for the job") {
    Fixture office;
    REQUIRE(office.bind(office.alice).ok());
    office.services.context.node_holds.granted("n1", {"r", kHead}, at(1));
    office.push_until(std::nullopt);
    CHECK(office.until() == kHead);
}

TEST_CASE("RunEndService: binds no run that is not there") {
    Fixture office;
    CHECK(office.services.run_ends.bind({run_id("other"), kHead, office.alice}).message() ==
          "run other is not known");
    office.services.run_ends.end(run_id("other"), kHead);
    CHECK(office.is_there());
}

TEST_CASE("RunEndService: lists each job once, and knows which has a hold") {
    Fixture office;
    office.push_until(kHead);
    for (const char* run : {"s", "t"}) {
        PushRequest request{"alice", {}, {}, run[0] == 's' ? kHead : JobId{7}};
        office.services.context.limits.runs_per_owner = 10;
        REQUIRE(office.services.runs.push_run(kRoot, run_id(run), request).ok());
    }
    CHECK(office.services.run_ends.jobs(JobId(), 10) == std::vector{JobId{7}, kHead});
    CHECK(office.services.run_ends.jobs(JobId(), 1) == std::vector{JobId{7}});
    CHECK(office.services.run_ends.jobs(JobId{7}, 10) == std::vector{kHead});
    CHECK(office.services.run_ends.runs_until(kHead) == std::vector{run_id("r"), run_id("s")});
    CHECK_FALSE(office.services.run_ends.has_hold(kHead));
    office.ask(office.alice, "run:r", 0, kHead);
    CHECK(office.services.run_ends.has_hold(kHead));
    office.services.grants.wipe(kHead);
    CHECK_FALSE(office.services.run_ends.has_hold(kHead));
    office.services.context.node_holds.granted("n1", {"r", kHead}, at(1));
    CHECK(office.services.run_ends.has_hold(kHead));
    CHECK(office.services.context.node_holds.reported("n1", {}, at(2)) == std::vector{kHead});
    CHECK_FALSE(office.services.run_ends.has_hold(kHead));
}

}  // namespace
}  // namespace secrets::service
