/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * See way.h.  The thread reads whatever there is, then sleeps until the next
 * packet is due or another comes.  What is under way is bounded by rate, delay
 * and queue; without a rate by PIECES_MAX.
 */
#include "way.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tun.h"

#define PIECES_MAX 65536u
#define BURST      32u
#define NS_PER_S   1000000000ull

struct piece
{
    struct piece *next;
    uint64_t due_ns;
    uint32_t len;
    uint8_t data[];
};

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void append(struct way *w, struct piece *p)
{
    p->next = NULL;
    if ( w->last )
        w->last->next = p;
    else
        w->first = p;
    w->last = p;
    w->nr++;
}

/* Read what there is, but not so much that others are late; false: the
 * interface is gone. */
static bool take_in(struct way *w, uint8_t *buf)
{
    unsigned int burst = BURST;
    uint64_t bytes, due;
    struct piece *p;
    uint32_t nr;
    ssize_t n;

    while ( burst-- && (n = read(w->from_fd, buf, TUN_PIECE_MAX)) > 0 )
    {
        if ( n <= (ssize_t)TUN_HEADER_BYTES )
            continue;
        nr = tun_packets(buf, (uint32_t)n, &bytes);
        if ( shaper_take(&w->shaper, now_ns(), bytes, nr, &due) !=
             SHAPER_PASSES )
            continue;
        p = w->nr < PIECES_MAX ? malloc(sizeof(*p) + (size_t)n) : NULL;
        if ( !p )
        {
            w->shaper.dropped += nr;
            continue;
        }
        p->due_ns = due;
        p->len = (uint32_t)n;
        memcpy(p->data, buf, (size_t)n);
        append(w, p);
    }

    return n > 0 || errno == EAGAIN || errno == EINTR;
}

/* What is due goes out; *ret_wait: how long until the next. */
static bool let_out(struct way *w, struct timespec *ret_wait)
{
    uint64_t now = now_ns(), late;
    struct piece *p;

    while ( (p = w->first) && p->due_ns <= now )
    {
        late = now - p->due_ns;
        if ( late > w->shaper.late_max_ns )
            w->shaper.late_max_ns = late;
        /* The other end's queue is full, or it is down: lost, as there. */
        if ( write(w->to_fd, p->data, p->len) < 0 && errno != EINTR )
            w->shaper.lost++;
        w->first = p->next;
        if ( !w->first )
            w->last = NULL;
        w->nr--;
        free(p);
        now = now_ns();
    }
    if ( !p )
        return false;
    ret_wait->tv_sec = (time_t)((p->due_ns - now) / NS_PER_S);
    ret_wait->tv_nsec = (long)((p->due_ns - now) % NS_PER_S);

    return true;
}

static void *way_main(void *arg)
{
    uint8_t *buf = malloc(TUN_PIECE_MAX);
    struct sched_param realtime = { .sched_priority = 1 };
    struct way *w = arg;
    struct timespec wait;
    bool more;

    /* A line does not wait for a processor.  What can't be had is not
     * needed on an idle machine. */
    prctl(PR_SET_TIMERSLACK, 1);
    pthread_setschedparam(pthread_self(), SCHED_FIFO, &realtime);
    while ( buf )
    {
        struct pollfd pfd[] = {
            { .fd = w->from_fd, .events = POLLIN },
            { .fd = w->stop_fd, .events = POLLIN },
        };

        more = let_out(w, &wait);
        if ( ppoll(pfd, 2, more ? &wait : NULL, NULL) < 0 && errno != EINTR )
            break;
        if ( pfd[1].revents || (pfd[0].revents && !take_in(w, buf)) )
            break;
    }
    free(buf);

    return NULL;
}

int way_start(struct way *w)
{
    return -pthread_create(&w->thread, NULL, way_main, w);
}

void way_end(struct way *w)
{
    struct piece *p;

    pthread_join(w->thread, NULL);
    while ( (p = w->first) )
    {
        w->first = p->next;
        free(p);
    }
    w->last = NULL;
}
