/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Machine memory: one memfd, its frame allocator, pins, claims and accounts.
 *
 * A frame is allocated while it has references: one of its owner (the P2M or
 * the host) and one for each pin (foreign and grant maps).  With the last one
 * it is poisoned and free.
 */
#ifndef XMIG_EMU_MACHINE_H
#define XMIG_EMU_MACHINE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define RUN_ORDER  9
#define RUN_FRAMES (1u << RUN_ORDER)     /* frames of a 2 MiB run */
#define NO_RUN     0xffffffffu

struct slots;

/* 2 MiB of machine memory.  Under machine.lock. */
struct run
{
    uint64_t used[RUN_FRAMES / 64];
    uint16_t nr_used;
    bool broken;                 /* handed out frame by frame */
    struct slots *owner;         /* or belongs to this slot of a domain */
    uint64_t slot;
    uint8_t list;                /* enum run_list */
    uint32_t next, prev;         /* in that list; NO_RUN */
};

enum run_list
{
    RUN_FREE,                    /* wholly free */
    RUN_BROKEN,                  /* broken, with free frames */
    RUN_ASSIGNED,                /* a slot's, with free frames */
    RUN_FULL,                    /* no list */
};

struct machine
{
    /* set at start, then read-only */
    int memfd;
    uint8_t *base;               /* the host's own mapping of all of it */
    uint64_t nr_frames;          /* multiple of RUN_FRAMES */
    uint32_t nr_runs;
    bool untouched;

    atomic_uint *refs;           /* per frame */

    pthread_mutex_t lock;
    /* under lock */
    struct run *runs;
    uint32_t head[RUN_FULL], tail[RUN_FULL];
    uint64_t nr_free;
    uint64_t nr_claimed;         /* sum of accounts' claims */
};

/* Which run each aligned 512-gfn slot of a domain uses.  machine.lock. */
struct slots
{
    uint32_t *run;               /* NO_RUN or an index */
    uint64_t nr;
};

/* Memory account of a domain.  machine.lock. */
struct account
{
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t claim;              /* outstanding */
};

int machine_init(struct machine *m, uint64_t bytes, bool untouched);
void machine_done(struct machine *m);

static inline void *machine_ptr(const struct machine *m, uint64_t mfn)
{
    return m->base + (mfn << 12);
}

/*
 * A frame for each of the gfns, in the slot's run where possible.  Returns
 * how many got one (all before the first that did not).
 */
unsigned int machine_alloc(struct machine *m, struct slots *s,
                           struct account *a, const uint64_t *gfns,
                           unsigned int n, uint32_t *ret_mfns);
/* 512 frames for one slot: its whole run.  0 or -ENOMEM. */
int machine_alloc_run(struct machine *m, struct slots *s, struct account *a,
                      uint64_t gfn, uint32_t *ret_mfn);
/* nr (<= 512) consecutive frames for the host itself, no account. */
int machine_alloc_host(struct machine *m, unsigned int nr, uint64_t *ret_mfn);

/* This very frame for the gfn, as it lies mapped there already: 0, -ENOMEM,
 * or -EBUSY when somebody else has it. */
int machine_alloc_at(struct machine *m, struct slots *s, struct account *a,
                     uint64_t gfn, uint64_t mfn);

/* A further reference; the frame must have one. */
void machine_pin(struct machine *m, uint64_t mfn);
/* Drop a reference. */
void machine_unpin(struct machine *m, uint64_t mfn);
/* Drop the owner's references of n frames, uncharge the account (if any). */
void machine_free(struct machine *m, struct account *a, const uint32_t *mfns,
                  unsigned int n);
/* Forget the slots' runs (the domain goes). */
void machine_forget_slots(struct machine *m, struct slots *s);

/* XENMEM_claim_pages: claim + tot_pages = pages.  0, -EINVAL, -ENOMEM. */
int machine_claim(struct machine *m, struct account *a, uint64_t pages);
uint64_t machine_free_pages(struct machine *m);

#endif
