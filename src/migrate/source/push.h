/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the source of a post-copy does for the pages that are left: the lanes
 * push them, a responder answers the faults, a mapper maps ahead of both.
 *
 * A page is sent by whoever takes it out of the set of those that are left,
 * at the moment it goes into a socket; responder and lanes share nothing else
 * that they could wait for.
 *
 * Thread: the engine's.  The threads are made by push_open(), before the
 * guest is suspended, and sleep until push_map(), push_answer() or
 * push_start() needs them.
 */
#ifndef XMIG_PUSH_H
#define XMIG_PUSH_H

#include "claimset.h"
#include "conn.h"
#include "firstpages.h"
#include "laneout.h"
#include "session.h"

struct push;

struct push_counts
{
    uint64_t pushed;             /* pages, on the lanes */
    uint64_t demanded;           /* answered because a vCPU waited */
    uint64_t neighbours;         /* sent along with those */
    uint64_t first;              /* sent before the guest ran */
    uint64_t duplicates;         /* sent a second time */
    uint64_t holes;              /* there was nothing any more */
    uint64_t normal, zero;       /* pages by what they are */
    uint64_t requests;           /* gfns asked for */
    uint64_t left;
};

struct push_config
{
    struct conn **lanes;         /* borrowed; nr_lanes of the session; nobody
                                    else uses them from push_start() on */
    struct conn *faults;         /* borrowed */
    struct bucket *bucket;       /* the lanes' cap; borrowed */
    unsigned int neighbours;     /* at most, 0 = none */
    bool prepaging;
    bool find_zeros;
};

int push_open(struct session *s, const struct push_config *cfg,
              struct push **ret_p);
/* What has to be sent after the switch. */
void push_left(struct push *p, const struct pageset *left);
/* Where its vCPUs stand, by their context: what they touch first is sent
 * ahead.  Without it nothing is.  Before push_map(). */
void push_vcpus(struct push *p, const void *context, size_t len);
/* The guest is suspended: send what goes ahead, and then begin to map, as its
 * memory does not change any more.  All that is sent is of this round. */
void push_map(struct push *p, uint32_t round);
/* It is about to run there: answer. */
void push_answer(struct push *p);
/* It runs there: push. */
void push_start(struct push *p);
/* Readable when the lanes are through, or a thread has failed. */
int push_fd(const struct push *p);
/* The code of what failed first, 0 if nothing did. */
int push_failed(struct push *p);
/* The same, and record it. */
int push_error(struct push *p, struct err *e);
void push_counts(const struct push *p, struct push_counts *ret);
/* Its counts on top of those; left is its own. */
void push_add_counts(const struct push *p, struct push_counts *sum);
/* Ends the threads, in the middle by raising the session's stop. */
void push_stop(struct push *p);
/* The same, and unmaps.  p may be NULL. */
void push_close(struct push *p);

/* ---- Private to push.c and answer.c ------------------------------------- */

#include "glance.h"
#include "holdmap.h"
#include "prepage.h"

/* As Xen has it for HVM guests. */
#define PUSH_VCPUS_MAX 128u

struct push_lane
{
    struct push *p;
    unsigned int lane;
    pthread_t thread;
    bool made;
    struct laneout *out;
    struct err err;
    struct prepage_lane order;
    struct window view;          /* what is sent next */
    /* see keep_queue_short() */
    uint64_t looked_us, acked_bytes, begin_us, begin_bytes, rate_bps;
};

struct push
{
    /* set at the start, then read-only */
    struct session *s;
    struct push_config cfg;
    bool far;                    /* a long link */
    uint32_t round;              /* set by push_map() */
    struct hv_vcpu vcpus[PUSH_VCPUS_MAX];        /* by push_vcpus() */
    unsigned int nr_vcpus;
    int fd;                      /* eventfd */

    struct claimset left;
    struct prepage order;
    struct holdmap *map;
    struct push_lane lanes[WIRE_LANES_MAX];

    /* responder's */
    pthread_t responder, mapper;
    bool responder_made, mapper_made;
    struct err answer_err, map_err;
    struct firstpages ahead_of_all;
    struct glance glance;
    uint64_t last_fault;
    unsigned int ahead;          /* neighbours, now */

    _Atomic uint64_t pushed, demanded, neighbours, first, duplicates, holes,
        requests, normal, zero;

    pthread_mutex_t lock;
    pthread_cond_t cond;
    /* under lock */
    bool suspended, gone_ahead, answers, started, quit;
    unsigned int nr_pushing;     /* lanes */
    int rc;                      /* first failure */
};

/* Thread: any of push's. */
void push_fail(struct push *p, int rc);
/* Wait until *flag, which is under lock; false: it ends. */
bool push_wait(struct push *p, const bool *flag);
void push_flag(struct push *p, bool *flag);
/* The responder's thread; arg is the struct push. */
void *push_answer_main(void *arg);

#endif
