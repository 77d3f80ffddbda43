// SPDX-License-Identifier: Apache-2.0
// Promise: a slab found again says exactly what was committed, what was not is wiped, and damage is
// never trusted.

#include "agentd/vault/slab.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::vault {
namespace {

constexpr std::size_t kSlabBytes = 16 * 1024;
// Where the format, written down in slab.h, has its fields.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kFirstExtentAt = 32;
constexpr std::size_t kSequenceAt = kFirstExtentAt + 16;
constexpr std::size_t kJobAt = kFirstExtentAt + 24;
constexpr std::size_t kFirstPayloadAt = kFirstExtentAt + 32;

/// A region that can be looked at and found again: plain locked memory and a second descriptor of
/// it.
struct Ground {
    Ground() : region(LockedRegion::create(kSlabBytes, MemoryKind::memfd).value()) {
        copy = UniqueFd(dup(region.fd()));
    }
    /// The region as another process would find it, once more mapped. Overwrites it when it goes.
    LockedRegion again() const { return LockedRegion::adopt(UniqueFd(dup(copy.get()))).value(); }

    LockedRegion region;
    UniqueFd copy;
};

Slab::Draft begin(Slab& slab, std::string_view text, std::uint64_t sequence = 1) {
    auto draft = slab.begin(RecordType::run, text.size(), sequence);
    REQUIRE(draft);
    memcpy(draft->payload.data(), text.data(), text.size());
    return *draft;
}

RecordOffset put(Slab& slab, std::string_view text, std::uint64_t sequence = 1) {
    const Slab::Draft draft = begin(slab, text, sequence);
    slab.commit(draft.offset);
    return draft.offset;
}

std::vector<std::string> texts_in(const Slab& slab) {
    std::vector<std::string> texts;
    slab.for_each([&](const RecordFound& found) { texts.emplace_back(text_of(found.payload)); });
    return texts;
}

bool contains(const Ground& ground, std::string_view text) {
    const RegionView view = RegionView::map(ground.copy.get()).value();
    return text_of(view.bytes()).find(text) != std::string_view::npos;
}

/// The CRC-32 of the format, bit by bit.
std::uint32_t crc32(std::span<const std::byte> bytes) {
    std::uint32_t crc = 0xffffffffU;
    for (const std::byte byte : bytes) {
        crc ^= static_cast<std::uint32_t>(byte);
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0xedb88320U : 0U);
    }
    return ~crc;
}

Bytes all_bytes(const Ground& ground) {
    const RegionView view = RegionView::map(ground.copy.get()).value();
    return Bytes(view.bytes().begin(), view.bytes().end());
}

TEST_CASE("Slab: restores committed records with their sequence when reopened") {
    Ground ground;
    Slab slab(std::move(ground.region));
    put(slab, "first", 7);
    const RecordOffset gone = put(slab, "second", 8);
    put(slab, std::string(1000, 'x'), 9);
    slab.free(gone);

    std::size_t dropped = 0;
    const auto reopened = Slab::reopen(ground.again(), dropped);
    REQUIRE(reopened.ok());
    CHECK(dropped == 0);
    CHECK(texts_in(*reopened) == std::vector<std::string>{"first", std::string(1000, 'x')});
    std::vector<std::uint64_t> sequences;
    reopened->for_each([&](const RecordFound& record) { sequences.push_back(record.sequence); });
    CHECK(sequences == std::vector<std::uint64_t>{7, 9});
    CHECK(reopened->free_bytes() == slab.free_bytes());
}

TEST_CASE(
    "Slab: restores the job with which a run ends, which is neither payload nor in the checksum") {
    Ground ground;
    Slab slab(std::move(ground.region));
    const auto draft = slab.begin(RecordType::run, 1, 7, 12);
    REQUIRE(draft);
    draft->payload[0] = std::byte{'x'};
    slab.commit(draft->offset);
    std::size_t dropped = 0;
    const auto jobs = [&] {
        std::vector<std::uint32_t> found;
        auto reopened = Slab::reopen(ground.again(), dropped);
        REQUIRE(reopened.ok());
        reopened->for_each([&](const RecordFound& record) { found.push_back(record.job); });
        reopened->leave();
        return found;
    };
    CHECK(jobs() == std::vector<std::uint32_t>{12});
    // As 0.2.0 writes it: the checksum is that of a run that ends with no job.
    auto region = LockedRegion::adopt(UniqueFd(dup(ground.copy.get())));
    REQUIRE(region.ok());
    memset(region->bytes().data() + kJobAt, 0, 8);
    CHECK(jobs() == std::vector<std::uint32_t>{0});
    CHECK(dropped == 0);
    region->bytes()[kJobAt] = std::byte{12};  // without its complement
    CHECK(jobs().empty());
    CHECK(dropped == 1);
}

TEST_CASE("Slab: knows without a search that a record is too large") {
    Ground ground;
    Slab slab(std::move(ground.region));
    std::vector<RecordOffset> records;
    while (slab.largest_free() >= 96) {
        if (slab.begin(RecordType::run, 64, 1)) continue;
        REQUIRE(slab.largest_free() < 96);  // the search in vain has lowered the bound
    }
    slab.for_each([&](const RecordFound&) { FAIL("drafts are not live"); });
    CHECK_FALSE(slab.begin(RecordType::run, 64, 1));

    Ground other;
    Slab mixed(std::move(other.region));
    while (auto draft = mixed.begin(RecordType::run, 64, 1)) records.push_back(draft->offset);
    for (std::size_t i = 0; i < records.size(); i += 2) mixed.free(records[i]);
    CHECK(mixed.largest_free() >= 96);
    CHECK_FALSE(mixed.begin(RecordType::run, 1000, 1));  // rejected at once
    const std::size_t free_bytes = mixed.free_bytes();
    CHECK(free_bytes > 1032);
    mixed.free(records[1]);  // joins its neighbours
    CHECK(mixed.largest_free() >= 3 * 96);
    CHECK(mixed.begin(RecordType::run, 2 * 96, 1));
}

TEST_CASE("Slab: wipes and counts an uncommitted record when reopened") {
    Ground ground;
    Slab slab(std::move(ground.region));
    put(slab, "whole");
    begin(slab, "half-written");
    std::size_t dropped = 0;
    const auto reopened = Slab::reopen(ground.again(), dropped);
    REQUIRE(reopened.ok());
    CHECK(dropped == 1);
    CHECK(texts_in(*reopened) == std::vector<std::string>{"whole"});
    CHECK_FALSE(contains(ground, "half-written"));
}

TEST_CASE("Slab: drops a live record with a flipped bit in any checked byte") {
    for (std::size_t at = kSequenceAt; at < kFirstPayloadAt + 5; ++at) {
        if (at >= kSequenceAt + 8 && at < kFirstPayloadAt) continue;  // reserved
        Ground ground;
        Slab slab(std::move(ground.region));
        put(slab, "value");
        LockedRegion damaged = ground.again();
        damaged.bytes()[at] ^= std::byte{1};
        std::size_t dropped = 0;
        const auto reopened = Slab::reopen(ground.again(), dropped);
        CAPTURE(at);
        REQUIRE(reopened.ok());
        CHECK(dropped == 1);
        CHECK(reopened->empty());
        CHECK_FALSE(contains(ground, "alue"));
    }
}

TEST_CASE("Slab: rejects an unknown format and inconsistent extents") {
    const auto error_after = [](std::size_t at, std::byte value) {
        Ground ground;
        Slab slab(std::move(ground.region));
        put(slab, "value");
        LockedRegion changed = ground.again();
        changed.bytes()[at] = value;
        std::size_t dropped = 0;
        const auto reopened = Slab::reopen(ground.again(), dropped);
        return reopened ? std::string("was taken") : reopened.status().message();
    };
    CHECK(error_after(0, std::byte{'x'}) == "the region is not a slab");
    CHECK(error_after(kVersionAt, std::byte{3}) ==
          "unknown slab format version 3; this agent supports version 2");
    CHECK(error_after(12, std::byte{1}) == "invalid slab length");
    CHECK(error_after(kFirstExtentAt, std::byte{0}) == "invalid slab extent at byte 32");
    CHECK(error_after(kFirstExtentAt + 2, std::byte{255}) == "invalid slab extent at byte 32");
}

TEST_CASE("Slab: zeroes freed bytes at once") {
    Ground ground;
    Slab slab(std::move(ground.region));
    put(slab, "stays");
    const RecordOffset gone = put(slab, "goes-away");
    REQUIRE(contains(ground, "goes-away"));
    slab.free(gone);
    CHECK_FALSE(contains(ground, "goes-away"));
    CHECK(contains(ground, "stays"));
}

TEST_CASE("Slab: fits a record as large as itself after frees in any order") {
    std::mt19937 random(20261125);
    for (int round = 0; round < 20; ++round) {
        Ground ground;
        Slab slab(std::move(ground.region));
        std::vector<RecordOffset> offsets;
        while (auto draft = slab.begin(RecordType::hold, random() % 500, 1)) {
            slab.commit(draft->offset);
            offsets.push_back(draft->offset);
        }
        std::shuffle(offsets.begin(), offsets.end(), random);
        for (const RecordOffset offset : offsets) slab.free(offset);
        CHECK(slab.empty());
        CHECK(slab.begin(RecordType::run, kSlabBytes - 2 * Slab::kOverhead, 1).has_value());
        CHECK_FALSE(slab.begin(RecordType::run, 0, 1).has_value());
    }
}

TEST_CASE("Slab: agrees with a model after many random puts and frees") {
    std::mt19937 random(7);
    Ground ground;
    Slab slab(std::move(ground.region));
    std::vector<std::pair<RecordOffset, std::string>> model;
    for (int step = 0; step < 5000; ++step) {
        if (model.empty() || random() % 3 != 0) {
            const std::string text(random() % 700, static_cast<char>('a' + step % 26));
            const auto draft = slab.begin(RecordType::run, text.size(), 1);
            if (!draft) continue;
            std::copy(text.begin(), text.end(), reinterpret_cast<char*>(draft->payload.data()));
            slab.commit(draft->offset);
            model.emplace_back(draft->offset, text);
        } else {
            const std::size_t victim = random() % model.size();
            slab.free(model[victim].first);
            model.erase(model.begin() + static_cast<std::ptrdiff_t>(victim));
        }
    }
    for (const auto& [offset, text] : model) CHECK(text_of(slab.payload(offset)) == text);
    std::size_t dropped = 0;
    const auto reopened = Slab::reopen(ground.again(), dropped);
    REQUIRE(reopened.ok());
    CHECK(dropped == 0);
    CHECK(texts_in(*reopened).size() == model.size());
}

TEST_CASE("Slab: has exactly the documented bytes") {
    constexpr std::uint32_t kExtentBytes = 32 + 32;
    Bytes checked;
    append_number<std::uint16_t>(checked, 2);  // type: hold
    append_number<std::uint32_t>(checked, 5);
    append_number<std::uint64_t>(checked, 9);
    append(checked, "value");

    Bytes expected;
    append(expected, "SLSSLAB1");
    append_number<std::uint32_t>(expected, 2);  // version
    append_number<std::uint32_t>(expected, kSlabBytes);
    expected.resize(32);
    append_number<std::uint32_t>(expected, kExtentBytes);
    append_number<std::uint16_t>(expected, 2);  // live
    append_number<std::uint16_t>(expected, 2);  // hold
    append_number<std::uint32_t>(expected, 5);
    append_number<std::uint32_t>(expected, crc32(checked));
    append_number<std::uint64_t>(expected, 9);
    append_number<std::uint64_t>(expected, 0);
    append(expected, "value");
    expected.resize(32 + kExtentBytes);
    append_number<std::uint32_t>(expected, kSlabBytes - 32 - kExtentBytes);
    append_number<std::uint32_t>(expected, 0);  // free
    expected.resize(kSlabBytes);

    Ground ground;
    Slab slab(std::move(ground.region));
    auto draft = slab.begin(RecordType::hold, 5, 9);
    REQUIRE(draft);
    memcpy(draft->payload.data(), "value", 5);
    slab.commit(draft->offset);
    CHECK(all_bytes(ground) == expected);
}

TEST_CASE("Slab: keeps each record whole or wiped after any single bit flip") {
    const std::vector<std::string> texts = {"first-record", std::string(40, 's') + "second",
                                            "third-record", "fourth-record"};
    std::size_t end = 0;
    {
        Ground ground;
        Slab slab(std::move(ground.region));
        for (const std::string& text : texts) put(slab, text);
        end = kSlabBytes - slab.free_bytes() + 32;  // and the header of the free extent
    }
    std::size_t refused = 0;
    std::size_t damaged = 0;
    for (std::size_t bit = 0; bit < end * 8; ++bit) {
        CAPTURE(bit / 8, bit % 8);
        Ground ground;
        Slab slab(std::move(ground.region));
        for (const std::string& text : texts) put(slab, text);
        LockedRegion flipped = ground.again();
        flipped.bytes()[bit / 8] ^= static_cast<std::byte>(1U << bit % 8);
        std::size_t dropped = 0;
        const auto reopened = Slab::reopen(ground.again(), dropped);
        if (!reopened) {
            ++refused;
            continue;
        }
        const auto found = texts_in(*reopened);
        if (found.size() < texts.size()) ++damaged;
        for (const std::string& text : texts) {
            const bool is_found = std::find(found.begin(), found.end(), text) != found.end();
            if (!is_found && contains(ground, text)) FAIL("a record was lost and not wiped");
        }
        for (const std::string& text : found) {
            if (std::find(texts.begin(), texts.end(), text) == texts.end()) {
                FAIL("a record is there that was never written");
            }
        }
    }
    // Of the slab header all but the zeros matter; of each record its checked fields and its state.
    CHECK(refused >= 16 * 8);
    CHECK(damaged >= texts.size() * (4 + 4 + 8) * 8);
}

TEST_CASE("Slab: wipes and counts a record of an unknown type") {
    Ground ground;
    Slab slab(std::move(ground.region));
    const auto draft = slab.begin(static_cast<RecordType>(99), 7, 1);
    REQUIRE(draft);
    memcpy(draft->payload.data(), "unknown", 7);
    slab.commit(draft->offset);
    put(slab, "known");
    std::size_t dropped = 0;
    const auto reopened = Slab::reopen(ground.again(), dropped);
    REQUIRE(reopened.ok());
    CHECK(dropped == 1);
    CHECK(texts_in(*reopened) == std::vector<std::string>{"known"});
    CHECK_FALSE(contains(ground, "unknown"));
}

TEST_CASE("Slab: leaves no trace of an abandoned draft") {
    Ground ground;
    Slab slab(std::move(ground.region));
    const Bytes fresh = all_bytes(ground);
    const Slab::Draft draft = begin(slab, "given-up");
    CHECK_FALSE(slab.empty());
    CHECK(texts_in(slab).empty());
    slab.free(draft.offset);
    CHECK(slab.empty());
    CHECK(all_bytes(ground) == fresh);
}

TEST_CASE("Slab: equals a fresh slab once all records are freed") {
    std::mt19937 random(42);
    Ground ground;
    Slab slab(std::move(ground.region));
    const Bytes fresh = all_bytes(ground);
    const std::size_t room = slab.free_bytes();
    std::vector<RecordOffset> offsets;
    while (auto draft = slab.begin(RecordType::run, random() % 300, 1)) {
        std::fill(draft->payload.begin(), draft->payload.end(), std::byte{0xAA});
        if (random() % 4 != 0) slab.commit(draft->offset);
        offsets.push_back(draft->offset);
    }
    std::shuffle(offsets.begin(), offsets.end(), random);
    for (const RecordOffset offset : offsets) slab.free(offset);
    CHECK(all_bytes(ground) == fresh);
    CHECK(slab.free_bytes() == room);
}

TEST_CASE("Slab: counts free space and changes nothing when a record does not fit") {
    Ground ground;
    Slab slab(std::move(ground.region));
    CHECK(slab.size() == kSlabBytes);
    CHECK(slab.free_bytes() == kSlabBytes - Slab::kOverhead);
    const RecordOffset first = put(slab, "");  // a header alone
    CHECK(slab.free_bytes() == kSlabBytes - Slab::kOverhead - 32);
    put(slab, std::string(33, 'x'));
    CHECK(slab.free_bytes() == kSlabBytes - Slab::kOverhead - 32 - 96);
    const Bytes before = all_bytes(ground);
    CHECK_FALSE(slab.begin(RecordType::run, slab.free_bytes() - 31, 1).has_value());
    CHECK_FALSE(slab.begin(RecordType::run, SIZE_MAX / 2, 1).has_value());
    CHECK(all_bytes(ground) == before);
    slab.free(first);
    CHECK(slab.begin(RecordType::run, slab.free_bytes() - 32 - 32, 1).has_value());
}

TEST_CASE("Slab: accepts changes after each of many reopens") {
    Ground ground;
    std::optional<Slab> slab(std::in_place, std::move(ground.region));
    std::vector<Slab> earlier;  // each overwrites the region when it goes
    std::mt19937 random(3);
    std::vector<std::string> model;
    for (int life = 0; life < 30; ++life) {
        const std::string text(random() % 900, static_cast<char>('a' + life % 26));
        begin(*slab, "unfinished");
        if (auto draft = slab->begin(RecordType::run, text.size(), 1)) {
            if (!text.empty()) memcpy(draft->payload.data(), text.data(), text.size());
            slab->commit(draft->offset);
            model.push_back(text);
        }
        if (life % 3 == 2) {
            std::optional<RecordOffset> first;
            slab->for_each([&](const RecordFound& record) {
                if (!first) first = record.offset;
            });
            const std::string gone(text_of(slab->payload(*first)));
            model.erase(std::find(model.begin(), model.end(), gone));
            slab->free(*first);
        }
        std::size_t dropped = 0;
        auto reopened = Slab::reopen(ground.again(), dropped);
        REQUIRE(reopened.ok());
        CHECK(dropped == 1);
        earlier.push_back(std::move(*slab));
        slab.emplace(std::move(reopened).value());
        auto found = texts_in(*slab);
        std::sort(found.begin(), found.end());
        std::sort(model.begin(), model.end());
        CHECK(found == model);
    }
}

}  // namespace
}  // namespace secrets::vault
