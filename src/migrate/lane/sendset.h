/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What has become of each gfn of the guest, at the source.
 *
 * A gfn is in exactly one of the states below; besides, the set knows which
 * gfns are populated as far as has been seen, which have been sent at least
 * once, and the epoch (the round) in which each was last read.
 *
 * Threads: whoever runs the round owns the set.  The engine's thread owns it
 * between rounds (mechanisms shape it then); during a round the mapper does.
 */
#ifndef XMIG_SENDSET_H
#define XMIG_SENDSET_H

#include "pages.h"

enum send_state
{
    SEND_NONE,                   /* a hole that the peer knows as one */
    SEND_PENDING,                /* to be sent in the next round */
    SEND_HELD,                   /* pending, but not for the next round */
    SEND_SKIPPED,                /* a send was suppressed: the peer lacks the
                                    newest contents */
    SEND_ABSENT,                 /* post-copy: sent after the switch-over */
    SEND_SENT,                   /* the peer has what was read in epoch */
};

struct sendset
{
    uint64_t nr_gfns;            /* highest gfn + 1 */
    /* disjoint */
    struct pageset pending, held, skipped, absent;
    /* facts beside */
    struct pageset sent;         /* at least once, maybe changed since */
    struct pageset present;      /* populated, as far as is known */
    uint16_t *epoch;             /* per gfn; meaningless where not sent */
};

/* -ENOMEM */
int sendset_init(struct sendset *set, uint64_t nr_gfns);
/* No-op on a zeroed set. */
void sendset_done(struct sendset *set);

enum send_state sendset_state(const struct sendset *set, uint64_t gfn);

/* The gfn changed, or its contents did: send it.  From any state. */
void sendset_pend(struct sendset *set, uint64_t gfn);
/* The same for every member of gfns (a dirty log: dirty beats all else). */
void sendset_pend_set(struct sendset *set, const struct pageset *gfns);
/* Everything held, or skipped, becomes pending again. */
void sendset_pend_held(struct sendset *set);
void sendset_pend_skipped(struct sendset *set);

/* gfns, all of them pending, are kept out of the next round. */
void sendset_hold_set(struct sendset *set, const struct pageset *gfns);
/* A pending gfn is suppressed, or is left for post-copy. */
void sendset_skip(struct sendset *set, uint64_t gfn);
void sendset_leave_absent(struct sendset *set, uint64_t gfn);
/* Everything pending is left for post-copy. */
void sendset_leave_all_absent(struct sendset *set);

/* Read and given to the lanes in epoch: as data or zeros, or as a hole. */
void sendset_sent_page(struct sendset *set, uint64_t gfn, uint16_t epoch);
void sendset_sent_hole(struct sendset *set, uint64_t gfn, uint16_t epoch);

#endif
