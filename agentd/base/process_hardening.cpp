// SPDX-License-Identifier: Apache-2.0
#include "agentd/base/process_hardening.h"

#include <linux/capability.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "common/base/errno_status.h"
#include "common/secure_memory/wipe.h"

namespace secrets {
namespace {

/// Memory that the process locks besides slabs: its programs, heap, stack and current deliveries.
constexpr std::size_t kOwnBytes = 64UL * 1024 * 1024;

/// A block of this size or more is a mapping of its own.
constexpr int kMappedBytes = 64 * 1024;
/// The heap retains at most this much free memory at its end.
constexpr int kSpareBytes = 256 * 1024;

/// With CAP_IPC_LOCK no limit of locked memory applies.
bool limit_applies() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
    if (syscall(SYS_capget, &header, data) != 0) return true;
    return (data[CAP_TO_INDEX(CAP_IPC_LOCK)].effective & CAP_TO_MASK(CAP_IPC_LOCK)) == 0;
}

std::string mebibytes(std::size_t bytes) {
    return std::to_string((bytes + (1UL << 20) - 1) >> 20) + " MiB";
}

void* openssl_allocate(std::size_t size, const char*, int) {
    return malloc(size);
}

void openssl_free(void* block, const char*, int) {
    if (block == nullptr) return;
    wipe({static_cast<std::byte*>(block), malloc_usable_size(block)});
    free(block);
}

/// Never resizes in place: realloc() may move a block and leave its bytes behind.
void* openssl_reallocate(void* block, std::size_t size, const char*, int) {
    if (size == 0) {
        openssl_free(block, nullptr, 0);
        return nullptr;
    }
    void* moved = malloc(size);
    if (moved == nullptr || block == nullptr) return moved;
    const std::size_t had = malloc_usable_size(block);
    memcpy(moved, block, had < size ? had : size);
    openssl_free(block, nullptr, 0);
    return moved;
}

}  // namespace

Status lock_memory(std::size_t secret_bytes) {
    rlimit limit{};
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return errno_status("cannot read the limit of locked memory: getrlimit");
    }
    const std::size_t needed = secret_bytes + kOwnBytes;
    if (limit_applies() && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < needed) {
        return Status::failed("cannot lock memory: the limit is " + mebibytes(limit.rlim_cur) +
                              " and the agent needs " + mebibytes(needed) + "; set LimitMEMLOCK=" +
                              mebibytes(needed).substr(0, mebibytes(needed).find(' ')) +
                              "M in its unit (ulimit -l elsewhere), give it CAP_IPC_LOCK, or lower "
                              "limits.total_bytes in its configuration");
    }
    // MCL_ONFAULT: untouched pages need not be loaded only to be locked.
    if (mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
        return Status::failed(std::string("cannot lock memory: mlockall() failed: ") +
                              strerror(errno) + "; the limit is " + mebibytes(limit.rlim_cur) +
                              "; raise LimitMEMLOCK= in the agent's unit, or give it CAP_IPC_LOCK");
    }
    return Status();
}

Status forbid_dumps() {
    if (prctl(PR_SET_DUMPABLE, 0) == 0) return Status();
    const Status why =
        errno_status("cannot forbid core files and debuggers: prctl(PR_SET_DUMPABLE)");
    return Status::failed(why.message() + "; allow prctl in SystemCallFilter= of the agent's unit");
}

Status lower_core_limit() {
    const rlimit none{0, 0};
    if (setrlimit(RLIMIT_CORE, &none) == 0) return Status();
    const Status why = errno_status("cannot lower the limit of core files to 0: setrlimit");
    return Status::failed(why.message() +
                          "; set LimitCORE=0 in the agent's unit (ulimit -c 0 elsewhere)");
}

Status wipe_memory_of_openssl() {
    if (CRYPTO_set_mem_functions(openssl_allocate, openssl_reallocate, openssl_free) == 1) {
        return Status();
    }
    return Status::failed("cannot wipe memory that OpenSSL frees: OpenSSL is in use already");
}

/// Sets glibc's thresholds to constants. Left alone, glibc raises the first one to the size of each
/// mapped block that is freed, up to 32 MiB: later blocks of that size then lie in the heap, and
/// one small block above them retains them all. The heap's inner pages are lost for as long, since
/// madvise() does not take locked pages away. All threads share one heap, since each further one
/// reserves 64 MiB, which count as locked.
void return_freed_memory() {
    mallopt(M_MMAP_THRESHOLD, kMappedBytes);
    mallopt(M_TRIM_THRESHOLD, kSpareBytes);
    mallopt(M_ARENA_MAX, 1);
}

bool swap_is_active() {
    struct sysinfo info {};
    return sysinfo(&info) != 0 || info.totalswap > 0;
}

}  // namespace secrets
