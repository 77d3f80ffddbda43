// SPDX-License-Identifier: Apache-2.0
// Promise: a hold is reaped when it is old enough to be asked about and its job has ended, and not
// when the job has been granted something meanwhile.

#include "tests/unit/catch.h"
#include "tests/unit/office.h"

namespace secrets::service {
namespace {

constexpr auto kMinute = std::chrono::seconds(60);

TEST_CASE("GrantService: lists the jobs whose holds are old enough to reap in job order") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    CHECK(office.services.grants.begin_reaping(kMinute).empty());
    office.ask(office.alice, "run:r", 0, JobId{9});
    office.ask(office.alice, "run:r", 0, JobId{7});
    office.time += kMinute / 2;
    office.ask(office.alice, "run:r", 0, JobId{8});
    office.ask(office.alice, "run:r,A", 0, JobId{9});
    CHECK(office.services.grants.begin_reaping(kMinute).empty());
    office.time += kMinute / 2;
    CHECK(office.services.grants.begin_reaping(kMinute) == std::vector{JobId{7}, JobId{9}});
    office.time += kMinute / 2;
    CHECK(office.services.grants.begin_reaping(kMinute) ==
          std::vector{JobId{7}, JobId{8}, JobId{9}});
}

TEST_CASE("GrantService: wipes the hold of a reaped job and no other") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    office.ask(office.alice, "run:r", 0, JobId{7});
    office.ask(office.alice, "run:r,A", 0, JobId{7});
    office.ask(office.alice, "run:r", 0, JobId{8});
    office.services.grants.begin_reaping(kMinute);
    CHECK(office.services.grants.reap(JobId{7}));
    CHECK(office.vault.find_hold(JobId{7}) == nullptr);
    CHECK(office.vault.find_hold(JobId{8}) != nullptr);
    const std::string before = office.state();
    CHECK(office.services.grants.reap(JobId{7}));
    CHECK(office.services.grants.reap(JobId{1234}));
    CHECK(office.state() == before);
}

TEST_CASE("GrantService: keeps the hold of a job that was granted more during a reaper round") {
    Office office;
    REQUIRE(office.push(office.alice, "r", {}, list_of(user_secret("A", "a"))).ok());
    office.ask(office.alice, "run:r", 0, JobId{7});
    office.time += kMinute;
    REQUIRE(office.services.grants.begin_reaping(kMinute) == std::vector{JobId{7}});
    office.ask(office.alice, "run:r", 0, JobId{7});  // requeued, and started again
    CHECK_FALSE(office.services.grants.reap(JobId{7}));
    CHECK(office.vault.find_hold(JobId{7}) != nullptr);
    // The next round's question comes after that.
    REQUIRE(office.services.grants.begin_reaping(kMinute) == std::vector{JobId{7}});
    CHECK(office.services.grants.reap(JobId{7}));
    CHECK(office.vault.find_hold(JobId{7}) == nullptr);
}

}  // namespace
}  // namespace secrets::service
