/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The directory of the monitors' sockets.  A socket gets its name once its
 * owner listens, so one that has a name and nobody who listens belongs to a
 * dead process.  Until then it is called ".<pid>.<name>".
 */
#include "monitor.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static int check_mine(int fd)
{
    struct stat st;

    if ( fstat(fd, &st) )
        return -errno;
    if ( st.st_uid != geteuid() || st.st_mode & 077 )
        return -EPERM;

    return 0;
}

int monitor_dir_open(const char *state_dir, bool create, int *ret_fd)
{
    char path[PATH_MAX];
    int fd, rc;

    if ( snprintf(path, sizeof(path), "%s/run", state_dir) >=
         (int)sizeof(path) )
        return -ENAMETOOLONG;
    if ( create && ((mkdir(state_dir, 0700) && errno != EEXIST) ||
                    (mkdir(path, 0700) && errno != EEXIST)) )
        return -errno;
    fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if ( fd < 0 )
        return -errno;
    rc = check_mine(fd);
    if ( rc )
    {
        close(fd);
        return rc;
    }
    *ret_fd = fd;

    return 0;
}

void monitor_dir_name(const uint8_t id[IDENT_BYTES], bool source,
                      char name[MONITOR_NAME])
{
    char text[IDENT_TEXT];

    snprintf(name, MONITOR_NAME, "%s.%s", ident_text(id, text),
             source ? "source" : "destination");
}

bool monitor_dir_is_name(const char *name)
{
    uint8_t id[IDENT_BYTES];
    char text[IDENT_TEXT];

    if ( strlen(name) <= IDENT_TEXT )
        return false;
    snprintf(text, sizeof(text), "%.36s", name);

    return !ident_parse(text, id) && (!strcmp(name + 36, ".source") ||
                                      !strcmp(name + 36, ".destination"));
}

void monitor_dir_sweep(int dir, const char *name)
{
    char *end;
    long pid;

    if ( name[0] != '.' || name[1] < '1' || name[1] > '9' )
        return;
    pid = strtol(name + 1, &end, 10);
    if ( *end == '.' && monitor_dir_is_name(end + 1) && pid <= INT_MAX &&
         kill((pid_t)pid, 0) && errno == ESRCH )
        unlinkat(dir, name, 0);
}

/* The directory's own path may be longer than an address. */
static void address(int dir, const char *name, struct sockaddr_un *un)
{
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    snprintf(un->sun_path, sizeof(un->sun_path), "/proc/self/fd/%d/%s", dir,
             name);
}

int monitor_dir_listen(int dir, const char *name, int *ret_fd)
{
    char hidden[MONITOR_NAME + 16];
    struct sockaddr_un un;
    int fd, rc = 0;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if ( fd < 0 )
        return -errno;
    snprintf(hidden, sizeof(hidden), ".%d.%s", (int)getpid(), name);
    address(dir, hidden, &un);
    /* Nobody gets in before its mode is what it should be. */
    if ( bind(fd, (struct sockaddr *)&un, sizeof(un)) ||
         fchmodat(dir, hidden, 0600, 0) || listen(fd, BACKLOG) ||
         renameat(dir, hidden, dir, name) )
        rc = -errno;
    if ( rc )
    {
        unlinkat(dir, hidden, 0);
        close(fd);
    }
    else
        *ret_fd = fd;

    return rc;
}

int monitor_dir_connect(int dir, const char *name, int *ret_fd)
{
    struct sockaddr_un un;
    int fd, rc = 0;

    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if ( fd < 0 )
        return -errno;
    address(dir, name, &un);
    if ( connect(fd, (struct sockaddr *)&un, sizeof(un)) )
        rc = -errno;
    if ( rc == -ECONNREFUSED )
        unlinkat(dir, name, 0);
    if ( rc )
        close(fd);
    else
        *ret_fd = fd;

    return rc;
}

void monitor_dir_tidy(const char *state_dir)
{
    struct dirent *de;
    DIR *list;
    int dir, fd;

    if ( monitor_dir_open(state_dir, false, &dir) )
        return;
    list = fdopendir(dir);
    if ( !list )
        close(dir);
    while ( list && (de = readdir(list)) != NULL )
    {
        monitor_dir_sweep(dir, de->d_name);
        if ( monitor_dir_is_name(de->d_name) &&
             !monitor_dir_connect(dir, de->d_name, &fd) )
            close(fd);
    }
    if ( list )
        closedir(list);
}
