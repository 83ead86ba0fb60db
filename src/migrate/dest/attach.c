/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Connections that change the process: see attach.h.
 *
 * A lock on the directory is held from the look at a name until somebody
 * listens on it, so that nobody takes a socket that is just being made for
 * one whose process is gone.
 */
#include "attach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "journal.h"

#define ATTACH_DIR "attach"
/* How long the other process may take to take what it is given. */
#define TAKE_US (20 * US_PER_S)

/* ---- The directory ------------------------------------------------------ */

/* Open it, make it if asked to; nobody else may have a hand in it. */
static int open_dir(const char *state_dir, bool make, struct err *e,
                    int *ret_fd)
{
    char *path = NULL;
    struct stat st;
    int fd = -1, rc = 0;

    if ( asprintf(&path, "%s/" ATTACH_DIR, state_dir) < 0 )
        return err_set(e, -ENOMEM, "open the directory of connections: %s",
                       err_text(-ENOMEM));
    if ( make )
        rc = journal_make_dir(state_dir);
    if ( make && !rc )
        rc = journal_make_dir(path);
    if ( !rc )
    {
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if ( fd < 0 || fstat(fd, &st) < 0 )
            rc = -errno;
        else if ( st.st_uid != geteuid() || (st.st_mode & 077) )
            rc = -EPERM;
    }
    if ( rc )
    {
        err_set(e, rc, "the directory %s: %s", path, rc == -EPERM
                ? "it is not this user's alone" : err_text(rc));
        if ( fd >= 0 )
            close(fd);
    }
    else
        *ret_fd = fd;
    free(path);

    return rc;
}

static void lock_dir(int dir_fd, int how)
{
    while ( flock(dir_fd, how) < 0 && errno == EINTR )
        continue;
}

/* A path that is short, whatever the directory's is. */
static void address(int dir_fd, const char *name, struct sockaddr_un *sun)
{
    memset(sun, 0, sizeof(*sun));
    sun->sun_family = AF_UNIX;
    snprintf(sun->sun_path, sizeof(sun->sun_path), "/proc/self/fd/%d/%.64s",
             dir_fd, name);
}

static int connect_to(int dir_fd, const char *name, int *ret_fd)
{
    struct sockaddr_un sun;
    int fd, rc = 0;

    address(dir_fd, name, &sun);
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if ( fd < 0 )
        return -errno;
    if ( connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 )
    {
        rc = -errno;
        close(fd);
    }
    else
        *ret_fd = fd;

    return rc;
}

/* Is somebody there?  If not, nothing of him is left.  Under the lock. */
static bool is_alive(int dir_fd, const char *name)
{
    int fd, rc = connect_to(dir_fd, name, &fd);

    if ( !rc )
        close(fd);
    else if ( rc == -ECONNREFUSED )
        unlinkat(dir_fd, name, 0);

    return !rc;
}

static bool is_ours(int fd)
{
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) &&
           (cred.uid == geteuid() || cred.uid == 0);
}

/* ---- The receiver ------------------------------------------------------- */

int attach_listen(struct attach_listener *l, const char *state_dir,
                  const uint8_t id[IDENT_BYTES], struct err *e)
{
    struct sockaddr_un sun;
    int rc;

    l->fd = l->dir_fd = -1;
    ident_text(id, l->name);
    rc = open_dir(state_dir, true, e, &l->dir_fd);
    if ( rc )
        return rc;
    address(l->dir_fd, l->name, &sun);
    lock_dir(l->dir_fd, LOCK_EX);
    if ( is_alive(l->dir_fd, l->name) )
        rc = -EADDRINUSE;
    else
    {
        l->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC |
                       SOCK_NONBLOCK, 0);
        if ( l->fd < 0 ||
             bind(l->fd, (struct sockaddr *)&sun, sizeof(sun)) < 0 ||
             listen(l->fd, 64) < 0 )
            rc = -errno;
    }
    lock_dir(l->dir_fd, LOCK_UN);
    if ( rc )
    {
        err_set(e, rc, "listen for the connections of migration %s: %s",
                l->name, err_text(rc));
        if ( rc == -EADDRINUSE )
            l->name[0] = '\0';
        attach_close(l);
    }

    return rc;
}

void attach_close(struct attach_listener *l)
{
    if ( l->dir_fd >= 0 && l->name[0] )
        unlinkat(l->dir_fd, l->name, 0);
    if ( l->fd >= 0 )
        close(l->fd);
    if ( l->dir_fd >= 0 )
        close(l->dir_fd);
    l->fd = l->dir_fd = -1;
}

int attach_accept(const struct attach_listener *l,
                  const struct cancel *cancel, struct err *e, int *ret_fd)
{
    int rc = chan_accept(l->fd, DEADLINE_NEVER, cancel, e, ret_fd, NULL);

    if ( rc || is_ours(*ret_fd) )
        return rc;
    close(*ret_fd);

    return err_set(e, -EACCES, "a connection was offered by another user");
}

/* The descriptors of a message. */
static unsigned int descriptors(struct msghdr *msg, int fds[2])
{
    struct cmsghdr *cm;
    unsigned int nr = 0;

    for ( cm = CMSG_FIRSTHDR(msg); cm; cm = CMSG_NXTHDR(msg, cm) )
        if ( cm->cmsg_level == SOL_SOCKET && cm->cmsg_type == SCM_RIGHTS &&
             !nr )
        {
            nr = (cm->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            nr = nr > 2 ? 2 : nr;
            memcpy(fds, CMSG_DATA(cm), nr * sizeof(int));
        }

    return nr;
}

int attach_take(int fd, uint64_t deadline_us, const struct cancel *cancel,
                struct err *e, int ret_fds[2],
                uint8_t ret_read[CHAN_UNREAD_MAX], size_t *ret_nr_read)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = { ret_read, CHAN_UNREAD_MAX };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    static const char taken = 1;
    unsigned int nr;
    ssize_t r;
    int rc;

    rc = cancel_poll(cancel, fd, POLLIN, deadline_us);
    if ( rc )
        return err_set(e, rc, "take over a connection: %s", err_text(rc));
    r = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if ( r < 0 )
        return err_set(e, -errno, "take over a connection: %s",
                       err_text(-errno));
    nr = descriptors(&msg, ret_fds);
    if ( nr == 2 && r > 0 && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) &&
         send(fd, &taken, 1, MSG_NOSIGNAL) == 1 )
    {
        *ret_nr_read = (size_t)r;
        return 0;
    }
    while ( nr )
        close(ret_fds[--nr]);
    if ( r == 0 )
        return -ENODATA;         /* only looked whether we are alive */

    return err_set(e, -EPROTO, "take over a connection: it was not one");
}

/* ---- The other process -------------------------------------------------- */

int attach_give(const char *state_dir, const uint8_t id[IDENT_BYTES],
                const int fds[2], const void *read, size_t nr_read,
                struct err *e, int *ret_fd)
{
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec iov = { (void *)read, nr_read };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    char name[IDENT_TEXT], taken;
    int dir_fd, fd, rc;

    rc = open_dir(state_dir, false, e, &dir_fd);
    if ( rc )
        return rc;
    rc = connect_to(dir_fd, ident_text(id, name), &fd);
    close(dir_fd);
    if ( rc == -ECONNREFUSED )
        rc = -ENOENT;
    if ( rc )
        return err_set(e, rc, "no process of this host runs migration %s",
                       name);
    if ( !is_ours(fd) )
    {
        close(fd);
        return err_set(e, -EACCES, "migration %s is run by another user",
                       name);
    }

    memset(&control, 0, sizeof(control));
    control.align.cmsg_level = SOL_SOCKET;
    control.align.cmsg_type = SCM_RIGHTS;
    control.align.cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(&control.align), fds, 2 * sizeof(int));
    /* One that was about to end takes nothing any more. */
    if ( sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)nr_read ||
         cancel_poll(NULL, fd, POLLIN, deadline_in(TAKE_US)) ||
         recv(fd, &taken, 1, MSG_DONTWAIT) != 1 )
    {
        close(fd);
        return err_set(e, -ENOENT, "the process that runs migration %s takes "
                       "no more connections", name);
    }
    *ret_fd = fd;

    return 0;
}

void attach_tidy(const char *state_dir)
{
    uint8_t id[IDENT_BYTES];
    struct dirent *de;
    int fd, again;
    DIR *d;

    if ( open_dir(state_dir, false, NULL, &fd) )
        return;
    again = dup(fd);
    d = again >= 0 ? fdopendir(again) : NULL;
    if ( !d && again >= 0 )
        close(again);
    lock_dir(fd, LOCK_EX);
    while ( d && (de = readdir(d)) != NULL )
        if ( !ident_parse(de->d_name, id) )
            is_alive(fd, de->d_name);
    lock_dir(fd, LOCK_UN);
    if ( d )
        closedir(d);
    close(fd);
}
