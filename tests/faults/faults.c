// SPDX-License-Identifier: Apache-2.0
/* Makes system calls and memory allocation fail in a program that knows nothing of it (LD_PRELOAD).
 *
 * The file that SECRETS_FAULTS names is a table with one row a call, in the order of enum call. A test
 * writes to it while the program runs, and what it says holds at once:
 *
 *     0  4  error: the errno to fail with
 *     4  4  skip: so many calls go through first
 *     8  4  count: so many calls fail then; -1: all
 *    12  4  struck: how many have failed; counted here
 *
 * All rows zero: everything goes through. In the row of the disk (what SQLite changes a file by) the error
 * -1 kills the process in place of the call, and -2 stops it before the call goes through. */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

enum call {
    CALL_MMAP,
    CALL_MLOCK,
    CALL_MEMFD_SECRET,
    CALL_MEMFD_CREATE,
    CALL_FTRUNCATE,
    CALL_MADVISE,
    CALL_SOCKET,
    CALL_SENDMSG,
    CALL_RECVMSG,
    CALL_ACCEPT4,
    CALL_EPOLL_CTL,
    CALL_GETSOCKOPT,
    CALL_MALLOC,
    CALL_SETRLIMIT,
    CALL_DISK,
    CALLS,
};

struct row {
    int32_t error;
    int32_t skip;
    int32_t count;
    int32_t struck;
};

static volatile struct row* table;

/* The next function of that name: libc's. */
#define NEXT(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void open_table(void) {
    const char* path = getenv("SECRETS_FAULTS");
    if (path == NULL) return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) abort();
    void* rows = NEXT(mmap)(NULL, CALLS * sizeof(struct row), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (rows == MAP_FAILED) abort();
    close(fd);
    table = rows;
}

/* Takes one of what is left, if there is any: the test may clear the row at this very moment, and what it
 * wrote must stay. */
static int take_one(volatile int32_t* left) {
    int32_t seen = __atomic_load_n(left, __ATOMIC_ACQUIRE);
    while (seen > 0) {
        if (__atomic_compare_exchange_n(left, &seen, seen - 1, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) return 1;
    }
    return 0;
}

/* Whether this call is to fail; errno is set then. The agent has one thread. */
static int strikes(enum call call) {
    if (table == NULL || __atomic_load_n(&table[call].count, __ATOMIC_ACQUIRE) == 0) return 0;
    volatile struct row* row = &table[call];
    const int32_t error = row->error;
    if (take_one(&row->skip)) return 0;
    if (!take_one(&row->count) && __atomic_load_n(&row->count, __ATOMIC_ACQUIRE) >= 0) return 0;
    __atomic_add_fetch(&row->struck, 1, __ATOMIC_ACQ_REL);
    errno = error;
    return 1;
}

void* mmap(void* address, size_t length, int protection, int flags, int fd, off_t offset) {
    if (strikes(CALL_MMAP)) return MAP_FAILED;
    return NEXT(mmap)(address, length, protection, flags, fd, offset);
}

int mlock(const void* address, size_t length) {
    if (strikes(CALL_MLOCK)) return -1;
    return NEXT(mlock)(address, length);
}

int memfd_create(const char* name, unsigned flags) {
    if (strikes(CALL_MEMFD_CREATE)) return -1;
    return NEXT(memfd_create)(name, flags);
}

int ftruncate(int fd, off_t length) {
    if (strikes(CALL_FTRUNCATE)) return -1;
    return NEXT(ftruncate)(fd, length);
}

int madvise(void* address, size_t length, int advice) {
    if (strikes(CALL_MADVISE)) return -1;
    return NEXT(madvise)(address, length, advice);
}

int setrlimit(__rlimit_resource_t resource, const struct rlimit* limit) {
    if (strikes(CALL_SETRLIMIT)) return -1;
    return NEXT(setrlimit)(resource, limit);
}

int socket(int domain, int type, int protocol) {
    if (strikes(CALL_SOCKET)) return -1;
    return NEXT(socket)(domain, type, protocol);
}

ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
    if (strikes(CALL_SENDMSG)) return -1;
    return NEXT(sendmsg)(fd, message, flags);
}

ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
    if (strikes(CALL_RECVMSG)) return -1;
    return NEXT(recvmsg)(fd, message, flags);
}

int accept4(int fd, struct sockaddr* address, socklen_t* length, int flags) {
    if (strikes(CALL_ACCEPT4)) return -1;
    return NEXT(accept4)(fd, address, length, flags);
}

int epoll_ctl(int epoll, int operation, int fd, struct epoll_event* event) {
    if (operation == EPOLL_CTL_ADD && strikes(CALL_EPOLL_CTL)) return -1;
    return NEXT(epoll_ctl)(epoll, operation, fd, event);
}

int getsockopt(int fd, int level, int name, void* value, socklen_t* length) {
    if (strikes(CALL_GETSOCKOPT)) return -1;
    return NEXT(getsockopt)(fd, level, name, value, length);
}

static int strikes_disk(void) {
    if (!strikes(CALL_DISK)) return 0;
    if (errno == -1) kill(getpid(), SIGKILL);
    if (errno != -2) return 1;
    kill(getpid(), SIGSTOP);
    return 0;
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
    return strikes_disk() ? -1 : NEXT(pwrite64)(fd, bytes, count, offset);
}

int fsync(int fd) {
    return strikes_disk() ? -1 : NEXT(fsync)(fd);
}

int fdatasync(int fd) {
    return strikes_disk() ? -1 : NEXT(fdatasync)(fd);
}

int ftruncate64(int fd, off64_t length) {
    return strikes_disk() ? -1 : NEXT(ftruncate64)(fd, length);
}

int unlink(const char* path) {
    return strikes_disk() ? -1 : NEXT(unlink)(path);
}

/* memfd_secret has no function of its own. */
long syscall(long number, ...) {
    if (number == SYS_memfd_secret && strikes(CALL_MEMFD_SECRET)) return -1;
    va_list list;
    va_start(list, number);
    long arguments[6];
    for (int i = 0; i < 6; ++i) arguments[i] = va_arg(list, long);
    va_end(list);
    return NEXT(syscall)(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
                         arguments[5]);
}

/* Allocation, which sanitizers keep for themselves. glibc's own names, since dlsym() may allocate itself. */
#ifndef WITHOUT_ALLOCATION

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
    return strikes(CALL_MALLOC) ? NULL : __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
    return strikes(CALL_MALLOC) ? NULL : __libc_calloc(count, size);
}

void* realloc(void* block, size_t size) {
    return strikes(CALL_MALLOC) ? NULL : __libc_realloc(block, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
    return strikes(CALL_MALLOC) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void** block, size_t alignment, size_t size) {
    if (strikes(CALL_MALLOC)) return ENOMEM;
    *block = __libc_memalign(alignment, size);
    return *block == NULL ? ENOMEM : 0;
}
#endif
