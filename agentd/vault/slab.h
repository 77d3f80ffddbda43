// SPDX-License-Identifier: Apache-2.0
#pragma once
// A slab: one locked region that holds records. It contains its own index, so that a slab recovered
// from systemd's descriptor store after a restart can be read without any other information.
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
//                  16  8  sequence: of two records of one object, the higher is the newer
//                  24  4  job with which a run ends, 0: none
//                  28  4  the complement of that number, 0: none
//                  32     payload, then zeros to the next granule
//
// The shape is one aligned 8-byte store, so that the extents can be walked whenever the process
// ends. A record is live only after all of it is written; freed bytes are overwritten before the
// extent is marked free, and neighbouring free extents are joined.
//
// 0.2.0 writes zeros for the job and does not read it: what follows the fields of a payload, or
// a checksum over more, would make that version wipe the record.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>

#include "common/secure_memory/locked_region.h"

namespace secrets::vault {

enum class RecordType : std::uint16_t { run = 1, hold = 2, cached_grant = 3 };

/// The position of a record in its slab: the offset of its extent. Valid until the record is freed.
struct RecordOffset {
    std::uint32_t value = 0;
};

/// One record found in a slab.
struct RecordFound {
    RecordType type;
    RecordOffset offset;
    std::uint64_t sequence;
    std::span<const std::byte> payload;
    std::uint32_t job;  ///< with which a run ends; 0: with none
};

/// Not thread-safe. Payload spans point into the region and live as long as their record.
class Slab {
  public:
    /// The size of the slab header, and of each record's header.
    static constexpr std::size_t kOverhead = 32;

    /// Formats a fresh region, whose length must be below 4 GiB.
    explicit Slab(LockedRegion region);

    /// Reads a region that was formatted before. Records that were being written, and live records
    /// with a wrong checksum, are overwritten and counted in `dropped`. Fails if the region is not
    /// a slab, if its format is unknown, or if its extents do not add up: then none of its content
    /// may be trusted.
    static StatusOr<Slab> reopen(LockedRegion region, std::size_t& dropped);

    /// Allocates a record in state "being written" and returns its payload to be filled; commit()
    /// must follow. Returns nothing if no free extent is large enough.
    struct Draft {
        RecordOffset offset;
        std::span<std::byte> payload;
    };
    std::optional<Draft> begin(RecordType type, std::size_t payload_bytes, std::uint64_t sequence,
                               std::uint32_t job = 0);
    void commit(RecordOffset offset);

    /// Overwrites the record and frees its extent. For drafts and live records. Needs no memory, so
    /// that wiping never fails.
    void free(RecordOffset offset) noexcept;

    std::span<const std::byte> payload(RecordOffset offset) const;
    std::uint64_t sequence(RecordOffset offset) const;
    void for_each(const std::function<void(const RecordFound&)>& visit) const;

    bool empty() const { return records_.empty(); }
    std::size_t records() const { return records_.size(); }  ///< drafts and live ones
    std::size_t size() const { return region_.bytes().size(); }
    std::size_t free_bytes() const { return free_bytes_; }
    /// Returns a bound for the largest record, with its header, that can be allocated: begin()
    /// rejects a larger one at once, and lowers the bound whenever a search was in vain.
    std::size_t largest_free() const { return largest_free_; }
    int fd() const { return region_.fd(); }

    /// Unmaps the region without overwriting it, since another process stores it. No other call is
    /// allowed afterwards.
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
    std::uint32_t largest_free_ = 0;  ///< no free extent is longer
};

}  // namespace secrets::vault
