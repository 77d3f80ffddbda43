// SPDX-License-Identifier: Apache-2.0
// Any bytes in a region, found at the start: either no slab, or one that can be walked, that
// contains only whole records, and that a second start finds as the first one left it. The vault
// makes its index from the slab.

#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <vector>

#include "agentd/vault/vault.h"
#include "tests/fuzz/check_record.h"

namespace secrets::fuzz {
namespace {

constexpr std::size_t kHeaderBytes = 32;  // of the slab, and of each extent; the value in slab.h
constexpr std::size_t kLargest = 64 * 1024;

struct Found {
    vault::RecordType type;
    std::uint32_t offset;
    std::uint64_t sequence;
    std::vector<std::byte> payload;

    bool operator==(const Found&) const = default;
};

std::vector<Found> records_of(const vault::Slab& slab, Bytes region) {
    std::vector<Found> records;
    slab.for_each([&](const vault::RecordFound& record) {
        must(lies_in(record.payload, region), "a record lies in the slab");
        must(record.type == vault::RecordType::run || record.type == vault::RecordType::hold,
             "a record is of a type that there is");
        check_record(record.type, record.payload);
        records.push_back({record.type,
                           record.offset.value,
                           record.sequence,
                           {record.payload.begin(), record.payload.end()}});
    });
    return records;
}

bool is_zero(Bytes bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](auto byte) { return byte == std::byte{0}; });
}

template <typename Number>
Number number_at(Bytes extent, std::size_t at) {
    Number number;
    std::memcpy(&number, extent.data() + at, sizeof(number));
    return number;
}

/// Returns whether a live extent is exactly one record, with the checksum of the format.
bool is_whole_record(Bytes extent) {
    const std::size_t payload_length = number_at<std::uint32_t>(extent, 8);
    if (payload_length > extent.size() - kHeaderBytes) return false;
    if (extent.size() - kHeaderBytes - payload_length >= kHeaderBytes) return false;
    const auto* bytes = reinterpret_cast<const Bytef*>(extent.data());
    uLong sum = crc32(0, bytes + 6, 2);
    sum = crc32(sum, bytes + 8, 4);
    sum = crc32(sum, bytes + 16, 8);
    sum = crc32(sum, bytes + kHeaderBytes, static_cast<uInt>(payload_length));
    return number_at<std::uint32_t>(extent, 12) == sum;
}

/// Walks the extents by the format: bytes outside records are zero, and free extents are joined.
void check_extents(Bytes region, std::size_t records) {
    std::size_t live = 0;
    bool was_free = false;
    for (std::size_t at = kHeaderBytes; at < region.size();) {
        const auto shape = number_at<std::uint64_t>(region, at);
        const std::size_t length = static_cast<std::uint32_t>(shape);
        const bool is_free = shape >> 32 == 0;
        must(length >= kHeaderBytes && length <= region.size() - at, "the extents add up");
        must(is_free || static_cast<std::uint16_t>(shape >> 32) == 2, "an extent is free or live");
        must(!is_free || !was_free, "free extents are joined");
        const Bytes extent = region.subspan(at, length);
        must(!is_free || is_zero(extent.subspan(sizeof(shape))), "a free extent is overwritten");
        must(is_free || is_whole_record(extent), "a live extent is a whole record");
        if (!is_free) ++live;
        was_free = is_free;
        at += length;
    }
    must(live == records, "every live extent is a record");
}

/// Removes all records; then one record as large as the slab fits, and is found.
void check_use(vault::Slab& slab, const std::vector<Found>& records) {
    must(slab.empty() == records.empty(), "a slab without records is empty");
    for (const Found& record : records) slab.free({record.offset});
    must(slab.empty(), "a slab is empty when all records are freed");
    const std::size_t room = slab.size() - 2 * kHeaderBytes;
    const auto draft = slab.begin(vault::RecordType::hold, room, 1);
    must(draft.has_value() && draft->payload.size() == room, "a record as large as the slab fits");
    std::fill(draft->payload.begin(), draft->payload.end(), std::byte{'x'});
    slab.commit(draft->offset);
    std::size_t found = 0;
    slab.for_each([&](const vault::RecordFound& record) { found += record.payload.size(); });
    must(found == room, "and is found");
}

LockedRegion region_with(Bytes content) {
    auto region = LockedRegion::create(std::max<std::size_t>(content.size(), 1), MemoryKind::memfd);
    must(region.ok(), "there is memory for the test");
    std::copy(content.begin(), content.end(), region->bytes().begin());
    return std::move(region).value();
}

void check(Bytes content) {
    LockedRegion first = region_with(content);
    const UniqueFd kept(dup(first.fd()));
    const Bytes region = first.bytes();
    std::size_t dropped = 0;
    auto slab = vault::Slab::reopen(std::move(first), dropped);
    if (!slab) {
        must(is_sentence(slab.status().message()), "a region is refused with a sentence");
        must(dropped == 0, "nothing is dropped of what is refused");
        return;
    }
    const std::vector<Found> records = records_of(*slab, region);
    check_extents(region, records.size());

    auto again = LockedRegion::adopt(UniqueFd(dup(kept.get())));
    must(again.ok(), "a region can be mapped twice");
    const Bytes second_region = again->bytes();
    std::size_t dropped_again = 0;
    auto second = vault::Slab::reopen(std::move(again).value(), dropped_again);
    must(second.ok() && dropped_again == 0, "a second start drops nothing");
    must(records_of(*second, second_region) == records, "a second start finds the same records");
    must(second->free_bytes() == slab->free_bytes(), "a second start finds the same room");
    check_use(*slab, records);
}

/// Stores nothing, as in a process that systemd did not start.
class NoKeeper : public vault::FdStore {
  public:
    bool keep(const std::string&, int) override { return false; }
    bool forget(const std::string&) override { return true; }
};

/// Checks the vault's start from the content: an index of all records, each of which can be
/// removed.
void check_restore(Bytes content) {
    LockedRegion region = region_with(content);
    NoKeeper keeper;
    vault::Vault vault(MemoryKind::memfd, 2 * kLargest, &keeper);
    std::vector<vault::FoundSlab> found;
    found.push_back({"slab-1", UniqueFd(dup(region.fd()))});
    const vault::RecoveryReport restored = vault.restore(std::move(found));
    must(restored.refused.empty() || restored.slabs == 0, "what is refused is not taken");
    must(vault.runs().size() == restored.runs && vault.holds().size() == restored.holds,
         "what is told is what is there");
    while (const auto next = vault.next_to_expire()) {
        must(vault.find_run(next->id) != nullptr, "what is to expire is there");
        must(vault.wipe_run(next->id).records == 1, "what is there can be wiped");
    }
    must(vault.runs().empty(), "every run expires");
    while (!vault.holds().empty()) vault.wipe_hold(vault.holds().front()->job);
    const vault::Inventory left = vault.inventory();
    must(left.slabs == 0 && left.slab_bytes == 0 && left.secret_bytes == 0, "then nothing is left");
    must(is_zero(region.bytes()), "and every byte is overwritten");
}

}  // namespace
}  // namespace secrets::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace secrets::fuzz;
    if (size > kLargest) return 0;
    const Bytes content = std::as_bytes(std::span(data, size));
    check(content);
    check_restore(content);
    return 0;
}
