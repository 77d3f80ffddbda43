// SPDX-License-Identifier: Apache-2.0
// A SPANK plugin that gives tasks a mount namespace of their own, as plugins for containers and private directories
// do: `namespace_plugin.so HOOK DIRECTORY` switches in that hook, and covers the directory with an empty one.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <slurm/spank.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

SPANK_PLUGIN(namespace_plugin, 1)

static void write_file(const char *path, const char *text) {
    const int fd = open(path, O_WRONLY);
    dprintf(fd, "%s", text);
    close(fd);
}

static void write_map(const char *path, unsigned id) {
    char text[64];
    snprintf(text, sizeof(text), "%u %u 1", id, id);
    write_file(path, text);
}

// A user can have mounts only in a user namespace, too.
static int switch_as_user(void) {
    const unsigned user = geteuid(), group = getegid();
    prctl(PR_SET_DUMPABLE, 1);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return -1;
    write_map("/proc/self/uid_map", user);
    write_file("/proc/self/setgroups", "deny");
    write_map("/proc/self/gid_map", group);
    return 0;
}

static int cover(const char *hook, int count, char **arguments) {
    if (spank_context() != S_CTX_REMOTE || count != 2 || strcmp(arguments[0], hook) != 0) return 0;
    if ((geteuid() == 0 ? unshare(CLONE_NEWNS) : switch_as_user()) != 0 ||
        mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", arguments[1], "tmpfs", 0, "mode=0755") != 0) {
        slurm_error("namespace: cannot cover %s: %m", arguments[1]);
        return -1;
    }
    return 0;
}

int slurm_spank_init_post_opt(spank_t spank, int count, char **arguments) {
    (void)spank;
    return cover("init_post_opt", count, arguments);
}

int slurm_spank_task_init_privileged(spank_t spank, int count, char **arguments) {
    (void)spank;
    return cover("task_init_privileged", count, arguments);
}

int slurm_spank_task_init(spank_t spank, int count, char **arguments) {
    (void)spank;
    return cover("task_init", count, arguments);
}
