// SPDX-License-Identifier: Apache-2.0
// Promise: a wipe needs no memory: it comes before the sentences about it, and before all that may
// be slow.

#include <fcntl.h>

#include "agentd/vault/slab.h"
#include "agentd/vault/vault.h"
#include "tests/unit/catch.h"
#include "tests/unit/failing_new.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"

namespace secrets::service {
namespace {

constexpr const char* kFirst = "a-run-whose-id-is-no-short-string";
constexpr const char* kSecond = "another-run-whose-id-is-no-short-string";

/// Two runs of alice, and a job with a grant of each.
struct Holdings {
    Holdings() {
        for (const char* run : {kFirst, kSecond}) {
            REQUIRE(office.push(office.alice, run, {}, list_of(user_secret("A", run))).ok());
            (void)office.ask(office.alice, "run:" + std::string(run), 0, JobId{7});
        }
        REQUIRE(office.vault.inventory().runs == 2);
        REQUIRE(office.vault.find_hold(JobId{7}) != nullptr);
    }
    Office office{Office::large()};
};

/// Calls a function without any memory. Returns whether an exception ended the call.
template <typename Function>
bool throws_without_memory(Function function) {
    const NoMemory now;
    try {
        function();
        return false;
    } catch (const std::bad_alloc&) {
        return true;
    }
}

TEST_CASE("Expiry: wipes every run that has expired without memory for a sentence") {
    Holdings holdings;
    holdings.office.time += std::chrono::hours(10'000);
    CHECK_FALSE(throws_without_memory([&] { (void)holdings.office.services.expiry.expire(); }));
    CHECK(holdings.office.vault.inventory().runs == 0);
}

TEST_CASE("GrantService: wipes a hold without memory for a receipt") {
    Holdings holdings;
    throws_without_memory([&] { (void)holdings.office.services.grants.wipe(JobId{7}); });
    CHECK(holdings.office.vault.find_hold(JobId{7}) == nullptr);
    CHECK(holdings.office.vault.inventory().holds == 0);
}

TEST_CASE("ReplicationService: wipes a run that ended elsewhere without memory for a sentence") {
    Holdings holdings;
    const RunId run = run_id(kFirst);
    throws_without_memory([&] { holdings.office.services.replication.drop_replicated_run(run); });
    CHECK(holdings.office.vault.find_run(run) == nullptr);
}

TEST_CASE("Vault: wipes all that the next process would not find without memory") {
    Holdings holdings;
    CHECK_FALSE(throws_without_memory([&] { (void)holdings.office.vault.wipe_unkept(); }));
    CHECK(holdings.office.vault.inventory().runs == 0);
    CHECK(holdings.office.vault.inventory().holds == 0);
}

TEST_CASE("GrantService: wipes a hold that has no grants") {
    auto region = LockedRegion::create(64UL * 1024, best_memory_kind());
    REQUIRE(region.ok());
    const UniqueFd fd(fcntl(region->fd(), F_DUPFD_CLOEXEC, 0));
    {
        const vault::Hold hold{JobId{7}, Uid{1001}, at(5), {}};
        vault::Slab slab(std::move(region).value());
        const auto draft =
            slab.begin(vault::RecordType::hold, vault::hold_payload_size(hold), std::uint64_t{1});
        REQUIRE(draft);
        vault::write_hold(hold, draft->payload);
        slab.commit(draft->offset);
        slab.leave();
    }
    vault::Shelf shelf;
    REQUIRE(shelf.keep("slab-1", fd.get()));
    vault::Vault vault(best_memory_kind(), 64UL * 1024 * 1024, &shelf);
    Services services(
        Office::large(), vault, [] { return at(10); }, nullptr);
    REQUIRE(vault.restore(shelf.hand_out()).holds == 1);
    CHECK(services.grants.wipe(JobId{7}) == "job 7 ended: its hold with 0 grants was wiped");
    CHECK(vault.find_hold(JobId{7}) == nullptr);
    CHECK(shelf.size() == 0);
}

}  // namespace
}  // namespace secrets::service
