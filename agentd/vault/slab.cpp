// SPDX-License-Identifier: Apache-2.0
#include "agentd/vault/slab.h"

#include <string.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "common/secure_memory/wipe.h"

namespace secrets::vault {
namespace {

constexpr char kMagic[8] = {'S', 'L', 'S', 'S', 'L', 'A', 'B', '1'};
constexpr std::uint32_t kFormatVersion = 2;
constexpr std::size_t kGranule = 32;

enum State : std::uint16_t { kFree = 0, kBeingWritten = 1, kLive = 2 };

struct SlabHeader {
    char magic[8];
    std::uint32_t version;
    std::uint32_t length;
    std::uint64_t reserved[2];
};
static_assert(sizeof(SlabHeader) == Slab::kOverhead);

/// The part of an extent's header after its shape.
struct RecordHeader {
    std::uint32_t payload_length;
    std::uint32_t checksum;
    std::uint64_t sequence;
    std::uint32_t job;
    std::uint32_t job_complement;
};
constexpr std::size_t kShapeBytes = sizeof(std::uint64_t);
static_assert(kShapeBytes + sizeof(RecordHeader) == Slab::kOverhead);

constexpr std::size_t whole_granules(std::size_t bytes) {
    return (bytes + kGranule - 1) / kGranule * kGranule;
}

bool known(std::uint16_t type) {
    return type == static_cast<std::uint16_t>(RecordType::run) ||
           type == static_cast<std::uint16_t>(RecordType::hold) ||
           type == static_cast<std::uint16_t>(RecordType::cached_grant);
}

std::uint32_t complement_of(std::uint32_t job) {
    return job == 0 ? 0 : ~job;
}

std::map<std::uint32_t, std::uint32_t>::node_type node_of(std::uint32_t offset,
                                                          std::uint32_t length) {
    std::map<std::uint32_t, std::uint32_t> one{{offset, length}};
    return one.extract(one.begin());
}

}  // namespace

struct Slab::Extent {
    std::uint32_t length;
    std::uint16_t state;
    std::uint16_t type;
    RecordHeader record;
};

Slab::Slab(LockedRegion region) : region_(std::move(region)) {
    const auto bytes = region_.bytes();
    SlabHeader header{{}, kFormatVersion, static_cast<std::uint32_t>(bytes.size()), {}};
    memcpy(header.magic, kMagic, sizeof(kMagic));
    join_free(
        node_of(sizeof(SlabHeader), static_cast<std::uint32_t>(bytes.size() - sizeof(SlabHeader))));
    // The header is written last: a region without one is not a slab, whatever its content.
    memcpy(bytes.data(), &header, sizeof(header));
}

StatusOr<Slab> Slab::reopen(LockedRegion region, std::size_t& dropped) {
    Slab slab(std::move(region), ExistingTag{});
    const auto bytes = slab.region_.bytes();
    SlabHeader header;
    if (bytes.size() < sizeof(header)) return Status::failed("the region is too short for a slab");
    memcpy(&header, bytes.data(), sizeof(header));
    if (memcmp(header.magic, kMagic, sizeof(kMagic)) != 0)
        return Status::failed("the region is not a slab");
    if (header.version != kFormatVersion) {
        return Status::failed("unknown slab format version " + std::to_string(header.version) +
                              "; this agent supports version " + std::to_string(kFormatVersion));
    }
    if (header.length != bytes.size()) return Status::failed("invalid slab length");

    // First pass only reads: nothing is written until all extents are known to add up.
    std::vector<std::uint32_t> offsets;
    for (std::size_t at = sizeof(header); at < bytes.size();) {
        const Extent extent = slab.read(static_cast<std::uint32_t>(at));
        if (extent.length < kOverhead || extent.length % kGranule != 0 ||
            extent.length > bytes.size() - at) {
            return Status::failed("invalid slab extent at byte " + std::to_string(at));
        }
        offsets.push_back(static_cast<std::uint32_t>(at));
        at += extent.length;
    }
    for (const std::uint32_t offset : offsets) {
        const Extent extent = slab.read(offset);
        // The extent must fit its record: a longer extent would hide the records that it covers.
        const bool cut_to_size =
            extent.length == kOverhead + whole_granules(extent.record.payload_length);
        const bool trusted = extent.state == kLive && known(extent.type) && cut_to_size &&
                             extent.record.checksum == slab.checksum(offset) &&
                             extent.record.job_complement == complement_of(extent.record.job);
        if (trusted) {
            slab.records_.emplace_hint(slab.records_.end(), offset, extent.length);
            continue;
        }
        if (extent.state != kFree) ++dropped;
        wipe(bytes.subspan(offset + kShapeBytes, extent.length - kShapeBytes));
        slab.join_free(node_of(offset, extent.length));
    }
    return slab;
}

Slab::Extent Slab::read(std::uint32_t offset) const {
    const std::byte* at = region_.bytes().data() + offset;
    std::uint64_t shape = 0;
    memcpy(&shape, at, sizeof(shape));
    Extent extent{static_cast<std::uint32_t>(shape),
                  static_cast<std::uint16_t>(shape >> 32),
                  static_cast<std::uint16_t>(shape >> 48),
                  {}};
    memcpy(&extent.record, at + kShapeBytes, sizeof(extent.record));
    return extent;
}

void Slab::write_shape(std::uint32_t offset, std::uint32_t length, std::uint16_t state,
                       std::uint16_t type) {
    const std::uint64_t shape =
        length | static_cast<std::uint64_t>(state) << 32 | static_cast<std::uint64_t>(type) << 48;
    // Granules align the store. Release: earlier writes are visible when the shape is.
    auto* at = reinterpret_cast<std::uint64_t*>(region_.bytes().data() + offset);
    std::atomic_ref<std::uint64_t>(*at).store(shape, std::memory_order_release);
}

std::uint32_t Slab::checksum(std::uint32_t offset) const {
    const Extent extent = read(offset);
    uLong sum = crc32(0, nullptr, 0);
    const auto add = [&](const void* bytes, std::uint32_t length) {
        sum = crc32(sum, static_cast<const Bytef*>(bytes), length);
    };
    add(&extent.type, sizeof(extent.type));
    add(&extent.record.payload_length, sizeof(extent.record.payload_length));
    add(&extent.record.sequence, sizeof(extent.record.sequence));
    add(region_.bytes().data() + offset + kOverhead, extent.record.payload_length);
    return static_cast<std::uint32_t>(sum);
}

std::optional<Slab::Draft> Slab::begin(RecordType type, std::size_t payload_bytes,
                                       std::uint64_t sequence, std::uint32_t job) {
    const std::size_t need = kOverhead + whole_granules(payload_bytes);
    if (need > largest_free_) return std::nullopt;
    auto found = free_.begin();
    std::uint32_t longest = 0;
    while (found != free_.end() && found->second < need) {
        longest = std::max(longest, found->second);
        ++found;
    }
    if (found == free_.end()) {
        largest_free_ = longest;
        return std::nullopt;
    }

    const std::uint32_t offset = found->first;
    const auto length = static_cast<std::uint32_t>(need);
    const std::uint32_t rest = found->second - length;
    // Allocates memory first: if that fails, nothing has changed.
    if (rest > 0) free_.emplace(offset + length, rest);
    found->second = length;
    records_.insert(free_.extract(found));
    free_bytes_ -= length;
    // The remainder's header is written while it is still inside the free extent, then the shape
    // that separates it.
    if (rest > 0) write_shape(offset + length, rest, kFree, 0);
    write_shape(offset, length, kBeingWritten, static_cast<std::uint16_t>(type));
    const RecordHeader header{static_cast<std::uint32_t>(payload_bytes), 0, sequence, job,
                              complement_of(job)};
    memcpy(region_.bytes().data() + offset + kShapeBytes, &header, sizeof(header));
    return Draft{{offset}, region_.bytes().subspan(offset + kOverhead, payload_bytes)};
}

void Slab::commit(RecordOffset offset) {
    Extent extent = read(offset.value);
    extent.record.checksum = checksum(offset.value);
    memcpy(region_.bytes().data() + offset.value + kShapeBytes, &extent.record,
           sizeof(extent.record));
    write_shape(offset.value, extent.length, kLive, extent.type);
}

void Slab::free(RecordOffset offset) noexcept {
    const Extent extent = read(offset.value);
    // No longer live: a process that ends during the wipe leaves a record to be wiped, not a
    // damaged one.
    write_shape(offset.value, extent.length, kBeingWritten, extent.type);
    wipe(region_.bytes().subspan(offset.value + kShapeBytes, extent.length - kShapeBytes));
    join_free(records_.extract(offset.value));
}

/// Adds a free extent and joins it with its neighbours. The shape of a joined extent is overwritten
/// only after the wider extent before it covers it.
void Slab::join_free(Extents::node_type extent) noexcept {
    std::uint32_t offset = extent.key();
    std::uint32_t length = extent.mapped();
    free_bytes_ += length;
    std::uint32_t inner_shapes[2] = {0, 0};
    if (const auto after = free_.find(offset + length); after != free_.end()) {
        inner_shapes[0] = after->first;
        length += after->second;
        free_.erase(after);
    }
    auto before = free_.lower_bound(offset);
    if (before != free_.begin() && (--before)->first + before->second == offset) {
        inner_shapes[1] = offset;
        offset = before->first;
        length += before->second;
        free_.erase(before);
    }
    write_shape(offset, length, kFree, 0);
    largest_free_ = std::max(largest_free_, length);
    extent.key() = offset;
    extent.mapped() = length;
    free_.insert(std::move(extent));
    for (const std::uint32_t inner : inner_shapes) {
        if (inner != 0) wipe(region_.bytes().subspan(inner, kShapeBytes));
    }
}

std::span<const std::byte> Slab::payload(RecordOffset offset) const {
    return region_.bytes().subspan(offset.value + kOverhead,
                                   read(offset.value).record.payload_length);
}

std::uint64_t Slab::sequence(RecordOffset offset) const {
    return read(offset.value).record.sequence;
}

void Slab::for_each(const std::function<void(const RecordFound&)>& visit) const {
    for (std::uint32_t at = sizeof(SlabHeader); at < region_.bytes().size();) {
        const Extent extent = read(at);
        if (extent.state == kLive) {
            visit({static_cast<RecordType>(extent.type),
                   {at},
                   extent.record.sequence,
                   payload(RecordOffset{at}),
                   extent.record.job});
        }
        at += extent.length;
    }
}

}  // namespace secrets::vault
