// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory for secrets: never swapped, never dumped, and unreadable by other processes if the kernel
// supports that.

#include <cstddef>
#include <span>

#include "common/base/status.h"
#include "common/base/unique_fd.h"

namespace secrets {

/// The kernel mechanism behind a region.
enum class MemoryKind {
    secretmem,  ///< memfd_secret(2): removed from the kernel's direct map; root can read it only
                ///   through pidfd_getfd() followed by mmap()
    memfd,      ///< memfd_create(2), mlock(2) and MADV_DONTDUMP, if memfd_secret is unavailable
                ///   (Linux before 5.14, secretmem.enable=0, RHEL 8 and 9)
};

/// Returns the word for `kind` that status, journal and metrics use.
const char* memory_kind_word(MemoryKind kind);

/// Returns the best kind that this kernel offers to this process, found by trying.
MemoryKind best_memory_kind();

/// Whether memfd_secret(2) created the file descriptor.
bool is_secretmem(int fd);

/// One mapped region of locked memory and the file descriptor behind it. Move only; the destructor
/// overwrites, unmaps and closes it. An inaccessible guard page lies on either side, so that an
/// access beyond an end faults. fork() does not pass the mapping on. Not thread-safe.
class LockedRegion {
  public:
    /// Creates a region of zeros; its size is rounded up to whole pages.
    static StatusOr<LockedRegion> create(std::size_t bytes, MemoryKind kind);

    /// Takes over a region that another process created: maps its whole length for reading and
    /// writing.
    static StatusOr<LockedRegion> adopt(UniqueFd fd);

    LockedRegion(LockedRegion&& other) noexcept;
    LockedRegion& operator=(LockedRegion&& other) noexcept;
    ~LockedRegion();

    std::span<std::byte> bytes() { return {data_, size_}; }
    std::span<const std::byte> bytes() const { return {data_, size_}; }
    int fd() const { return fd_.get(); }

    /// Unmaps the region and returns the descriptor with the content intact: for a delivery.
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

/// A read-only mapping of a region that another object or process owns; unmapped by the destructor.
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
