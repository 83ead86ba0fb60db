/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Exact transfers on descriptors.
 *
 * Every wait is a poll() beside the cancel descriptor, so no transfer may
 * block in the kernel: sockets are used with MSG_DONTWAIT, whatever their
 * flags are, pipes are O_NONBLOCK (chan.c).  Files block for as long as the
 * disk takes.
 *
 * A write takes from the bucket first and waits its debt off afterwards, in
 * slices, so that the cap holds within one long transfer too.
 */
#include "chan_impl.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chan_fault.h"

/* At most this much between two looks at the bucket. */
#define SLICE_BYTES  (256u << 10)
/* Of a read of at least so much, wait for so much at a time. */
#define LOWAT_MIN_BYTES (64u << 10)
#define LOWAT_BYTES     (256u << 10)

/* ---- Waiting ----------------------------------------------------------- */

/* Wait for one end; how long it may be idle began at idle_us. */
static int wait_ready(struct chan *c, const struct chan_end *end,
                      short events, uint64_t idle_us)
{
    uint64_t limit = c->deadline_us;

    if ( c->io_timeout_us && idle_us + c->io_timeout_us < limit )
        limit = idle_us + c->io_timeout_us;

    return cancel_poll_either(c->cancel, &c->broken, end->fd, events, limit);
}

/* May a transfer begin, or go on? */
static int check(struct chan *c)
{
    int rc = cancel_check(c->cancel);

    return rc ? rc : cancel_check(&c->broken);
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

    if ( c->out.kind == CHAN_SOCKET )
        r = sendmsg(c->out.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    else if ( c->out.kind == CHAN_FILE )
        r = writev(c->out.fd, iov, n);
    else
        r = writev_no_sigpipe(c->out.fd, iov, n);
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

    return c->in.kind == CHAN_SOCKET ? recvmsg(c->in.fd, &msg, MSG_DONTWAIT)
                                     : readv(c->in.fd, iov, n);
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

    if ( c->in.kind != CHAN_SOCKET || n == c->lowat )
        return;
    if ( !setsockopt(c->in.fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n)) )
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

/* What was put back comes first. */
static size_t take_unread(struct chan *c, struct iovec **iov, size_t *nr)
{
    size_t done = 0;

    while ( c->nr_unread && *nr )
    {
        size_t n = (*iov)->iov_len < c->nr_unread ? (*iov)->iov_len
                                                  : c->nr_unread;

        memcpy((*iov)->iov_base,
               c->unread + CHAN_UNREAD_MAX - c->nr_unread, n);
        c->nr_unread -= n;
        done += n;
        advance(iov, nr, n);
    }

    return done;
}

/* Nothing is there yet, left bytes are wanted at least. */
static int wait_more(struct chan *c, size_t left, uint64_t idle_us)
{
    int rc;

    if ( left >= LOWAT_MIN_BYTES )
        set_lowat(c, left);
    else if ( c->lowat > 1 )
        set_lowat(c, 1);
    rc = wait_ready(c, &c->in, POLLIN, idle_us);
    if ( rc == -ETIMEDOUT && c->lowat > 1 )
    {
        /* Slow is not silent: is there anything at all? */
        set_lowat(c, 1);
        rc = cancel_poll_either(c->cancel, &c->broken, c->in.fd, POLLIN, 0);
    }

    return rc;
}

/* Before the first byte: may it begin at all? */
static int begin_read(struct chan *c, size_t total)
{
    int rc = check(c);

    if ( rc || !total )
        return rc;
    rc = chan_fault_read();
    if ( rc )
        chan_break(c);

    return rc;
}

/* Without all one successful read is enough, and the end is no error. */
static int read_loop(struct chan *c, struct iovec *iov, size_t nr, bool all,
                     size_t *ret_done)
{
    size_t total = iov_bytes(iov, nr), done;
    uint64_t idle_us = clock_now_us();
    int rc = begin_read(c, total);

    done = rc ? 0 : take_unread(c, &iov, &nr);
    while ( !rc && done < total && (all || !done) )
    {
        ssize_t r;

        /* A shared pipe would block in read(). */
        if ( c->in.kind == CHAN_SHARED_PIPE )
            rc = wait_ready(c, &c->in, POLLIN, idle_us);
        if ( rc )
            break;
        r = read_once(c, iov, nr);
        if ( r > 0 )
        {
            done += (size_t)r;
            atomic_fetch_add_explicit(&c->bytes_read, (uint64_t)r,
                                      memory_order_relaxed);
            if ( !all || done == total )
                break;
            advance(&iov, &nr, (size_t)r);
            idle_us = clock_now_us();
            rc = idle_us >= c->deadline_us ? -ETIMEDOUT : check(c);
        }
        else if ( r == 0 && !all )
            break;
        else if ( r == 0 )
            rc = -ENODATA;
        else if ( errno == EAGAIN || errno == EWOULDBLOCK )
            rc = wait_more(c, all ? total - done : 1, idle_us);
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
    if ( c->out.kind == CHAN_SHARED_PIPE )
        return PIPE_BUF;

    return c->bucket ? SLICE_BYTES : SIZE_MAX;
}

int chan_writev(struct chan *c, struct iovec *iov, size_t nr)
{
    size_t total = iov_bytes(iov, nr), done = 0, max = slice_of(c);
    uint64_t idle_us = clock_now_us();
    int rc = check(c);

    if ( !rc && total )
    {
        rc = chan_fault_write();
        if ( rc )
            chan_break(c);
    }
    while ( !rc && done < total )
    {
        ssize_t r;

        if ( c->out.kind == CHAN_SHARED_PIPE )
        {
            rc = wait_ready(c, &c->out, POLLOUT, idle_us);
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
                rc = idle_us >= c->deadline_us ? -ETIMEDOUT : check(c);
            }
        }
        else if ( errno == EAGAIN || errno == EWOULDBLOCK )
            rc = wait_ready(c, &c->out, POLLOUT, idle_us);
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
