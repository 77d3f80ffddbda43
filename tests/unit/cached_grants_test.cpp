// SPDX-License-Identifier: Apache-2.0
// Promise: what a hub granted to a job is kept as long as the job holds it, over restarts too, and
// not a moment longer.

#include "agentd/vault/vault.h"
#include "common/ipc/unix_socket.h"
#include "tests/unit/catch.h"
#include "tests/unit/guarded_bytes.h"
#include "tests/unit/secrets_of.h"
#include "tests/unit/shelf.h"

namespace secrets::vault {
namespace {

constexpr std::size_t kCapacity = 64UL * 1024 * 1024;

/// An image of one variable.
SecretBuffer image_of(std::string_view value) {
    const SecretBuffer bytes = buffer_of(value);
    const DeliveryEntry entry{"TOKEN", bytes.view()};
    SecretBuffer image(delivery_size({&entry, 1}));
    REQUIRE(write_delivery({&entry, 1}, image.bytes()).ok());
    return image;
}

CachedGrant grant_of(std::uint32_t job, std::string ask = "TOKEN", std::string tag = "\"1\"") {
    return {JobId{job}, Uid{1001}, std::move(ask), "r", std::move(tag)};
}

std::string value_of(const Vault& vault, std::uint32_t job, const std::string& ask = "TOKEN") {
    if (vault.find_cached_grant(JobId{job}, ask) == nullptr) return "(none)";
    const auto delivery = vault.deliver_cached_grant(JobId{job}, ask);
    REQUIRE(delivery.ok());
    const auto view = RegionView::map(delivery->fd.get());
    REQUIRE(view.ok());
    const auto entries = read_delivery(view->bytes());
    REQUIRE(entries.ok());
    return std::string(text_of(entries->front().value.bytes()));
}

bool holds_text(const Shelf& shelf, std::string_view text) {
    for (const auto& [name, fd] : shelf.all()) {
        const auto view = RegionView::map(fd.get());
        REQUIRE(view.ok());
        if (text_of(view->bytes()).find(text) != std::string_view::npos) return true;
    }
    return false;
}

void hold(Vault& vault, std::uint32_t job) {
    REQUIRE(vault.hold(JobId{job}, Uid{1001}, {"TOKEN", "r", 1}, at(1)).ok());
}
void put(Vault& vault, const CachedGrant& grant, std::string_view value) {
    REQUIRE(vault.put_cached_grant(grant, image_of(value).view()).ok());
}

TEST_CASE("Cached grants: deliver what was stored for each spec of a job", "[cached_grants]") {
    Vault vault(best_memory_kind(), kCapacity);
    hold(vault, 7);
    hold(vault, 8);
    put(vault, grant_of(7), "one");
    put(vault, grant_of(7, "TOKEN?"), "two");
    put(vault, grant_of(8), "three");
    CHECK(value_of(vault, 7) == "one");
    CHECK(value_of(vault, 7, "TOKEN?") == "two");
    CHECK(value_of(vault, 8) == "three");
    CHECK(value_of(vault, 8, "TOKEN?") == "(none)");
    CHECK(vault.inventory().cached_grants == 3);
    put(vault, grant_of(7, "TOKEN", "\"2\""), "newer");
    CHECK(value_of(vault, 7) == "newer");
    CHECK(vault.find_cached_grant(JobId{7}, "TOKEN")->tag == "\"2\"");
    CHECK(vault.inventory().cached_grants == 3);
}

TEST_CASE("Cached grants: are rejected for a job without a hold", "[cached_grants]") {
    Vault vault(best_memory_kind(), kCapacity);
    const auto wrong = vault.put_cached_grant(grant_of(7), image_of("value").view());
    REQUIRE_FALSE(wrong.ok());
    CHECK(wrong.message() == "job 7 has no hold on this node");
    CHECK(vault.inventory().slabs == 0);
}

TEST_CASE("Cached grants: are bounded in number and in the bytes of their specs",
          "[cached_grants]") {
    Vault vault(best_memory_kind(), kCapacity);
    hold(vault, 7);
    std::size_t count = 0;
    SECTION("short specs") {
        for (; vault.may_cache_grant("TOKEN"); ++count) {
            put(vault, grant_of(7, "A" + std::to_string(count)), "x");
        }
        CHECK(count == kMaxCachedGrants);
    }
    SECTION("long specs") {
        const std::string spec(8000, 'A');
        for (; vault.may_cache_grant(spec + "1234"); ++count) {
            put(vault, grant_of(7, spec + std::to_string(1000 + count)), "x");
        }
        CHECK(count == kMaxCachedSpecBytes / 8004);
    }
    vault.wipe_hold(JobId{7});
    CHECK(vault.may_cache_grant(std::string(kMaxCachedSpecBytes, 'A')));
}

TEST_CASE("Cached grants: are wiped with their hold and survive a change of it",
          "[cached_grants]") {
    Shelf shelf;
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    hold(vault, 7);
    hold(vault, 8);
    put(vault, grant_of(7), "the value of 7");
    put(vault, grant_of(8), "the value of 8");
    REQUIRE(vault.hold(JobId{7}, Uid{1001}, {"OTHER", "r", 1}, at(2)).ok());
    CHECK(value_of(vault, 7) == "the value of 7");
    REQUIRE(holds_text(shelf, "the value of 7"));
    const WipeReceipt wiped = vault.wipe_hold(JobId{7});
    CHECK(wiped.records == 2);
    CHECK(value_of(vault, 7) == "(none)");
    CHECK_FALSE(holds_text(shelf, "the value of 7"));
    CHECK(value_of(vault, 8) == "the value of 8");
    CHECK(vault.wipe_cached_grant(JobId{8}, "OTHER").records == 0);
    CHECK(vault.wipe_cached_grant(JobId{8}, "TOKEN").records == 1);
    CHECK_FALSE(holds_text(shelf, "the value of 8"));
    CHECK(vault.find_hold(JobId{8}) != nullptr);
    CHECK(vault.inventory().secret_bytes == 0);
}

TEST_CASE("Cached grants: survive a restart in their newest version", "[cached_grants]") {
    Shelf shelf;
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        hold(vault, 7);
        put(vault, grant_of(7), "old");
        put(vault, grant_of(7, "TOKEN", "\"2\""), "new");
    }
    {
        Vault vault(best_memory_kind(), kCapacity, &shelf);
        const RecoveryReport restored = vault.restore(shelf.hand_out());
        CHECK(restored.cached_grants == 1);
        CHECK(restored.dropped == 0);
        CHECK(value_of(vault, 7) == "new");
        CHECK(vault.find_cached_grant(JobId{7}, "TOKEN")->tag == "\"2\"");
        CHECK(vault.find_cached_grant(JobId{7}, "TOKEN")->owner == Uid{1001});
        CHECK(vault.find_cached_grant(JobId{7}, "TOKEN")->run == "r");
        CHECK(vault.inventory().secret_bytes > 0);
        CHECK(vault.wipe_all().records == 2);
        CHECK(value_of(vault, 7) == "(none)");
    }
    CHECK(shelf.size() == 0);
}

TEST_CASE("Cached grants: are overwritten at a restart when they have no hold", "[cached_grants]") {
    const CachedGrant grant = grant_of(7);
    const SecretBuffer image = image_of("left behind");
    auto region = LockedRegion::create(1024 * 1024, best_memory_kind());
    REQUIRE(region.ok());
    Slab slab(std::move(region).value());
    const auto draft =
        slab.begin(RecordType::cached_grant, cached_grant_payload_size(grant, image.view()), 1);
    REQUIRE(draft);
    write_cached_grant(grant, image.view(), draft->payload);
    slab.commit(draft->offset);
    Shelf shelf;
    shelf.keep("slab-1", slab.fd());
    slab.leave();
    REQUIRE(holds_text(shelf, "left behind"));
    const UniqueFd same(fcntl(shelf.fd("slab-1"), F_DUPFD_CLOEXEC, 0));
    Vault vault(best_memory_kind(), kCapacity, &shelf);
    CHECK(vault.restore(shelf.hand_out()).cached_grants == 0);
    CHECK(shelf.size() == 0);
    const auto view = RegionView::map(same.get());
    REQUIRE(view.ok());
    CHECK(text_of(view->bytes()).find("left behind") == std::string_view::npos);
}

TEST_CASE("Cached grants: reject a damaged record", "[cached_grants]") {
    const SecretBuffer image = image_of("value");
    const CachedGrant grant = grant_of(7);
    Bytes payload(cached_grant_payload_size(grant, image.view()));
    write_cached_grant(grant, image.view(), payload);
    const auto read = read_cached_grant(GuardedBytes(payload).bytes());
    REQUIRE(read.ok());
    CHECK(read->job == grant.job);
    CHECK(read->ask == grant.ask);
    CHECK(text_of(image_in(payload).bytes()) == text_of(image.view().bytes()));
    for (std::size_t length = 0; length < payload.size(); ++length) {
        const Bytes cut(payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(length));
        CHECK_FALSE(read_cached_grant(GuardedBytes(cut).bytes()).ok());
    }
    Bytes longer = payload;
    longer.push_back(std::byte{0});
    CHECK_FALSE(read_cached_grant(GuardedBytes(longer).bytes()).ok());
    Bytes no_image = payload;
    no_image[payload.size() - image.size()] ^= std::byte{1};  // its magic
    CHECK_FALSE(read_cached_grant(GuardedBytes(no_image).bytes()).ok());
}

}  // namespace
}  // namespace secrets::vault
