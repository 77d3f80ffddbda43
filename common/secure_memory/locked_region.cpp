// SPDX-License-Identifier: Apache-2.0
#include "common/secure_memory/locked_region.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include "common/base/errno_status.h"
#include "common/secure_memory/wipe.h"

namespace secrets {
namespace {

Status failed(const char* what) {
    return errno_status(std::string("locked memory: ") + what, StatusCode::unavailable);
}

Status failed_at_the_limit(const char* what, std::size_t size) {
    return Status::unavailable(std::string("locked memory: ") + what + " of " +
                               std::to_string(size) + " bytes failed: " + strerror(errno) +
                               "; raise the limit of locked memory (LimitMEMLOCK=)");
}

UniqueFd open_secretmem() {
#ifdef SYS_memfd_secret
    return UniqueFd(static_cast<int>(syscall(SYS_memfd_secret, O_CLOEXEC)));
#else
    errno = ENOSYS;
    return UniqueFd();
#endif
}

std::size_t page_bytes() {
    static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    return page;
}

std::size_t whole_pages(std::size_t bytes) {
    return (bytes + page_bytes() - 1) / page_bytes() * page_bytes();
}

/// Maps `size` bytes of `fd`, with an inaccessible page on either side.
void* map_guarded(int fd, std::size_t size, int protection) {
    const std::size_t guard = page_bytes();
    void* all = mmap(nullptr, guard + size + guard, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (all == MAP_FAILED) return MAP_FAILED;
    void* inner =
        mmap(static_cast<std::byte*>(all) + guard, size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
    if (inner == MAP_FAILED) {
        const int why = errno;
        munmap(all, guard + size + guard);
        errno = why;
    }
    return inner;
}

void unmap_guarded(std::byte* data, std::size_t size) {
    munmap(data - page_bytes(), page_bytes() + size + page_bytes());
}

/// Returns the length of the object behind `fd`: the extent that a mapping may access without
/// SIGBUS.
StatusOr<std::size_t> length_of(int fd) {
    struct stat status {};
    if (fstat(fd, &status) != 0) return failed("fstat");
    if (status.st_size <= 0) return Status::failed("locked memory: the region is empty");
    return static_cast<std::size_t>(status.st_size);
}

}  // namespace

bool is_secretmem(int fd) {
    constexpr auto kSecretmemMagic = 0x5345434d;  // SECRETMEM_MAGIC of linux/magic.h, "SECM"
    struct statfs status {};
    return fstatfs(fd, &status) == 0 && status.f_type == kSecretmemMagic;
}

const char* memory_kind_word(MemoryKind kind) {
    return kind == MemoryKind::secretmem ? "memfd_secret" : "memfd";
}

MemoryKind best_memory_kind() {
    return LockedRegion::create(1, MemoryKind::secretmem) ? MemoryKind::secretmem
                                                          : MemoryKind::memfd;
}

StatusOr<LockedRegion> LockedRegion::create(std::size_t bytes, MemoryKind kind) {
    const bool secretmem = kind == MemoryKind::secretmem;
    UniqueFd fd =
        secretmem ? open_secretmem() : UniqueFd(memfd_create("slurm-secrets", MFD_CLOEXEC));
    if (!fd) return failed(secretmem ? "memfd_secret" : "memfd_create");
    const std::size_t size = whole_pages(bytes);
    if (ftruncate(fd.get(), static_cast<off_t>(size)) != 0) return failed("ftruncate");
    return map(std::move(fd), size, kind);
}

StatusOr<LockedRegion> LockedRegion::adopt(UniqueFd fd) {
    auto size = length_of(fd.get());
    if (!size) return size.status();
    const MemoryKind kind = is_secretmem(fd.get()) ? MemoryKind::secretmem : MemoryKind::memfd;
    return map(std::move(fd), *size, kind);
}

StatusOr<LockedRegion> LockedRegion::map(UniqueFd fd, std::size_t size, MemoryKind kind) {
    void* data = map_guarded(fd.get(), size, PROT_READ | PROT_WRITE);
    if (data == MAP_FAILED) {
        return errno == EAGAIN ? failed_at_the_limit("mmap", size) : failed("mmap");
    }
    LockedRegion region(std::move(fd), static_cast<std::byte*>(data), size);
    if (madvise(data, size, MADV_DONTFORK) != 0) return failed("madvise(MADV_DONTFORK)");
    // A secretmem mapping is always locked and excluded from dumps, and mlock() fails on it.
    if (kind == MemoryKind::memfd) {
        if (mlock(data, size) != 0) return failed_at_the_limit("mlock", size);
        if (madvise(data, size, MADV_DONTDUMP) != 0) return failed("madvise(MADV_DONTDUMP)");
    }
    return region;
}

LockedRegion::LockedRegion(LockedRegion&& other) noexcept
    : fd_(std::move(other.fd_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

LockedRegion& LockedRegion::operator=(LockedRegion&& other) noexcept {
    if (this != &other) {
        discard();
        fd_ = std::move(other.fd_);
        data_ = std::exchange(other.data_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }
    return *this;
}

LockedRegion::~LockedRegion() {
    discard();
}

void LockedRegion::discard() {
    if (data_ != nullptr) {
        wipe_touched();
        unmap_guarded(data_, size_);
    }
    data_ = nullptr;
    size_ = 0;
    fd_.reset();
}

/// Overwrites the pages that are resident. An untouched page would be allocated only to be
/// overwritten (26 us a page of memfd_secret), and locked pages stay resident as long as the
/// region.
void LockedRegion::wipe_touched() {
    // Works in steps, so that a wipe needs no memory of its own.
    std::array<unsigned char, 256> has{};
    const std::size_t step = has.size() * page_bytes();
    for (std::size_t from = 0; from < size_; from += step) {
        const std::size_t length = std::min(step, size_ - from);
        const bool told = mincore(data_ + from, length, has.data()) == 0;
        for (std::size_t at = 0; at < length; at += page_bytes()) {
            const bool touched = !told || (has[at / page_bytes()] & 1) != 0;
            if (touched) wipe(bytes().subspan(from + at, std::min(page_bytes(), length - at)));
        }
    }
}

UniqueFd LockedRegion::unmap_and_release() {
    unmap_guarded(data_, size_);
    data_ = nullptr;
    size_ = 0;
    return std::move(fd_);
}

StatusOr<RegionView> RegionView::map(int fd) {
    auto size = length_of(fd);
    if (!size) return size.status();
    void* data = map_guarded(fd, *size, PROT_READ);
    if (data == MAP_FAILED) return failed("mmap");
    RegionView view(static_cast<const std::byte*>(data), *size);
    if (madvise(data, *size, MADV_DONTDUMP) != 0) return failed("madvise(MADV_DONTDUMP)");
    return view;
}

RegionView::RegionView(RegionView&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

RegionView::~RegionView() {
    if (data_ != nullptr) unmap_guarded(const_cast<std::byte*>(data_), size_);
}

}  // namespace secrets
