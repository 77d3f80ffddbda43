// SPDX-License-Identifier: Apache-2.0
// Promise: memory for secrets is neither swapped, dumped nor inherited, is out of others' reach
// where the kernel can do it, and nothing is left of it when it goes.

#include "common/secure_memory/locked_region.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/bytes.h"
#include "tests/unit/catch.h"
#include "tests/unit/child.h"
#include "tests/unit/own_memory.h"
#include "tests/unit/skip.h"

namespace secrets {
namespace {

constexpr std::string_view kCanary = "CANARY-IN-A-REGION";

// AddressSanitizer and ThreadSanitizer make mlock() do nothing.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kMlockWorks = false;
#else
constexpr bool kMlockWorks = true;
#endif

bool kernel_has_secretmem() {
    return LockedRegion::create(1, MemoryKind::secretmem).ok();
}

std::vector<MemoryKind> kinds_here() {
    if (kernel_has_secretmem()) return {MemoryKind::secretmem, MemoryKind::memfd};
    return {MemoryKind::memfd};
}

LockedRegion region_of(std::size_t bytes, MemoryKind kind) {
    auto region = LockedRegion::create(bytes, kind);
    if (!region) FAIL(region.status().message());
    return std::move(region).value();
}

LockedRegion region_with_canary(MemoryKind kind) {
    LockedRegion region = region_of(1, kind);
    memcpy(region.bytes().data(), kCanary.data(), kCanary.size());
    return region;
}

UniqueFd duplicate(int fd) {
    return UniqueFd(fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

std::size_t page_size() {
    return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

bool is_mapped(const std::byte* address) {
    unsigned char resident = 0;
    return mincore(const_cast<std::byte*>(address), page_size(), &resident) == 0;
}

bool is_zeros(std::span<const std::byte> bytes) {
    return Bytes(bytes.begin(), bytes.end()) == Bytes(bytes.size());
}

/// What the kernel says in /proc/self/smaps of the mapping that begins at `address`.
struct Mapping {
    std::string permissions;
    std::string flags;  ///< VmFlags, with a space before and behind each
    long locked_kilobytes = -1;

    bool has_flag(const std::string& flag) const {
        return flags.find(" " + flag + " ") != flags.npos;
    }
};
Mapping mapping_at(const std::byte* address) {
    std::ostringstream begin;
    begin << std::hex << number_of(address) << '-';
    std::ifstream smaps("/proc/self/smaps");
    Mapping mapping;
    bool found = false;
    for (std::string line; std::getline(smaps, line);) {
        std::istringstream words(line);
        std::string first;
        words >> first;
        if (line.rfind(begin.str(), 0) == 0) {
            found = true;
            words >> mapping.permissions;
        } else if (found && first == "Locked:") {
            words >> mapping.locked_kilobytes;
        } else if (found && first == "VmFlags:") {
            mapping.flags = line.substr(line.find(':') + 1) + " ";
            return mapping;
        }
    }
    return mapping;
}

/// The first bytes of a region of this process, read the way a debugger would.
std::string read_by_proc_mem(const LockedRegion& region) {
    return own_memory_at(number_of(region.bytes().data()), kCanary.size());
}
std::string read_by_process_vm(const LockedRegion& region) {
    std::string bytes(kCanary.size(), '\0');
    const iovec to{bytes.data(), bytes.size()};
    const iovec from{const_cast<std::byte*>(region.bytes().data()), bytes.size()};
    const ssize_t got = process_vm_readv(getpid(), &to, 1, &from, 1, 0);
    return got < 0 ? "" : bytes.substr(0, static_cast<std::size_t>(got));
}

TEST_CASE("LockedRegion: hides memfd_secret memory from /proc/self/mem and process_vm_readv",
          "[region]") {
    if (!kernel_has_secretmem()) SKIP_BECAUSE("this kernel has no memfd_secret");
    const LockedRegion region = region_with_canary(MemoryKind::secretmem);
    CHECK(text_of(region.bytes().first(kCanary.size())) == kCanary);
    CHECK(read_by_proc_mem(region).empty());
    CHECK(read_by_process_vm(region).empty());

    // Both ways do read what is in reach.
    const LockedRegion plain = region_with_canary(MemoryKind::memfd);
    CHECK(read_by_proc_mem(plain) == kCanary);
    CHECK(read_by_process_vm(plain) == kCanary);
}

TEST_CASE("LockedRegion: prefers memfd_secret when the kernel has it", "[region]") {
    CHECK(best_memory_kind() == kinds_here().front());
    CHECK(std::string(memory_kind_word(MemoryKind::secretmem)) == "memfd_secret");
    CHECK(std::string(memory_kind_word(MemoryKind::memfd)) == "memfd");
}

TEST_CASE("LockedRegion: starts as zeros in whole writable pages", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        for (const std::size_t pages : {1U, 2U, 256U}) {
            for (const std::size_t bytes : {(pages - 1) * page_size() + 1, pages * page_size()}) {
                CAPTURE(memory_kind_word(kind), bytes);
                LockedRegion region = region_of(bytes, kind);
                REQUIRE(region.bytes().size() == pages * page_size());
                CHECK(is_zeros(region.bytes()));
                memset(region.bytes().data(), 0xAA, region.bytes().size());
                CHECK(region.bytes().back() == std::byte{0xAA});
            }
        }
    }
}

TEST_CASE("LockedRegion: leaves only zeros behind its descriptor when destroyed", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        UniqueFd left;
        {
            LockedRegion region = region_of(3 * page_size(), kind);
            memset(region.bytes().data(), 0xAA, region.bytes().size());
            left = duplicate(region.fd());
        }
        const auto view = RegionView::map(left.get());
        REQUIRE(view.ok());
        CHECK(view->bytes().size() == 3 * page_size());
        CHECK(is_zeros(view->bytes()));
    }
}

TEST_CASE("LockedRegion: leaves only zeros of its old content when assigned to", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        LockedRegion region = region_with_canary(kind);
        const UniqueFd left = duplicate(region.fd());
        const std::byte* old_address = region.bytes().data();
        LockedRegion other = region_of(2 * page_size(), kind);
        const std::byte* new_address = other.bytes().data();

        region = std::move(other);
        CHECK(region.bytes().data() == new_address);
        CHECK(region.bytes().size() == 2 * page_size());
        CHECK(other.bytes().empty());
        CHECK_FALSE(is_mapped(old_address));
        const auto view = RegionView::map(left.get());
        REQUIRE(view.ok());
        CHECK(is_zeros(view->bytes()));
    }
}

TEST_CASE("LockedRegion: moves its content and leaves the source empty", "[region]") {
    LockedRegion first = region_with_canary(MemoryKind::memfd);
    const std::byte* address = first.bytes().data();
    const int fd = first.fd();
    {
        const LockedRegion second(std::move(first));
        CHECK(second.bytes().data() == address);
        CHECK(second.fd() == fd);
        CHECK(first.bytes().empty());
        CHECK(first.fd() == -1);
        CHECK(text_of(second.bytes().first(kCanary.size())) == kCanary);
    }
    CHECK_FALSE(is_mapped(address));
    CHECK(fcntl(fd, F_GETFD) == -1);
}

TEST_CASE("LockedRegion: is not mapped in a forked child", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        const LockedRegion region = region_with_canary(kind);
        const std::byte* address = region.bytes().data();
        CHECK(is_mapped(address));
        CHECK(Child([&] { return is_mapped(address) ? 1 : 0; }).wait() == 0);
    }
}

TEST_CASE("LockedRegion: is excluded from core dumps and fork", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        const LockedRegion region = region_of(1, kind);
        const Mapping mapping = mapping_at(region.bytes().data());
        CAPTURE(mapping.flags);
        CHECK(mapping.has_flag("dd"));
        CHECK(mapping.has_flag("dc"));
    }
}

TEST_CASE("LockedRegion: is locked into memory", "[region]") {
    if (!kMlockWorks) SKIP_BECAUSE("AddressSanitizer makes mlock() do nothing");
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        const LockedRegion region = region_of(3 * page_size(), kind);
        CHECK(mapping_at(region.bytes().data()).has_flag("lo"));
    }
    const LockedRegion region = region_of(3 * page_size(), MemoryKind::memfd);
    CHECK(mapping_at(region.bytes().data()).locked_kilobytes ==
          static_cast<long>(3 * page_size() / 1024));
}

/// Whether this process could read the byte at `address`: the kernel tries, and says EFAULT.
bool can_read(const std::byte* address) {
    int ends[2] = {-1, -1};
    if (pipe(ends) != 0) return true;
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    return write(writer.get(), address, 1) == 1 || errno != EFAULT;
}

TEST_CASE("LockedRegion: has no accessible byte before or after a region or a view", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        // Neighbours, which would lie side by side without a guard.
        std::vector<LockedRegion> regions;
        for (int i = 0; i < 3; ++i) regions.push_back(region_of(page_size(), kind));
        std::vector<RegionView> views;
        std::vector<std::span<const std::byte>> spans;
        for (const LockedRegion& region : regions) {
            auto view = RegionView::map(region.fd());
            REQUIRE(view.ok());
            views.push_back(std::move(view).value());
            spans.push_back(region.bytes());
            spans.push_back(views.back().bytes());
        }
        for (const std::span<const std::byte> span : spans) {
            CHECK(can_read(span.data()));
            CHECK(can_read(span.data() + span.size() - 1));
            CHECK_FALSE(can_read(span.data() - 1));
            CHECK_FALSE(can_read(span.data() + span.size()));
        }
    }
}

TEST_CASE("LockedRegion: overwrites only pages that exist when destroyed", "[region]") {
    if (!kernel_has_secretmem()) SKIP_BECAUSE("this kernel has no memfd_secret");
    LockedRegion region = region_of(64 * page_size(), MemoryKind::secretmem);
    region.bytes()[5 * page_size()] = std::byte{1};
    const UniqueFd kept = duplicate(region.fd());
    { const LockedRegion gone(std::move(region)); }
    // Who maps it now finds the one page, overwritten, and none of the others.
    const auto view = RegionView::map(kept.get());
    REQUIRE(view.ok());
    std::vector<unsigned char> has(64);
    void* data = const_cast<std::byte*>(view->bytes().data());
    REQUIRE(mincore(data, view->bytes().size(), has.data()) == 0);
    CHECK(std::count_if(has.begin(), has.end(), [](auto page) { return (page & 1) != 0; }) == 1);
    CHECK(view->bytes()[5 * page_size()] == std::byte{0});
}

TEST_CASE("RegionView: is read-only and excluded from core dumps", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        const LockedRegion region = region_with_canary(kind);
        const auto view = RegionView::map(region.fd());
        REQUIRE(view.ok());
        CHECK(text_of(view->bytes().first(kCanary.size())) == kCanary);
        const Mapping mapping = mapping_at(view->bytes().data());
        CHECK(mapping.permissions == "r--s");
        CHECK(mapping.has_flag("dd"));
    }
}

TEST_CASE("RegionView: leaves the region unchanged when destroyed", "[region]") {
    const LockedRegion region = region_with_canary(MemoryKind::memfd);
    const std::byte* address = nullptr;
    {
        auto view = RegionView::map(region.fd());
        REQUIRE(view.ok());
        const RegionView moved(std::move(view).value());
        address = moved.bytes().data();
        CHECK(is_mapped(address));
    }
    CHECK_FALSE(is_mapped(address));
    CHECK(text_of(region.bytes().first(kCanary.size())) == kCanary);
}

TEST_CASE("LockedRegion: keeps all content in a released descriptor for adoption", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        LockedRegion made = region_of(2 * page_size(), kind);
        memset(made.bytes().data(), 0xAA, made.bytes().size());
        const Bytes content(made.bytes().begin(), made.bytes().end());
        const std::byte* address = made.bytes().data();

        UniqueFd fd = made.unmap_and_release();
        CHECK(made.bytes().empty());
        CHECK(made.fd() == -1);
        CHECK_FALSE(is_mapped(address));
        const UniqueFd left = duplicate(fd.get());
        {
            auto adopted = LockedRegion::adopt(std::move(fd));
            REQUIRE(adopted.ok());
            CHECK(Bytes(adopted->bytes().begin(), adopted->bytes().end()) == content);
            const Mapping mapping = mapping_at(adopted->bytes().data());
            CHECK(mapping.has_flag("dd"));
            CHECK(mapping.has_flag("dc"));
        }
        const auto view = RegionView::map(left.get());
        REQUIRE(view.ok());
        CHECK(is_zeros(view->bytes()));
    }
}

TEST_CASE("LockedRegion: rejects an empty region and an invalid descriptor", "[region]") {
    const UniqueFd empty(memfd_create("empty", MFD_CLOEXEC));
    CHECK(RegionView::map(empty.get()).status().message() == "locked memory: the region is empty");
    CHECK(LockedRegion::adopt(duplicate(empty.get())).status().message() ==
          "locked memory: the region is empty");
    CHECK(RegionView::map(-1).status().message() ==
          "locked memory: fstat failed: Bad file descriptor");
    CHECK_FALSE(LockedRegion::adopt(UniqueFd(open("/dev/null", O_RDWR | O_CLOEXEC))).ok());
    CHECK_FALSE(LockedRegion::create(0, MemoryKind::memfd).ok());
}

TEST_CASE("LockedRegion: closes its descriptor on exec", "[region]") {
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        const LockedRegion region = region_of(1, kind);
        CHECK((fcntl(region.fd(), F_GETFD) & FD_CLOEXEC) != 0);
    }
}

TEST_CASE("LockedRegion: names LimitMEMLOCK when no more memory can be locked", "[region]") {
    if (!kMlockWorks) SKIP_BECAUSE("AddressSanitizer makes mlock() do nothing");
    if (geteuid() != 0) SKIP_BECAUSE("it takes root to give up CAP_IPC_LOCK for another account");
    for (const MemoryKind kind : kinds_here()) {
        CAPTURE(memory_kind_word(kind));
        Child child([&] {
            const rlimit limit{page_size(), page_size()};
            if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || !become_other_user()) return 1;
            if (!LockedRegion::create(1, kind)) return 2;
            const auto region = LockedRegion::create(2 * page_size(), kind);
            if (region) return 3;
            return region.status().message().find("(LimitMEMLOCK=)") == std::string::npos ? 4 : 0;
        });
        CHECK(child.wait() == 0);
    }
}

}  // namespace
}  // namespace secrets
