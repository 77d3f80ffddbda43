// SPDX-License-Identifier: Apache-2.0
/* A service for nsswitch.conf ("passwd: files slow") that is slow, away or forgetful when a test wants that.
 *
 * The file that SECRETS_NAME_SERVICE names is read anew for each query. Its lines:
 *
 *     mode MODE                     answer; slow SECONDS: answers after that time; unavail: as a daemon that does
 *                                   not answer; notfound: as a stopped sssd, with errno 0; flapping: each of
 *                                   these in turn
 *     user NAME UID                 with a group of the same number
 *     group NAME GID MEMBER...      */

#include <errno.h>
#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

enum { MAX_LINE = 512, MAX_MEMBERS = 8 };

struct line {
    char text[MAX_LINE];
    char* words[MAX_MEMBERS + 4];
    int count;
};

static FILE* open_table(void) {
    const char* path = getenv("SECRETS_NAME_SERVICE");
    return path != NULL ? fopen(path, "re") : NULL;
}

/* Reads the next line that begins with `kind`; returns 0 if there is none. */
static int next_line(FILE* table, const char* kind, struct line* line) {
    while (fgets(line->text, sizeof line->text, table) != NULL) {
        char* rest = NULL;
        line->count = 0;
        for (char* word = strtok_r(line->text, " \n", &rest); word != NULL && line->count < MAX_MEMBERS + 3;
             word = strtok_r(NULL, " \n", &rest)) {
            line->words[line->count++] = word;
        }
        line->words[line->count] = NULL;
        if (line->count > 1 && strcmp(line->words[0], kind) == 0) return 1;
    }
    return 0;
}

/* Does what the mode says; returns NSS_STATUS_SUCCESS if the table is to be read. */
static enum nss_status obey(FILE* table, int* error) {
    static unsigned calls;
    const char* const turns[] = {"unavail", "answer", "notfound", "answer"};
    struct line line;
    *error = 0;
    if (table == NULL || !next_line(table, "mode", &line)) return NSS_STATUS_NOTFOUND;
    const char* mode = line.words[1];
    if (strcmp(mode, "flapping") == 0) mode = turns[__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED) % 4];
    if (strcmp(mode, "slow") == 0 && line.count > 2) {
        const struct timespec pause = {atoi(line.words[2]), 0};
        nanosleep(&pause, NULL);
    }
    if (strcmp(mode, "unavail") == 0) {
        *error = ECONNREFUSED;
        return NSS_STATUS_UNAVAIL;
    }
    return strcmp(mode, "notfound") == 0 ? NSS_STATUS_NOTFOUND : NSS_STATUS_SUCCESS;
}

/* Copies a text into the caller's buffer; returns NULL if that is full. */
static char* put(const char* text, char** buffer, size_t* left) {
    const size_t size = strlen(text) + 1;
    if (size > *left) return NULL;
    char* copy = memcpy(*buffer, text, size);
    *buffer += size;
    *left -= size;
    return copy;
}

static enum nss_status full(int* error) {
    *error = ERANGE;
    return NSS_STATUS_TRYAGAIN;
}

static enum nss_status find_user(const char* name, uid_t uid, struct passwd* user, char* buffer, size_t size,
                                 int* error) {
    FILE* table = open_table();
    enum nss_status status = obey(table, error);
    if (status == NSS_STATUS_SUCCESS) {
        status = NSS_STATUS_NOTFOUND;
        struct line line;
        while (next_line(table, "user", &line) && line.count > 2) {
            const uid_t number = (uid_t)atoi(line.words[2]);
            if (name != NULL ? strcmp(name, line.words[1]) != 0 : number != uid) continue;
            user->pw_name = put(line.words[1], &buffer, &size);
            user->pw_passwd = put("x", &buffer, &size);
            user->pw_gecos = put("", &buffer, &size);
            user->pw_dir = put("/", &buffer, &size);
            user->pw_shell = put("/bin/sh", &buffer, &size);
            user->pw_uid = number;
            user->pw_gid = number;
            status = user->pw_name && user->pw_passwd && user->pw_gecos && user->pw_dir && user->pw_shell
                         ? NSS_STATUS_SUCCESS
                         : full(error);
            break;
        }
    }
    if (table != NULL) fclose(table);
    return status;
}

static enum nss_status find_group(const char* name, gid_t gid, struct group* group, char* buffer, size_t size,
                                  int* error) {
    FILE* table = open_table();
    enum nss_status status = obey(table, error);
    if (status == NSS_STATUS_SUCCESS) {
        status = NSS_STATUS_NOTFOUND;
        struct line line;
        while (next_line(table, "group", &line) && line.count > 2) {
            const gid_t number = (gid_t)atoi(line.words[2]);
            if (name != NULL ? strcmp(name, line.words[1]) != 0 : number != gid) continue;
            const size_t unaligned = (size_t)buffer % sizeof(char*);
            const size_t skipped = unaligned ? sizeof(char*) - unaligned : 0;
            const size_t members = sizeof(char*) * (size_t)(line.count - 2);
            status = full(error);
            if (skipped + members > size) break;
            group->gr_mem = (char**)(void*)(buffer + skipped);
            buffer += skipped + members;
            size -= skipped + members;
            group->gr_name = put(line.words[1], &buffer, &size);
            group->gr_passwd = put("x", &buffer, &size);
            group->gr_gid = number;
            int complete = group->gr_name != NULL && group->gr_passwd != NULL;
            for (int i = 3; i <= line.count; ++i) {
                char* member = i < line.count ? put(line.words[i], &buffer, &size) : NULL;
                complete = complete && (i == line.count || member != NULL);
                group->gr_mem[i - 3] = member;
            }
            if (complete) status = NSS_STATUS_SUCCESS;
            break;
        }
    }
    if (table != NULL) fclose(table);
    return status;
}

EXPORTED enum nss_status _nss_slow_getpwnam_r(const char* name, struct passwd* user, char* buffer, size_t size,
                                              int* error) {
    return find_user(name, 0, user, buffer, size, error);
}

EXPORTED enum nss_status _nss_slow_getpwuid_r(uid_t uid, struct passwd* user, char* buffer, size_t size, int* error) {
    return find_user(NULL, uid, user, buffer, size, error);
}

EXPORTED enum nss_status _nss_slow_getgrnam_r(const char* name, struct group* group, char* buffer, size_t size,
                                              int* error) {
    return find_group(name, 0, group, buffer, size, error);
}

EXPORTED enum nss_status _nss_slow_getgrgid_r(gid_t gid, struct group* group, char* buffer, size_t size, int* error) {
    return find_group(NULL, gid, group, buffer, size, error);
}

/* Adds the groups that list the user. Without this function glibc would read all groups in turn. */
EXPORTED enum nss_status _nss_slow_initgroups_dyn(const char* user, gid_t skipped, long* start, long* size,
                                                  gid_t** groups, long limit, int* error) {
    FILE* table = open_table();
    enum nss_status status = obey(table, error);
    struct line line;
    while (status == NSS_STATUS_SUCCESS && next_line(table, "group", &line)) {
        for (int i = 3; i < line.count; ++i) {
            const gid_t gid = (gid_t)atoi(line.words[2]);
            if (strcmp(user, line.words[i]) != 0 || gid == skipped) continue;
            if (*start == *size) {
                if (limit > 0 && *size >= limit) break;
                gid_t* more = realloc(*groups, 2 * (size_t)*size * sizeof(gid_t));
                if (more == NULL) break;
                *groups = more;
                *size *= 2;
            }
            (*groups)[(*start)++] = gid;
        }
    }
    if (table != NULL) fclose(table);
    return status;
}
