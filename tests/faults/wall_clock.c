// SPDX-License-Identifier: Apache-2.0
/* Moves the wall clock of a program that knows nothing of it (LD_PRELOAD): a time namespace has none of its own. The
 * file that SECRETS_WALL_CLOCK names is one signed number of eight bytes: how many seconds the program's wall clock
 * is ahead. A test writes to it while the program runs. */

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t* ahead;

__attribute__((constructor)) static void open_file(void) {
    const char* path = getenv("SECRETS_WALL_CLOCK");
    if (path == NULL) return;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) abort();
    void* number = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, fd, 0);
    if (number == MAP_FAILED) abort();
    close(fd);
    ahead = number;
}

int clock_gettime(clockid_t clock, struct timespec* now) {
    const int result = (int)syscall(SYS_clock_gettime, clock, now);
    const int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
    if (result == 0 && is_wall && ahead != NULL) now->tv_sec += *ahead;
    return result;
}

int gettimeofday(struct timeval* restrict now, void* restrict zone) {
    (void)zone;
    struct timespec time;
    const int result = clock_gettime(CLOCK_REALTIME, &time);
    now->tv_sec = time.tv_sec;
    now->tv_usec = time.tv_nsec / 1000;
    return result;
}

time_t time(time_t* out) {
    struct timespec now = {0, 0};
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) *out = now.tv_sec;
    return now.tv_sec;
}
