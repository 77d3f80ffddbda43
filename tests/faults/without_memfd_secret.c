// SPDX-License-Identifier: Apache-2.0
// without_memfd_secret COMMAND...: runs a command, and all that it starts, as on a kernel without
// memfd_secret(2) (Linux before 5.14, and RHEL 8 and 9): the system call fails with ENOSYS.

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// Needs CAP_SYS_ADMIN: the filter is set without no_new_privs, with which the tests could not become other users.
static int refuse_memfd_secret(void) {
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_secret, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof steps / sizeof steps[0], steps};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int count, char** arguments) {
    if (count < 2) {
        fputs("usage: without_memfd_secret COMMAND...\n", stderr);
        return 2;
    }
    if (refuse_memfd_secret() != 0) {
        perror("without_memfd_secret: cannot set a filter (that needs root)");
        return 1;
    }
    execvp(arguments[1], arguments + 1);
    perror(arguments[1]);
    return 127;
}
