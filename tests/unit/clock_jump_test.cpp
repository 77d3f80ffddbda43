// SPDX-License-Identifier: Apache-2.0
// Promise: an expiry follows the time that passes, and not the wall clock, when that jumps; what
// the disk, other hubs and people see are times of the wall clock.

#include "agentd/base/agent_clock.h"
#include "tests/unit/catch.h"
#include "tests/unit/kept.h"
#include "tests/unit/office.h"
#include "tests/unit/shelf.h"

namespace secrets::service {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST_CASE("AgentClock: counts the time since the boot and measures how far the wall clock jumped",
          "[clock_jump]") {
    AgentClock::Reading clocks{milliseconds(5'400), milliseconds(1'000'000'900)};
    const auto read = [&] { return clocks; };
    const AgentClock clock(std::nullopt, read);
    CHECK(clock.now() == at(1'000'000));
    CHECK(clock.wall_ahead() == seconds(0));
    CHECK(clock.until(at(1'000'002)) == milliseconds(1'100));
    CHECK(clock.until(at(999'999)) == milliseconds(0));

    clocks.since_boot += minutes(1);
    clocks.wall += minutes(1) + hours(24);
    CHECK(clock.now() == at(1'000'060));
    CHECK(clock.wall_ahead() == hours(24));

    // The next process goes on with it, and one that takes nothing over starts from the wall clock.
    CHECK(AgentClock(clock.offset(), read).now() == at(1'000'060));
    CHECK(AgentClock(std::nullopt, read).now() == at(1'000'060 + 86'400));

    clocks.wall -= hours(48);
    CHECK(clock.now() == at(1'000'060));
    CHECK(clock.wall_ahead() == -hours(24));
}

TEST_CASE("Vault: names new slabs after the clock of their times", "[clock_jump]") {
    vault::Shelf shelf;
    vault::Vault vault(best_memory_kind(), 1 << 24, &shelf);
    vault.set_slab_suffix("123");
    REQUIRE(vault.put_run({run_id("r"), Uid{1}, 1, at(1), at(2)}, {}).ok());
    CHECK(shelf.all().contains("slab-1-123"));
}

/// Services with a store, and a wall clock that the test moves apart from the agent's clock.
struct JumpingOffice {
    TemporaryFolder folder;
    std::unique_ptr<store::SecretStore> store = open();
    Office office{Office::small(), 64UL * 1024 * 1024, store.get()};
    seconds ahead{0};

    JumpingOffice() {
        const auto wall_ahead = [this] { return ahead; };
        office.services.context.wall_ahead = wall_ahead;
        store->set_wall_ahead(wall_ahead);
    }
    std::unique_ptr<store::SecretStore> open() const {
        return std::move(
            store::SecretStore::open(folder.file("store.db"), store::key_of(folder, 'k')).value());
    }
    store::SecretHead set(const std::string& name, const std::string& ttl) {
        auto put = office.services.secrets.put_secret(office.alice, {}, name,
                                                      {buffer_of("value"), ttl}, {});
        REQUIRE(put.ok());
        return put->secret;
    }
    bool is_set(const std::string& name) {
        return office.services.secrets.read_secret(office.alice, {}, name).ok();
    }
};

TEST_CASE("Expiry: runs and stored secrets expire by the time that passed however the clock jumps",
          "[clock_jump]") {
    JumpingOffice jumping;
    Office& office = jumping.office;
    REQUIRE(office.push(office.tower, "r", "alice", {}, "1h").ok());
    const vault::Time created = office.info("r").head.created;
    jumping.set("TOKEN", "1h");
    const auto jump = GENERATE(hours(48), hours(-48), hours(400'000));
    jumping.ahead = jump;
    office.time += minutes(59);
    office.services.expiry.expire();
    REQUIRE(jumping.is_set("TOKEN"));
    const RunInfo run = office.info("r");
    CHECK(run.head.expires == office.time + minutes(1) + jump);
    CHECK(run.head.created == created);  // by which hubs recognise the run
    CHECK(given(office.ask(office.alice, "TOKEN")) == "TOKEN=value\n");
    office.time += minutes(1);
    office.services.expiry.expire();
    CHECK_FALSE(jumping.is_set("TOKEN"));
    CHECK_FALSE(office.services.runs.read_run(kRoot, run_id("r")).ok());
}

TEST_CASE("SecretStore: the disk has times of the wall clock, which the next process follows",
          "[clock_jump]") {
    JumpingOffice jumping;
    jumping.ahead = hours(24 * 365);  // the clock was wrong at the boot, and was corrected
    const store::SecretHead head = jumping.set("TOKEN", "1h");
    CHECK(head.set == jumping.office.time + jumping.ahead);
    CHECK(head.expires == head.set + hours(1));
    CHECK(head.due == jumping.office.time + hours(1));

    jumping.store.reset();
    auto next = jumping.open();
    REQUIRE(next->next_to_expire());
    CHECK(next->next_to_expire()->due == *head.expires);  // its agent's clock is the wall clock
    next->set_wall_ahead([] { return hours(2); });
    CHECK(next->next_to_expire()->due == *head.expires - hours(2));
    CHECK(next->damage().empty());
}

}  // namespace
}  // namespace secrets::service
