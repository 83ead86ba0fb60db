/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Channels: opening, closing, and the state of the connection.  Transfers
 * are in chan_io.c.
 *
 * A pipe is opened again through /proc where it is borrowed, as O_NONBLOCK
 * belongs to the open file, which a borrowed pipe shares with others.
 */
#include "chan_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- Open and close ---------------------------------------------------- */

static int reopen_pipe(struct chan_end *end)
{
    int fl = fcntl(end->fd, F_GETFL), fd;
    char path[40];

    if ( fl < 0 )
        return -errno;
    if ( end->owned )
    {
        if ( fcntl(end->fd, F_SETFL, fl | O_NONBLOCK) < 0 )
            return -errno;
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", end->fd);
    fd = open(path, (fl & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
    if ( fd < 0 )
        return -errno;
    end->fd = fd;
    end->owned = true;

    return 0;
}

static int find_kind(struct chan_end *end)
{
    struct stat st;

    if ( fstat(end->fd, &st) < 0 )
        return -errno;
    if ( S_ISSOCK(st.st_mode) )
        end->kind = CHAN_SOCKET;
    else if ( S_ISFIFO(st.st_mode) )
        end->kind = reopen_pipe(end) ? CHAN_SHARED_PIPE : CHAN_PIPE;
    else if ( S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) )
        end->kind = CHAN_FILE;
    else
        end->kind = CHAN_SHARED_PIPE;

    return 0;
}

static int chan_new(const char *name, const struct cancel *cancel,
                    struct err *e, struct chan **ret_chan)
{
    struct chan *c = calloc(1, sizeof(*c));

    if ( !c )
        return err_set(e, -ENOMEM, "%s: out of memory", name);
    snprintf(c->name, sizeof(c->name), "%s", name);
    c->cancel = cancel;
    c->broken.fd = -1;
    c->err = e;
    c->deadline_us = DEADLINE_NEVER;
    *ret_chan = c;

    return 0;
}

int chan_open(int fd, bool borrowed, const char *name,
              const struct cancel *cancel, struct err *e,
              struct chan **ret_chan)
{
    struct chan *c = NULL;
    int rc;

    rc = chan_new(name, cancel, e, &c);
    if ( rc )
        return rc;
    c->in.fd = fd;
    c->in.owned = !borrowed;
    rc = find_kind(&c->in);
    if ( rc )
    {
        free(c);
        return err_set(e, rc, "%s: cannot use descriptor %d: %s", name, fd,
                       err_text(rc));
    }
    c->out = c->in;
    *ret_chan = c;

    return 0;
}

/* Do both name one socket? */
static bool is_one_socket(int in_fd, int out_fd)
{
    struct stat a, b;

    return !fstat(in_fd, &a) && !fstat(out_fd, &b) && S_ISSOCK(a.st_mode) &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

int chan_open_pair(int in_fd, int out_fd, const char *name,
                   const struct cancel *cancel, struct err *e,
                   struct chan **ret_chan)
{
    struct chan *c = NULL;
    int rc;

    if ( is_one_socket(in_fd, out_fd) )
    {
        rc = chan_open(in_fd, false, name, cancel, e, ret_chan);
        if ( !rc )
            close(out_fd);
        return rc;
    }
    rc = chan_new(name, cancel, e, &c);
    if ( rc )
        return rc;
    c->in = (struct chan_end){ .fd = in_fd, .owned = true };
    c->out = (struct chan_end){ .fd = out_fd, .owned = true };
    rc = find_kind(&c->in);
    if ( !rc )
        rc = find_kind(&c->out);
    if ( !rc )
        rc = cancel_init(&c->broken);
    if ( rc )
    {
        free(c);
        return err_set(e, rc, "%s: cannot use descriptors %d and %d: %s",
                       name, in_fd, out_fd, err_text(rc));
    }
    *ret_chan = c;

    return 0;
}

void chan_close(struct chan *c)
{
    if ( !c )
        return;
    if ( c->in.owned )
        close(c->in.fd);
    if ( c->out.owned && c->out.fd >= 0 && c->out.fd != c->in.fd )
        close(c->out.fd);
    cancel_done(&c->broken);
    free(c);
}

int chan_fd(const struct chan *c)
{
    return c->in.fd;
}

int chan_out_fd(const struct chan *c)
{
    return c->out.fd;
}

const char *chan_name(const struct chan *c)
{
    return c->name;
}

void chan_set_io_timeout(struct chan *c, uint64_t timeout_us)
{
    c->io_timeout_us = timeout_us;
}

void chan_set_deadline(struct chan *c, uint64_t deadline_us)
{
    c->deadline_us = deadline_us;
}

void chan_set_bucket(struct chan *c, struct bucket *b)
{
    c->bucket = b;
}

void chan_set_err(struct chan *c, struct err *e)
{
    c->err = e;
}

void chan_set_cancel(struct chan *c, const struct cancel *cancel)
{
    c->cancel = cancel;
}

void chan_unread(struct chan *c, const void *buf, size_t len)
{
    c->nr_unread += len;
    memcpy(c->unread + CHAN_UNREAD_MAX - c->nr_unread, buf, len);
}

uint64_t chan_bytes_read(const struct chan *c)
{
    return atomic_load_explicit(&c->bytes_read, memory_order_relaxed);
}

uint64_t chan_bytes_written(const struct chan *c)
{
    return atomic_load_explicit(&c->bytes_written, memory_order_relaxed);
}

uint64_t chan_bytes_unsent(const struct chan *c)
{
    int n;

    if ( c->out.kind != CHAN_SOCKET ||
         ioctl(c->out.fd, SIOCOUTQ, &n) < 0 || n < 0 )
        return 0;

    return (uint64_t)n;
}

/* ---- The connection ---------------------------------------------------- */

int chan_wait_readable(struct chan *c, uint64_t deadline_us)
{
    if ( c->nr_unread )
        return 0;
    if ( deadline_us > c->deadline_us )
        deadline_us = c->deadline_us;

    return cancel_poll_either(c->cancel, &c->broken, c->in.fd, POLLIN,
                              deadline_us);
}

bool chan_peer_gone(struct chan *c)
{
    struct pollfd pfd = { .fd = c->in.fd, .events = POLLIN | POLLRDHUP };
    char byte;

    if ( poll(&pfd, 1, 0) <= 0 )
        return false;
    if ( pfd.revents & (POLLERR | POLLHUP | POLLNVAL | POLLRDHUP) )
        return true;

    return c->in.kind == CHAN_SOCKET &&
           recv(c->in.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void chan_shut_write(struct chan *c)
{
    if ( c->out.kind == CHAN_SOCKET )
        shutdown(c->out.fd, SHUT_WR);
    else if ( c->out.fd != c->in.fd && c->out.fd >= 0 )
    {
        close(c->out.fd);
        c->out.fd = -1;
    }
}

void chan_break(struct chan *c)
{
    if ( c->in.kind == CHAN_SOCKET )
        shutdown(c->in.fd, SHUT_RDWR);
    if ( c->out.kind == CHAN_SOCKET && c->out.fd != c->in.fd )
        shutdown(c->out.fd, SHUT_RDWR);
    if ( c->broken.fd >= 0 )
        cancel_raise(&c->broken, -ECONNRESET);
}
