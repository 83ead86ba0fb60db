/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Exact transfers on descriptors.
 *
 * Every wait is a poll() beside the cancel descriptor, so no transfer may
 * block in the kernel: sockets are used with MSG_DONTWAIT, whatever their
 * flags are; a pipe is opened again through /proc, as O_NONBLOCK belongs to
 * the open file, which a borrowed pipe shares with others.  Files block for
 * as long as the disk takes.
 *
 * A write takes from the bucket first and waits its debt off afterwards, in
 * slices, so that the cap holds within one long transfer too.
 */
#include "chan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chan_fault.h"

#define NAME_BYTES   128
/* At most this much between two looks at the bucket. */
#define SLICE_BYTES  (256u << 10)
/* Of a read of at least so much, wait for so much at a time. */
#define LOWAT_MIN_BYTES (64u << 10)
#define LOWAT_BYTES     (256u << 10)

enum kind
{
    KIND_SOCKET,
    KIND_PIPE,                   /* own open file, O_NONBLOCK */
    KIND_SHARED_PIPE,            /* could not be opened again: small writes */
    KIND_FILE,
};

struct chan
{
    /* set at open, then read-only */
    int fd;
    bool owned;
    enum kind kind;
    char name[NAME_BYTES];
    const struct cancel *cancel;
    /* set between transfers */
    struct err *err;
    struct bucket *bucket;
    uint64_t io_timeout_us;      /* 0 = none */
    uint64_t deadline_us;
    int lowat;                   /* SO_RCVLOWAT as set; 0 = never was */
    /* any thread */
    _Atomic uint64_t bytes_read, bytes_written;
};

/* ---- Open and close ---------------------------------------------------- */

static int reopen_pipe(struct chan *c)
{
    int fl = fcntl(c->fd, F_GETFL), fd;
    char path[40];

    if ( fl < 0 )
        return -errno;
    if ( c->owned )
    {
        if ( fcntl(c->fd, F_SETFL, fl | O_NONBLOCK) < 0 )
            return -errno;
        return 0;
    }
    snprintf(path, sizeof(path), "/proc/self/fd/%d", c->fd);
    fd = open(path, (fl & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC);
    if ( fd < 0 )
        return -errno;
    c->fd = fd;
    c->owned = true;

    return 0;
}

static int find_kind(struct chan *c)
{
    struct stat st;

    if ( fstat(c->fd, &st) < 0 )
        return -errno;
    if ( S_ISSOCK(st.st_mode) )
        c->kind = KIND_SOCKET;
    else if ( S_ISFIFO(st.st_mode) )
        c->kind = reopen_pipe(c) ? KIND_SHARED_PIPE : KIND_PIPE;
    else if ( S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) )
        c->kind = KIND_FILE;
    else
        c->kind = KIND_SHARED_PIPE;

    return 0;
}

int chan_open(int fd, bool borrowed, const char *name,
              const struct cancel *cancel, struct err *e,
              struct chan **ret_chan)
{
    struct chan *c = calloc(1, sizeof(*c));
    int rc;

    if ( !c )
        return err_set(e, -ENOMEM, "%s: out of memory", name);
    c->fd = fd;
    c->owned = !borrowed;
    snprintf(c->name, sizeof(c->name), "%s", name);
    c->cancel = cancel;
    c->err = e;
    c->deadline_us = DEADLINE_NEVER;
    rc = find_kind(c);
    if ( rc )
    {
        free(c);
        return err_set(e, rc, "%s: cannot use descriptor %d: %s", name, fd,
                       err_text(rc));
    }
    *ret_chan = c;

    return 0;
}

void chan_close(struct chan *c)
{
    if ( !c )
        return;
    if ( c->owned )
        close(c->fd);
    free(c);
}

int chan_fd(const struct chan *c)
{
    return c->fd;
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

    if ( c->kind != KIND_SOCKET || ioctl(c->fd, SIOCOUTQ, &n) < 0 || n < 0 )
        return 0;

    return (uint64_t)n;
}

/* ---- Waiting ----------------------------------------------------------- */

/* Wait for the descriptor; how long it may be idle began at idle_us. */
static int wait_ready(struct chan *c, short events, uint64_t idle_us)
{
    uint64_t limit = c->deadline_us;

    if ( c->io_timeout_us && idle_us + c->io_timeout_us < limit )
        limit = idle_us + c->io_timeout_us;

    return cancel_poll(c->cancel, c->fd, events, limit);
}

/* Wait without touching the descriptor, for the bucket's sake. */
static int wait_tokens(struct chan *c, uint64_t wait_us)
{
    uint64_t until = deadline_in(wait_us);
    int rc;

    if ( until > c->deadline_us )
        until = c->deadline_us;
    rc = cancel_poll(c->cancel, -1, 0, until);
    if ( rc != -ETIMEDOUT )
        return rc;

    return deadline_passed(c->deadline_us) ? -ETIMEDOUT : 0;
}

/* ---- One system call --------------------------------------------------- */

/*
 * A write on a pipe that nobody reads raises SIGPIPE in this thread: hold it
 * back, and take it away if it was not pending before.
 */
static ssize_t writev_no_sigpipe(int fd, const struct iovec *iov, int nr)
{
    static const struct timespec now = { 0, 0 };
    sigset_t pipe_set, old, pending;
    bool was_pending;
    ssize_t r;
    int saved;

    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_set, &old);
    sigemptyset(&pending);
    sigpending(&pending);
    was_pending = sigismember(&pending, SIGPIPE);

    r = writev(fd, iov, nr);
    saved = errno;

    if ( r < 0 && saved == EPIPE && !was_pending )
        while ( sigtimedwait(&pipe_set, NULL, &now) < 0 && errno == EINTR )
            continue;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = saved;

    return r;
}

/* As much as one slice, and as one system call takes. */
static int cut_iov(struct iovec *iov, size_t nr, size_t max,
                   size_t *ret_last_len)
{
    size_t sum = 0, i;

    for ( i = 0; i < nr && i < IOV_MAX; i++ )
    {
        if ( iov[i].iov_len > max - sum )
        {
            *ret_last_len = iov[i].iov_len;
            iov[i].iov_len = max - sum;
            return (int)i + 1;
        }
        sum += iov[i].iov_len;
    }
    *ret_last_len = 0;

    return (int)i;
}

/* Write some of iov; at most max bytes. */
static ssize_t write_once(struct chan *c, struct iovec *iov, size_t nr,
                          size_t max)
{
    size_t last_len;
    int n = cut_iov(iov, nr, max, &last_len), saved;
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
    ssize_t r;

    if ( c->kind == KIND_SOCKET )
        r = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if ( c->kind == KIND_FILE )
        r = writev(c->fd, iov, n);
    else
        r = writev_no_sigpipe(c->fd, iov, n);
    saved = errno;
    if ( last_len )
        iov[n - 1].iov_len = last_len;
    errno = saved;

    return r;
}

static ssize_t read_once(struct chan *c, struct iovec *iov, size_t nr)
{
    int n = nr > IOV_MAX ? IOV_MAX : (int)nr;
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };

    return c->kind == KIND_SOCKET ? recvmsg(c->fd, &msg, MSG_DONTWAIT)
                                  : readv(c->fd, iov, n);
}

/* Step iov over bytes that have been moved. */
static void advance(struct iovec **iov, size_t *nr, size_t bytes)
{
    while ( *nr && bytes >= (*iov)->iov_len )
    {
        bytes -= (*iov)->iov_len;
        ++*iov;
        --*nr;
    }
    if ( bytes )
    {
        (*iov)->iov_base = (char *)(*iov)->iov_base + bytes;
        (*iov)->iov_len -= bytes;
    }
}

static size_t iov_bytes(const struct iovec *iov, size_t nr)
{
    size_t sum = 0, i;

    for ( i = 0; i < nr; i++ )
        sum += iov[i].iov_len;

    return sum;
}

/*
 * Do not be woken for every segment of a long read: a reader that is faster
 * than the sender would spend its time going to sleep.  bytes 1 is the
 * default.
 */
static void set_lowat(struct chan *c, size_t bytes)
{
    int n = (int)(bytes > LOWAT_BYTES ? LOWAT_BYTES : bytes);

    if ( c->kind != KIND_SOCKET || n == c->lowat )
        return;
    if ( !setsockopt(c->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)) )
        c->lowat = n;
}

/* ---- Failures ---------------------------------------------------------- */

/* Record why a transfer of total bytes ended after done of them. */
static int transfer_failed(struct chan *c, int rc, const char *what,
                           size_t done, size_t total)
{
    const char *why = err_text(rc);

    switch ( rc )
    {
    case -ENODATA:
        why = "the peer closed the connection";
        break;

    case -ETIMEDOUT:
        why = "the peer was silent for too long";
        break;

    case -ECANCELED:
        return err_set(c->err, rc, "cancelled");

    case -EPIPE:
        why = "the peer has closed the connection";
        break;
    }

    return err_set(c->err, rc, "%s: %s %zu bytes: %s after %zu", c->name,
                   what, total, why, done);
}

/* ---- Reading ----------------------------------------------------------- */

/* min 0: one successful read is enough, and the end is no error. */
static int read_loop(struct chan *c, struct iovec *iov, size_t nr, bool all,
                     size_t *ret_done)
{
    size_t total = iov_bytes(iov, nr), done = 0;
    uint64_t idle_us = clock_now_us();
    int rc = cancel_check(c->cancel);

    if ( !rc && total )
    {
        rc = chan_fault_read();
        if ( rc )
            chan_break(c);
    }
    /* A shared pipe would block in read(). */
    if ( !rc && total && c->kind == KIND_SHARED_PIPE )
        rc = wait_ready(c, POLLIN, idle_us);
    while ( !rc && done < total )
    {
        ssize_t r = read_once(c, iov, nr);

        if ( r > 0 )
        {
            done += (size_t)r;
            atomic_fetch_add_explicit(&c->bytes_read, (uint64_t)r,
                                      memory_order_relaxed);
            if ( !all )
                break;
            advance(&iov, &nr, (size_t)r);
            if ( done < total )
            {
                idle_us = clock_now_us();
                rc = idle_us >= c->deadline_us ? -ETIMEDOUT
                                               : cancel_check(c->cancel);
                if ( !rc && c->kind == KIND_SHARED_PIPE )
                    rc = wait_ready(c, POLLIN, idle_us);
            }
        }
        else if ( r == 0 )
        {
            if ( !all )
                break;
            rc = -ENODATA;
        }
        else if ( errno == EAGAIN || errno == EWOULDBLOCK )
        {
            if ( all && total - done >= LOWAT_MIN_BYTES )
                set_lowat(c, total - done);
            else if ( c->lowat > 1 )
                set_lowat(c, 1);
            rc = wait_ready(c, POLLIN, idle_us);
            if ( rc == -ETIMEDOUT && c->lowat > 1 )
            {
                /* Slow is not silent: is there anything at all? */
                set_lowat(c, 1);
                rc = cancel_poll(c->cancel, c->fd, POLLIN, 0);
            }
        }
        else if ( errno != EINTR )
            rc = -errno;
    }
    if ( c->lowat > 1 )
        set_lowat(c, 1);
    *ret_done = done;

    return rc ? transfer_failed(c, rc, "read", done, total) : 0;
}

int chan_readv(struct chan *c, struct iovec *iov, size_t nr)
{
    size_t done;

    return read_loop(c, iov, nr, true, &done);
}

int chan_read(struct chan *c, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };

    return chan_readv(c, &iov, 1);
}

int chan_read_some(struct chan *c, void *buf, size_t len, size_t *ret_len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    size_t done;
    int rc = read_loop(c, &iov, 1, false, &done);

    if ( !rc )
        *ret_len = done;

    return rc;
}

/* ---- Writing ----------------------------------------------------------- */

static size_t slice_of(const struct chan *c)
{
    if ( c->kind == KIND_SHARED_PIPE )
        return PIPE_BUF;

    return c->bucket ? SLICE_BYTES : SIZE_MAX;
}

int chan_writev(struct chan *c, struct iovec *iov, size_t nr)
{
    size_t total = iov_bytes(iov, nr), done = 0, max = slice_of(c);
    uint64_t idle_us = clock_now_us();
    int rc = cancel_check(c->cancel);

    if ( !rc && total )
    {
        rc = chan_fault_write();
        if ( rc )
            chan_break(c);
    }
    while ( !rc && done < total )
    {
        ssize_t r;

        if ( c->kind == KIND_SHARED_PIPE )
        {
            rc = wait_ready(c, POLLOUT, idle_us);
            if ( rc )
                break;
        }
        r = write_once(c, iov, nr, max);
        if ( r >= 0 )
        {
            uint64_t wait_us;

            done += (size_t)r;
            atomic_fetch_add_explicit(&c->bytes_written, (uint64_t)r,
                                      memory_order_relaxed);
            advance(&iov, &nr, (size_t)r);
            wait_us = c->bucket ? bucket_take(c->bucket, (uint64_t)r) : 0;
            if ( wait_us )
                rc = wait_tokens(c, wait_us);
            if ( !rc && done < total )
            {
                idle_us = clock_now_us();
                rc = idle_us >= c->deadline_us ? -ETIMEDOUT
                                               : cancel_check(c->cancel);
            }
        }
        else if ( errno == EAGAIN || errno == EWOULDBLOCK )
            rc = wait_ready(c, POLLOUT, idle_us);
        else if ( errno != EINTR )
            rc = -errno;
    }

    return rc ? transfer_failed(c, rc, "write", done, total) : 0;
}

int chan_write(struct chan *c, const void *buf, size_t len)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };

    return chan_writev(c, &iov, 1);
}

/* ---- The connection ---------------------------------------------------- */

int chan_wait_readable(struct chan *c, uint64_t deadline_us)
{
    if ( deadline_us > c->deadline_us )
        deadline_us = c->deadline_us;

    return cancel_poll(c->cancel, c->fd, POLLIN, deadline_us);
}

bool chan_peer_gone(struct chan *c)
{
    struct pollfd pfd = { .fd = c->fd, .events = POLLIN | POLLRDHUP };
    char byte;

    if ( poll(&pfd, 1, 0) <= 0 )
        return false;
    if ( pfd.revents & (POLLERR | POLLHUP | POLLNVAL | POLLRDHUP) )
        return true;

    return c->kind == KIND_SOCKET &&
           recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void chan_shut_write(struct chan *c)
{
    if ( c->kind == KIND_SOCKET )
        shutdown(c->fd, SHUT_WR);
}

void chan_break(struct chan *c)
{
    if ( c->kind == KIND_SOCKET )
        shutdown(c->fd, SHUT_RDWR);
}
