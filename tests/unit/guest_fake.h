/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host and a xenstored for guest tests, with a virtual clock.
 *
 * Strict where a real host is: frames are poisoned, holes can't be touched,
 * after a move the old mapping can't be touched either, and a new host has
 * an empty ring, new ports and a store of its own.
 */
#ifndef XMIG_TEST_GUEST_FAKE_H
#define XMIG_TEST_GUEST_FAKE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"

#define FAKE_VCPUS 8u
#define FAKE_PORTS 64u
#define FAKE_NODES 96u
#define FAKE_PAGES_HIGH 0x1800u  /* where RAM beyond the hole begins */

struct fake_node
{
    char path[128];
    char value[512];
    uint32_t version;            /* grows at each change */
};

/* The fake xenstored. */
struct fake_xs
{
    struct fake_node node[FAKE_NODES];
    unsigned int nr_nodes;
    struct
    {
        char path[128];
        char token[64];
    } watch[64];
    unsigned int nr_watches;
    uint32_t last_version;
    uint32_t last_tx;
    uint32_t tx_id;              /* the open transaction; 0: none */
    uint32_t tx_version;         /* last_version when it began */
    struct fake_node tx_node[16];
    unsigned int nr_tx_nodes;
    char in[8192], out[65536];
    size_t nr_in, nr_out;
    bool stopped;                /* does not look at the ring */
    unsigned int nr_watch_requests;
    unsigned int nr_requests;
    /* Called before each request is carried out. */
    void (*hook)(struct fake_xs *xs, uint32_t type, void *arg);
    void *hook_arg;
};

struct fake
{
    uint8_t *mem;
    uint64_t nr_gfns;
    uint8_t *hole;               /* by gfn */
    uint64_t ring_gfn;
    uint32_t xs_port;
    uint32_t next_port;
    bool pending[FAKE_PORTS];
    bool bound[FAKE_PORTS];
    struct guest_regs regs[FAKE_VCPUS];
    atomic_bool up[FAKE_VCPUS], awake[FAKE_VCPUS];
    uint64_t deadline_us[FAKE_VCPUS];
    unsigned int nr_vcpus;
    _Atomic uint64_t now_ns;
    atomic_int shutdown;         /* reason; -1: runs */
    char console[16384];
    bool populate_fails;
    struct fake_xs xs;
};

/* low + high pages of RAM. */
struct fake *fake_create(uint64_t low, uint64_t high, unsigned int nr_vcpus,
                         const char *cmdline);
void fake_destroy(struct fake *f);

/* One step of one vCPU; steps of different vCPUs may run at once. */
void fake_step(struct fake *f, unsigned int vcpu);
/* One round over all vCPUs and xenstored; the clock moves. */
void fake_round(struct fake *f);
/* Rounds until done(f) or virtual time is up; false: time was up. */
bool fake_run(struct fake *f, uint64_t limit_us, bool (*done)(struct fake *));
void fake_run_us(struct fake *f, uint64_t us);

/* Ready-made conditions. */
bool fake_is_running(struct fake *f);
bool fake_is_down(struct fake *f);
bool fake_has_verdict(struct fake *f);       /* ok or bad */

/* What a migration does to a suspended guest: a new host, or a cancel. */
void fake_move(struct fake *f);
void fake_cancel(struct fake *f);
/* Ask for a suspend by xenstore and wait for it. */
bool fake_suspend(struct fake *f);

void *fake_page(struct fake *f, uint64_t gfn);
void fake_notify(struct fake *f, uint32_t port);

/* guest_fake_xs.c */
void fake_xs_run(struct fake *f);
const char *fake_xs_get(struct fake_xs *xs, const char *path);
void fake_xs_set(struct fake_xs *xs, const char *path, const char *value);
void fake_xs_remove(struct fake_xs *xs, const char *path);

#endif
