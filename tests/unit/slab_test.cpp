// Promise: a slab found again says exactly what was committed, what was not is wiped, and damage is
// never trusted.

#include "agentd/vault/slab.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"

namespace secrets::vault {
namespace {

constexpr std::size_t kSlabBytes = 16 * 1024;
// Where the format, written down in slab.h, has its fields.
constexpr std::size_t kVersionAt = 8;
constexpr std::size_t kFirstExtentAt = 32;
constexpr std::size_t kSequenceAt = kFirstExtentAt + 16;
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

TEST_CASE("a slab found again has the records that were committed, with their sequence") {
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

TEST_CASE("a record that was half written is wiped and counted") {
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

TEST_CASE("no flipped bit of a live record is trusted") {
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

TEST_CASE("a slab of a format that is not known, and one that does not add up, are refused") {
    const auto error_after = [](std::size_t at, std::byte value) {
        Ground ground;
        Slab slab(std::move(ground.region));
        put(slab, "value");
        LockedRegion changed = ground.again();
        changed.bytes()[at] = value;
        std::size_t dropped = 0;
        const auto reopened = Slab::reopen(ground.again(), dropped);
        return reopened ? std::string("was taken") : reopened.error().sentence;
    };
    CHECK(error_after(0, std::byte{'x'}) == "the region is no slab");
    CHECK(error_after(kVersionAt, std::byte{2}) ==
          "the slab has format version 2 and this agent knows version 1");
    CHECK(error_after(12, std::byte{1}) == "the slab's length is wrong");
    CHECK(error_after(kFirstExtentAt, std::byte{0}) ==
          "the slab's extents do not add up at byte 32");
    CHECK(error_after(kFirstExtentAt + 2, std::byte{255}) ==
          "the slab's extents do not add up at byte 32");
}

TEST_CASE("freed bytes are zero at once") {
    Ground ground;
    Slab slab(std::move(ground.region));
    put(slab, "stays");
    const RecordOffset gone = put(slab, "goes-away");
    REQUIRE(contains(ground, "goes-away"));
    slab.free(gone);
    CHECK_FALSE(contains(ground, "goes-away"));
    CHECK(contains(ground, "stays"));
}

TEST_CASE("whatever the order of freeing, a record as large as the slab fits again") {
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

TEST_CASE("a long life of puts and frees leaves what a model of it says") {
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

}  // namespace
}  // namespace secrets::vault
