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
    for (const StoredSecret& secret : vault.secrets_of(run_id(run))) {
        if (secret.name == name) return std::string(text_of(secret.value.bytes()));
    }
    return "(none)";
}

TEST_CASE("what is put is what is read, byte for byte, until it is wiped") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const std::string odd("a\0b\n\xff", 5);
    REQUIRE_FALSE(
        vault.put_run(head("r"), list_of(user_secret("A", odd), workspace_secret("E", ""))));
    CHECK(value_of(vault, "r", "A") == odd);
    CHECK(value_of(vault, "r", "E").empty());
    CHECK(vault.inventory().runs == 1);
    const Wiped wiped = vault.wipe_run(run_id("r"));
    CHECK(wiped.records == 1);
    CHECK(vault.find_run(run_id("r")) == nullptr);
    CHECK(vault.wipe_run(run_id("r")).records == 0);
}

TEST_CASE("a slab without records is dropped") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE_FALSE(vault.put_run(head("r"), list_of(user_secret("A", "a"))));
    REQUIRE_FALSE(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(1)));
    CHECK(vault.inventory().slabs == 1);
    vault.wipe_run(run_id("r"));
    CHECK(vault.inventory().slabs == 1);
    vault.wipe_hold(JobId{1});
    CHECK(vault.inventory().slabs == 0);
    CHECK(vault.inventory().slab_bytes == 0);
    CHECK(vault.inventory().secret_bytes == 0);
}

TEST_CASE("a run that is put again is replaced as a whole") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE_FALSE(
        vault.put_run(head("r", 50), list_of(user_secret("A", "old"), user_secret("B", "b"))));
    REQUIRE_FALSE(vault.put_run(head("r", 90), list_of(user_secret("A", "new"))));
    CHECK(value_of(vault, "r", "A") == "new");
    CHECK(value_of(vault, "r", "B") == "(none)");
    CHECK(vault.inventory().runs == 1);
    CHECK(vault.runs_of(Uid{1001}) == 1);
    CHECK(vault.next_to_expire()->expires == at(90));
}

TEST_CASE("a full vault refuses, and what it has stays") {
    Vault vault(best_memory_kind(), 2 * kMiB);
    const std::string large(900 * 1024, 'x');
    REQUIRE_FALSE(vault.put_run(head("a"), list_of(user_secret("A", large))));
    REQUIRE_FALSE(vault.put_run(head("b"), list_of(user_secret("A", large))));
    const Failure refused = vault.put_run(head("c"), list_of(user_secret("A", large)));
    REQUIRE(refused);
    CHECK(refused->sentence.find("limits.total_bytes") != std::string::npos);
    CHECK(vault.put_run(head("a"), list_of(user_secret("A", large + large))));
    CHECK(value_of(vault, "a", "A") == large);
    CHECK(vault.find_run(run_id("c")) == nullptr);
    CHECK(vault.inventory().runs == 2);
}

TEST_CASE("a record that is larger than a slab has one of its own") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const std::string large(3 * kMiB, 'y');
    REQUIRE_FALSE(vault.put_run(head("r"), list_of(user_secret("A", large))));
    CHECK(value_of(vault, "r", "A") == large);
}

TEST_CASE("the next run to expire is the earliest") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    CHECK_FALSE(vault.next_to_expire());
    for (const auto& [id, expires] : {std::pair("b", 20), std::pair("a", 10), std::pair("c", 30)}) {
        REQUIRE_FALSE(vault.put_run(head(id, expires), {}));
    }
    CHECK(vault.next_to_expire()->id == run_id("a"));
    vault.wipe_run(run_id("a"));
    CHECK(vault.next_to_expire()->id == run_id("b"));
}

TEST_CASE("a hold knows each grant of its job once, in its latest state") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    const auto hold = [&](const Grant& grant) {
        REQUIRE_FALSE(vault.hold(JobId{5}, Uid{1001}, grant, at(1)));
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

TEST_CASE("a delivery holds exactly its entries, and is readable through its descriptor alone") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE_FALSE(vault.put_run(head("r"), list_of(user_secret("A", "a$`\"\\ "))));
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

TEST_CASE("a run of ten secrets of 64 bytes takes at most 2 KiB of locked memory") {
    constexpr std::size_t kRuns = 2000;
    Vault vault(best_memory_kind(), 64 * kMiB);
    for (std::size_t n = 0; n < kRuns; ++n) {
        std::vector<NewSecret> ten;
        for (int s = 0; s < 10; ++s) {
            ten.push_back(user_secret("SECRET_" + std::to_string(s), std::string(64, 'v')));
        }
        REQUIRE_FALSE(vault.put_run(head("run-" + std::to_string(n)), ten));
    }
    CHECK(vault.inventory().slab_bytes / kRuns <= 2048);
}

TEST_CASE("wiping everything leaves nothing") {
    Vault vault(best_memory_kind(), 64 * kMiB);
    REQUIRE_FALSE(vault.put_run(head("r"), list_of(user_secret("A", "a"))));
    REQUIRE_FALSE(vault.hold(JobId{1}, Uid{1001}, {"A", "r", 1}, at(1)));
    CHECK(vault.wipe_all().records == 2);
    const Inventory inventory = vault.inventory();
    CHECK(inventory.runs + inventory.holds + inventory.slabs + inventory.slab_bytes == 0);
}

TEST_CASE("no truncated record of a run or a hold is read") {
    const auto secrets = list_of(user_secret("A", "value"));
    Bytes run(run_payload_size(head("r"), secrets));
    write_run(head("r"), secrets, run);
    const Hold hold{JobId{1}, Uid{2}, at(3), {{"ask", "run", 4}}};
    Bytes held(hold_payload_size(hold));
    write_hold(hold, held);
    CHECK(read_run_secrets(run).ok());
    CHECK(read_hold(held)->grants.front().ask == "ask");
    for (std::size_t n = 0; n < run.size(); ++n) {
        CHECK_FALSE(read_run_secrets(std::span(run).first(n)).ok());
    }
    for (std::size_t n = 0; n < held.size(); ++n) {
        CHECK_FALSE(read_hold(std::span(held).first(n)).ok());
    }
}

}  // namespace
}  // namespace secrets::vault
