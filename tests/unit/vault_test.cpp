// SPDX-License-Identifier: Apache-2.0
// Promise: the vault gives back the bytes that were put, changes nothing when it refuses, and what
// it wipes is gone.

#include "agentd/vault/vault.h"

#include "tests/unit/catch.h"
#include "tests/unit/secrets_of.h"

namespace secrets::vault {
namespace {

constexpr std::size_t kMiB = 1024 * 1024;

RunHead head(std::string_view id, long long expires = 100, uid_t owner = 1001) {
    return {run_id(id), Uid{owner}, 1, at(1), at(expires)};
}

std::string value_of(const Vault& vault, std::string_view run, std::string_view name) {
    for (const RunSecret& secret : vault.secrets_of(run_id(run))) {
        if (secret.name == name) return std::string(text_of(secret.value.bytes()));
    }
    return "(none)";
}

TEST_CASE("Vault: returns a run byte for byte until it is wiped") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const std::string odd("a\0b\n\xff", 5);
    REQUIRE(
        vault.put_run(head("r"), list_of(user_secret("A", odd), workspace_secret("E", ""))).ok());
    CHECK(value_of(vault, "r", "A") == odd);
    CHECK(value_of(vault, "r", "E").empty());
    CHECK(vault.inventory().runs == 1);
    const WipeReceipt wiped = vault.wipe_run(run_id("r"));
    CHECK(wiped.records == 1);
    CHECK(vault.find_run(run_id("r")) == nullptr);
    CHECK(vault.wipe_run(run_id("r")).records == 0);
}

TEST_CASE("Vault: lists the jobs with which runs end, and the runs of each") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const auto put = [&](std::string_view run, JobId job) {
        RunHead bound = head(run);
        bound.until_job = job;
        REQUIRE(vault.put_run(bound, {}).ok());
    };
    put("r", JobId{9});
    put("s", JobId{5});
    put("t", JobId{9});
    put("u", JobId());
    CHECK(vault.jobs_that_end_runs(JobId(), 10) == std::vector{JobId{5}, JobId{9}});
    CHECK(vault.jobs_that_end_runs(JobId{5}, 10) == std::vector{JobId{9}});
    CHECK(vault.runs_until(JobId{9}) == std::vector{run_id("r"), run_id("t")});
    put("r", JobId{5});
    put("t", JobId());
    CHECK(vault.runs_until(JobId{9}).empty());
    CHECK(vault.runs_until(JobId{5}) == std::vector{run_id("r"), run_id("s")});
    vault.wipe_run(run_id("r"));
    vault.wipe_run(run_id("s"));
    CHECK(vault.jobs_that_end_runs(JobId(), 10).empty());
}

TEST_CASE("Vault: releases a slab without records") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "a"))).ok());
    REQUIRE(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    CHECK(vault.inventory().slabs == 1);
    vault.wipe_run(run_id("r"));
    CHECK(vault.inventory().slabs == 1);
    vault.wipe_hold(JobId{1});
    CHECK(vault.inventory().slabs == 0);
    CHECK(vault.inventory().slab_bytes == 0);
    CHECK(vault.inventory().secret_bytes == 0);
}

TEST_CASE("Vault: replaces a run as a whole when it is put again") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(
        vault.put_run(head("r", 50), list_of(user_secret("A", "old"), user_secret("B", "b"))).ok());
    REQUIRE(vault.put_run(head("r", 90), list_of(user_secret("A", "new"))).ok());
    CHECK(value_of(vault, "r", "A") == "new");
    CHECK(value_of(vault, "r", "B") == "(none)");
    CHECK(vault.inventory().runs == 1);
    CHECK(vault.runs_of(Uid{1001}) == 1);
    CHECK(vault.next_to_expire()->expires == at(90));
}

TEST_CASE("Vault: rejects a run when full and keeps what it has") {
    Vault vault(best_memory_kind(), 2 * kMiB);
    const std::string large(900 * 1024, 'x');
    REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", large))).ok());
    REQUIRE(vault.put_run(head("b"), list_of(user_secret("A", large))).ok());
    const Status refused = vault.put_run(head("c"), list_of(user_secret("A", large)));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.message().find("limits.total_bytes") != std::string::npos);
    CHECK_FALSE(vault.put_run(head("a"), list_of(user_secret("A", large + large))).ok());
    CHECK(value_of(vault, "a", "A") == large);
    CHECK(vault.find_run(run_id("c")) == nullptr);
    CHECK(vault.inventory().runs == 2);
}

TEST_CASE("Vault: uses what is left of its capacity for a last, smaller slab") {
    Vault vault(best_memory_kind(), kMiB + 512 * 1024);
    const std::string large(900 * 1024, 'x');
    REQUIRE(vault.put_run(head("a"), list_of(user_secret("A", large))).ok());
    REQUIRE(vault.put_run(head("b"), list_of(user_secret("A", large.substr(500 * 1024)))).ok());
    CHECK(vault.inventory().slab_bytes == kMiB + 512 * 1024);
}

TEST_CASE("Vault: stores a record that is larger than a slab") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const std::string large(3 * kMiB, 'y');
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", large))).ok());
    CHECK(value_of(vault, "r", "A") == large);
}

TEST_CASE("Vault: returns the run that expires first") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    CHECK_FALSE(vault.next_to_expire());
    for (const auto& [id, expires] : {std::pair("b", 20), std::pair("a", 10), std::pair("c", 30)}) {
        REQUIRE(vault.put_run(head(id, expires), {}).ok());
    }
    CHECK(vault.next_to_expire()->id == run_id("a"));
    vault.wipe_run(run_id("a"));
    CHECK(vault.next_to_expire()->id == run_id("b"));
}

TEST_CASE("Vault: keeps each grant of a job once and in its latest state") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const auto hold = [&](const Grant& grant) {
        REQUIRE(vault.hold(JobId{5}, Uid{1001}, grant, at(1)).ok());
    };
    hold({"A", "r", 1});
    hold({"A", "r", 1});
    hold({"B", "r", 1});
    hold({"A", "r", 2});
    const Hold* found = vault.find_hold(JobId{5});
    REQUIRE(found != nullptr);
    REQUIRE(found->grants.size() == 2);
    CHECK(found->grants[0].generation == 2);
    CHECK(vault.inventory().holds == 1);
    CHECK(vault.wipe_hold(JobId{5}).records == 1);
    CHECK(vault.find_hold(JobId{5}) == nullptr);
}

TEST_CASE("Vault: delivers exactly the given entries through a descriptor") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "a$`\"\\ "))).ok());
    const auto stored = vault.secrets_of(run_id("r"));
    const DeliveryEntry entry{"VARIABLE", stored.front().value};
    const auto delivery = vault.deliver({&entry, 1});
    REQUIRE(delivery.ok());
    const auto view = RegionView::map(delivery->fd.get());
    REQUIRE(view.ok());
    const auto read = read_delivery(view->bytes());
    REQUIRE(read.ok());
    REQUIRE(read->size() == 1);
    CHECK(read->front().variable == "VARIABLE");
    CHECK(text_of(read->front().value.bytes()) == "a$`\"\\ ");
}

TEST_CASE("Vault: takes at most 2 KiB for a run of ten secrets of 64 bytes") {
    constexpr std::size_t kRuns = 2000;
    Vault vault(best_memory_kind(), 64 * kMiB);
    for (std::size_t n = 0; n < kRuns; ++n) {
        std::vector<NewSecret> ten;
        for (int s = 0; s < 10; ++s) {
            ten.push_back(user_secret("SECRET_" + std::to_string(s), std::string(64, 'v')));
        }
        REQUIRE(vault.put_run(head("run-" + std::to_string(n)), ten).ok());
    }
    CHECK(vault.inventory().slab_bytes / kRuns <= 2048);
}

TEST_CASE("Vault: is empty after it wipes everything") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "a"))).ok());
    REQUIRE(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    CHECK(vault.wipe_all().records == 2);
    const Inventory inventory = vault.inventory();
    CHECK(inventory.runs + inventory.holds + inventory.slabs + inventory.slab_bytes == 0);
}

TEST_CASE("Vault: lists runs as they were put in the order of their ids") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const RunHead b{run_id("b"), Uid{1001}, 7, at(5), at(50)};
    REQUIRE(vault.put_run(b, list_of(user_secret("A", "old"))).ok());
    REQUIRE(vault.put_run(head("c", 30, 1002), {}).ok());
    REQUIRE(vault.put_run(head("a", 40), {}).ok());
    REQUIRE(vault.put_run({run_id("b"), Uid{1002}, 8, at(5), at(60)}, {}).ok());

    std::string listed;
    for (const RunHead* each : vault.runs()) {
        listed += each->id.text() + ":" + std::to_string(each->owner.value) + ":" +
                  std::to_string(each->generation) + " ";
    }
    CHECK(listed == "a:1001:1 b:1002:8 c:1002:1 ");
    CHECK(vault.find_run(run_id("b"))->created == at(5));
    CHECK(vault.find_run(run_id("b"))->expires == at(60));
    CHECK(vault.runs_of(Uid{1001}) == 1);
    CHECK(vault.runs_of(Uid{1002}) == 2);
    CHECK(vault.runs_of(Uid{0}) == 0);
    CHECK(vault.secrets_of(run_id("none")).empty());
    vault.wipe_run(run_id("a"));
    CHECK(vault.runs_of(Uid{1001}) == 0);
}

std::string ids_of(const std::vector<const RunHead*>& runs) {
    std::string ids;
    for (const RunHead* run : runs) ids += run->id.text();
    return ids;
}

TEST_CASE("Vault: lists the runs of some owners in parts") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    for (const char* id : {"f", "a", "c"}) REQUIRE(vault.put_run(head(id, 30, 1001), {}).ok());
    for (const char* id : {"b", "e"}) REQUIRE(vault.put_run(head(id, 30, 1002), {}).ok());
    REQUIRE(vault.put_run(head("d", 30, 1003), {}).ok());
    CHECK(vault.run_owners() == std::vector{Uid{1001}, Uid{1002}, Uid{1003}});
    const std::vector two{Uid{1001}, Uid{1002}};
    CHECK(ids_of(vault.runs_of(two, "", 10)) == "abcef");
    CHECK(ids_of(vault.runs_of(two, "", 2)) == "ab");
    CHECK(ids_of(vault.runs_of(two, "b", 2)) == "ce");
    CHECK(ids_of(vault.runs_of(two, "bb", 2)) == "ce");
    CHECK(ids_of(vault.runs_of(two, "f", 2)).empty());
    CHECK(vault.runs_of({}, "", 10).empty());
    vault.wipe_run(run_id("d"));
    REQUIRE(vault.put_run(head("a", 30, 1002), {}).ok());
    CHECK(vault.run_owners() == two);
    CHECK(ids_of(vault.runs_of(std::vector{Uid{1001}}, "", 10)) == "cf");
    CHECK(ids_of(vault.runs_of(std::vector{Uid{1002}}, "", 10)) == "abe");
    vault.wipe_all();
    CHECK(vault.runs_of(two, "", 10).empty());
}

TEST_CASE("Vault: finds the holders of a run as grants come and go") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const auto holders = [&](std::string_view run) {
        std::string jobs;
        for (const Hold* hold : vault.holders_of(run)) jobs += std::to_string(hold->job.value);
        return jobs;
    };
    REQUIRE(vault.hold(JobId{9}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    REQUIRE(vault.hold(JobId{9}, Uid{1001}, {"B", "r", 1}, at(1)).ok());
    REQUIRE(vault.hold(JobId{9}, Uid{1001}, {"A", "s", 1}, at(1)).ok());
    REQUIRE(vault.hold(JobId{2}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    REQUIRE(vault.hold(JobId{3}, Uid{1001}, {"A", "rr", 1}, at(1)).ok());
    CHECK(holders("r") == "29");
    CHECK(holders("s") == "9");
    CHECK(holders("rr") == "3");
    CHECK(holders("").empty());
    vault.wipe_hold(JobId{9});
    CHECK(holders("r") == "2");
    CHECK(holders("s").empty());
    vault.wipe_all();
    CHECK(holders("r").empty());
}

TEST_CASE("Vault: returns the number of wiped bytes and updates the inventory") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const auto secrets = list_of(user_secret("A", std::string(500, 'x')));
    const std::size_t bytes = run_payload_size(head("r"), secrets);
    REQUIRE(vault.put_run(head("r"), secrets).ok());
    REQUIRE(vault.put_run(head("s"), secrets).ok());
    REQUIRE(vault.put_run(head("s"), secrets).ok());
    CHECK(vault.inventory().secret_bytes == 2 * bytes);
    CHECK(vault.wipe_run(run_id("r")).bytes == bytes);
    CHECK(vault.inventory().secret_bytes == bytes);
    CHECK(vault.inventory().slab_bytes == kMiB);
}

TEST_CASE("Vault: never exceeds its capacity with the size of all slabs") {
    for (std::size_t more = 0; more < 9000; more += 500) {
        const std::size_t capacity = 3 * kMiB + more;
        Vault vault(best_memory_kind(), capacity);
        const std::size_t payload = run_payload_size(head("r"), list_of(user_secret("A", "")));
        for (std::size_t less = 0; less < 10000; less += 500) {
            const auto failure = vault.put_run(
                head("r"), list_of(user_secret("A", std::string(capacity - payload - less, 'x'))));
            CHECK(vault.inventory().slab_bytes <= capacity);
            if (failure.ok()) break;
        }
        CHECK(vault.inventory().slab_bytes >= 3 * kMiB - 64 * 1024);
    }
}

TEST_CASE("Vault: releases the slab of a large record with that record") {
    Vault vault(best_memory_kind(), 8 * kMiB);
    REQUIRE(vault.put_run(head("small"), list_of(user_secret("A", "a"))).ok());
    const std::string large(5 * kMiB, 'y');
    for (int round = 0; round < 3; ++round) {
        REQUIRE(vault.put_run(head("large"), list_of(user_secret("A", large))).ok());
        CHECK(vault.inventory().slabs == 2);
        vault.wipe_run(run_id("large"));
        CHECK(vault.inventory().slabs == 1);
        CHECK(vault.inventory().slab_bytes == kMiB);
    }
    CHECK(value_of(vault, "small", "A") == "a");
}

TEST_CASE("Vault: rejects a hold when full and keeps existing holds") {
    Vault vault(best_memory_kind(), kMiB);
    REQUIRE(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    const std::size_t payload = run_payload_size(head("r"), list_of(user_secret("A", "")));
    // Leaves less room than a second record of the hold takes.
    const std::size_t room = kMiB - 3 * Slab::kOverhead - 64;
    REQUIRE(
        vault.put_run(head("r"), list_of(user_secret("A", std::string(room - payload - 32, 'x'))))
            .ok());
    const Status refused = vault.hold(JobId{1}, Uid{1001}, {"A", "r", 2}, at(2));
    REQUIRE_FALSE(refused.ok());
    CHECK(refused.message() ==
          "the agent's memory for secrets is full (1048576 bytes; limits.total_bytes in its "
          "configuration)");
    CHECK_FALSE(vault.hold(JobId{2}, Uid{1001}, {"A", "r", 1}, at(2)).ok());
    REQUIRE(vault.holds().size() == 1);
    CHECK(vault.holds().front()->grants.front().generation == 1);
    CHECK(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(2)).ok());  // nothing to write
}

TEST_CASE("Vault: keeps the holds of jobs apart with the time of their first grant") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(vault.hold(JobId{9}, Uid{1001}, {"A", "r", 1}, at(1)).ok());
    REQUIRE(vault.hold(JobId{2}, Uid{1002}, {"A", "s", 1}, at(2)).ok());
    REQUIRE(vault.hold(JobId{9}, Uid{1001}, {"A", "s", 1}, at(3)).ok());
    const auto holds = vault.holds();
    REQUIRE(holds.size() == 2);
    CHECK(holds[0]->job == JobId{2});
    CHECK(holds[0]->owner == Uid{1002});
    CHECK(holds[1]->since == at(1));
    CHECK(holds[1]->grants.size() == 2);
    CHECK(vault.wipe_hold(JobId{7}).records == 0);
    vault.wipe_hold(JobId{9});
    CHECK(vault.find_hold(JobId{2})->grants.front().run == "s");
}

TEST_CASE("Vault: keeps each delivery independent of its run and of other deliveries") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE(vault.put_run(head("r"), list_of(user_secret("A", "value"))).ok());
    const DeliveryEntry entry{"A", vault.secrets_of(run_id("r")).front().value};
    const auto first = vault.deliver({&entry, 1});
    const auto second = vault.deliver({&entry, 1});
    REQUIRE(first.ok());
    REQUIRE(second.ok());
    CHECK(first->image_length == delivery_size({&entry, 1}));
    vault.wipe_all();
    // What one step does with its region does not reach another's.
    LockedRegion changed = LockedRegion::adopt(UniqueFd(dup(first->fd.get()))).value();
    wipe(changed.bytes());
    const RegionView view = RegionView::map(second->fd.get()).value();
    const auto entries = read_delivery(view.bytes());
    REQUIRE(entries.ok());
    CHECK(text_of(entries->front().value.bytes()) == "value");
}

TEST_CASE("Vault: returns an error for entries that cannot be delivered") {
    const Vault vault(best_memory_kind(), 64 * kMiB);
    const SecretBuffer value = buffer_of(std::string_view("x\0y", 3));
    const DeliveryEntry nul{"A", value.view()};
    CHECK(vault.deliver({&nul, 1}).status().message() ==
          "the value for 'A' contains a NUL byte, which a variable cannot hold");
    const DeliveryEntry steering{"LD_PRELOAD", SecretView()};
    CHECK_FALSE(vault.deliver({&steering, 1}).ok());
}

}  // namespace
}  // namespace secrets::vault
