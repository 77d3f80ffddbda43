// SPDX-License-Identifier: Apache-2.0
#pragma once
// A slab: one locked region that holds records. It carries its own index, so that a slab found
// again (in systemd's descriptor store, after a restart) can be read without any other knowledge.
//
// Format, version 2; numbers in the machine's own byte order; everything on 32-byte granules:
//
//     slab header   0  8  magic "SLSSLAB1"
//                   8  4  format version, 2
//                  12  4  length of the slab, this header included
//                  16 16  zero
//     then extents, one after the other to the end of the slab:
//     extent        0  8  shape: length of the extent in bytes, header included (bits 0..31),
//                         state (bits 32..47: 0 free, 1 being written, 2 live), record type
//                         (bits 48..63)
//                   8  4  length of the payload
//                  12  4  CRC-32 of type, payload length, sequence and payload
//                  16  8  sequence: of two records of one thing, the higher is the newer
//                  24  8  zero
//                  32     payload, then zeros to the next granule
//
// The shape is one aligned 8-byte store, so that whatever instant the process ends at, the extents
// can be walked. A record is live only after all of it is written; freed bytes are overwritten
// before the extent is marked free, and neighbouring free extents are joined.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "common/secure_memory/locked_region.h"

namespace secrets::vault {

enum class RecordType : std::uint16_t { run = 1, hold = 2, cached_grant = 3 };

/// Where a record lives in its slab: the offset of its extent. Stays valid until the record is
/// freed.
struct RecordOffset {
    std::uint32_t value = 0;
};

/// One record as it was found in a slab.
struct RecordFound {
    RecordType type;
    RecordOffset offset;
    std::uint64_t sequence;
    std::span<const std::byte> payload;
};

/// Not thread-safe. Payload spans point into the region and live as long as their record.
class Slab {
  public:
    /// What the slab header, and then each record beside its payload, takes.
    static constexpr std::size_t kOverhead = 32;

    /// Formats a fresh region, whose length must be below 4 GiB.
    explicit Slab(LockedRegion region);

    /// Reads a region that was formatted before. Records that were being written, and live ones
    /// whose checksum is wrong, are overwritten and counted in `dropped`. Fails when it is no slab,
    /// or one of a format that is not known, or its extents do not add up: then nothing of it may
    /// be trusted.
    static StatusOr<Slab> reopen(LockedRegion region, std::size_t& dropped);

    /// Makes room for a record, in state "being written", and hands out its payload to be filled;
    /// then commit() it. Nothing when no free extent is large enough.
    struct Draft {
        RecordOffset offset;
        std::span<std::byte> payload;
    };
    std::optional<Draft> begin(RecordType type, std::size_t payload_bytes, std::uint64_t sequence);
    void commit(RecordOffset offset);

    /// Overwrites the record and gives its extent back. For drafts and live records. Needs no
    /// memory: what must be wiped can be.
    void free(RecordOffset offset) noexcept;

    std::span<const std::byte> payload(RecordOffset offset) const;
    std::uint64_t sequence(RecordOffset offset) const;
    void for_each(const std::function<void(const RecordFound&)>& visit) const;

    bool empty() const { return records_.empty(); }
    std::size_t records() const { return records_.size(); }  ///< drafts and live ones
    std::size_t size() const { return region_.bytes().size(); }
    std::size_t free_bytes() const { return free_bytes_; }
    int fd() const { return region_.fd(); }

    /// Lets go of the region without overwriting it: somebody else keeps it. No other call is
    /// allowed after it.
    void leave() { region_.unmap_and_release(); }

  private:
    struct Extent;
    using Extents = std::map<std::uint32_t, std::uint32_t>;  ///< offset -> length
    struct ExistingTag {};
    Slab(LockedRegion region, ExistingTag) : region_(std::move(region)) {}

    Extent read(std::uint32_t offset) const;
    void write_shape(std::uint32_t offset, std::uint32_t length, std::uint16_t state,
                     std::uint16_t type);
    std::uint32_t checksum(std::uint32_t offset) const;
    void join_free(Extents::node_type extent) noexcept;

    LockedRegion region_;
    Extents free_;
    Extents records_;  ///< drafts and live ones; their nodes go back to free_
    std::size_t free_bytes_ = 0;
};

}  // namespace secrets::vault
