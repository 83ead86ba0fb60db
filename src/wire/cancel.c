/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Cancellation: an eventfd that every wait polls beside its own descriptor.
 */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chan.h"

int cancel_init(struct cancel *c)
{
    c->reason = 0;
    c->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    return c->fd < 0 ? -errno : 0;
}

void cancel_done(struct cancel *c)
{
    if ( c->fd >= 0 )
        close(c->fd);
    c->fd = -1;
}

void cancel_raise(struct cancel *c, int rc)
{
    static const uint64_t one = 1;
    int none = 0, saved = errno;

    if ( atomic_compare_exchange_strong(&c->reason, &none,
                                        rc ? rc : -ECANCELED) )
        /* Cannot fail: the counter was 0. */
        while ( write(c->fd, &one, sizeof(one)) < 0 && errno == EINTR )
            continue;
    errno = saved;
}

void cancel_lower(struct cancel *c)
{
    uint64_t n;

    while ( read(c->fd, &n, sizeof(n)) < 0 && errno == EINTR )
        continue;
    c->reason = 0;
}

int cancel_check(const struct cancel *c)
{
    return c ? c->reason : 0;
}

int cancel_poll_either(const struct cancel *a, const struct cancel *b,
                       int fd, short events, uint64_t deadline_us)
{
    struct pollfd pfd[3] = {
        { .fd = fd, .events = events },
        { .fd = a ? a->fd : -1, .events = POLLIN },
        { .fd = b ? b->fd : -1, .events = POLLIN },
    };

    for ( ; ; )
    {
        struct timespec ts;
        int r = ppoll(pfd, 3, deadline_left_ts(deadline_us, &ts), NULL);

        if ( r < 0 && errno != EINTR )
            return -errno;
        if ( cancel_check(a) )
            return cancel_check(a);
        if ( cancel_check(b) )
            return cancel_check(b);
        if ( r > 0 && pfd[0].revents )
            return 0;
        if ( r == 0 && deadline_passed(deadline_us) )
            return -ETIMEDOUT;
    }
}

int cancel_poll(const struct cancel *c, int fd, short events,
                uint64_t deadline_us)
{
    return cancel_poll_either(c, NULL, fd, events, deadline_us);
}
