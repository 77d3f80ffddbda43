// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for secrets: never swapped, never dumped, and where the kernel can do it read by nobody
// else.

#include <cstddef>
#include <span>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

/// What a region is made of.
enum class MemoryKind {
    secretmem,  ///< memfd_secret(2): out of the kernel's direct map; root reads it through no
                ///< interface but pidfd_getfd() followed by mmap()
    memfd,      ///< memfd_create(2), mlock(2) and MADV_DONTDUMP, where there is no memfd_secret
                ///< (Linux before 5.14, secretmem.enable=0, RHEL 8 and 9)
};

/// The word that status, journal and metrics use.
const char* memory_kind_word(MemoryKind kind);

/// The best kind this kernel offers to this process, found by trying.
MemoryKind best_memory_kind();

/// Whether the file descriptor is one of memfd_secret(2).
bool is_secretmem(int fd);

/// One mapped region of locked memory and the file descriptor behind it. Move only; when it goes it
/// is overwritten, unmapped and closed. A page that can't be touched lies on either side, so that
/// whoever reads or writes past an end is stopped there. fork() does not hand the mapping on. Not
/// thread-safe.
class LockedRegion {
  public:
    /// A fresh region of zeros, its size rounded up to whole pages.
    static StatusOr<LockedRegion> create(std::size_t bytes, MemoryKind kind);

    /// Takes over a region that another process made: maps its whole length to read and write.
    static StatusOr<LockedRegion> adopt(UniqueFd fd);

    LockedRegion(LockedRegion&& other) noexcept;
    LockedRegion& operator=(LockedRegion&& other) noexcept;
    ~LockedRegion();

    std::span<std::byte> bytes() { return {data_, size_}; }
    std::span<const std::byte> bytes() const { return {data_, size_}; }
    int fd() const { return fd_.get(); }

    /// Gives up the mapping and hands over the descriptor with the content in it: for a delivery.
    UniqueFd unmap_and_release();

  private:
    LockedRegion(UniqueFd fd, std::byte* data, std::size_t size)
        : fd_(std::move(fd)), data_(data), size_(size) {}
    static StatusOr<LockedRegion> map(UniqueFd fd, std::size_t size, MemoryKind kind);
    void discard();
    void wipe_touched();

    UniqueFd fd_;
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

/// A mapping to read of a region that somebody else owns, for as long as this object lives.
class RegionView {
  public:
    static StatusOr<RegionView> map(int fd);

    RegionView(RegionView&& other) noexcept;
    RegionView& operator=(RegionView&&) = delete;
    ~RegionView();

    std::span<const std::byte> bytes() const { return {data_, size_}; }

  private:
    RegionView(const std::byte* data, std::size_t size) : data_(data), size_(size) {}
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace secrets
