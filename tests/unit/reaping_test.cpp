// SPDX-License-Identifier: Apache-2.0
// Promise: a hold is reaped when it is old enough to be asked about and its job has ended, and not
// when the job has been granted something meanwhile; a hold without grants is one like any other.

#include "tests/unit/catch.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"

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

/// Services whose vault has found holds without grants of alice's jobs 7 and 8, as an earlier
/// process may have left them.
struct FoundHolds {
    FoundHolds() {
        keep_the_log_quiet();
        vault::Slab slab(LockedRegion::create(64UL * 1024, best_memory_kind()).value());
        for (const JobId job : {JobId{7}, JobId{8}}) {
            const vault::Hold hold{job, alice, at(1), {}};
            const auto draft = slab.begin(vault::RecordType::hold, hold_payload_size(hold), 1);
            write_hold(hold, draft->payload);
            slab.commit(draft->offset);
        }
        shelf.keep("slab-1", slab.fd());
        slab.leave();
        REQUIRE(vault.restore(shelf.hand_out()).holds == 2);
    }

    const Uid alice = auth::uid_of("alice");
    vault::Shelf shelf;
    vault::Vault vault{best_memory_kind(), 64UL * 1024 * 1024, &shelf};
    Services services{Office::small(), vault, [] { return at(1000); }};
};

TEST_CASE("GrantService: wipes a hold without grants like any other") {
    FoundHolds found;
    GrantService& grants = found.services.grants;
    REQUIRE(grants.begin_reaping(kMinute) == std::vector{JobId{7}, JobId{8}});
    const std::uint64_t reaped = audit::count_of(audit::Kind::reap);
    CHECK(grants.reap(JobId{7}));
    CHECK(audit::count_of(audit::Kind::reap) == reaped + 1);
    CHECK_FALSE(grants.wipe(JobId{8}).empty());
    CHECK(found.vault.holds().empty());
    CHECK(found.shelf.size() == 0);
}

TEST_CASE("GrantService: grants to a job that has a hold without grants") {
    FoundHolds found;
    REQUIRE(found.services.runs
                .push_run(found.alice, run_id("r"), {{}, {}, list_of(user_secret("A", "a"))})
                .ok());
    const auto answer =
        found.services.grants.grant_step({JobId{7}, StepId{0}, found.alice, 0, "run:r"});
    CHECK(given(answer) == "A=a\n");
    CHECK(found.vault.find_hold(JobId{7})->grants.size() == 1);
    const RunInfo info = found.services.runs.read_run(kRoot, run_id("r")).value();
    REQUIRE(info.holders.size() == 1);
    CHECK(info.holders[0].job == JobId{7});
}

}  // namespace
}  // namespace secrets::service
