/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sweeps over a migration: fail the Nth call, for N = 1 ..., and judge after
 * each what became of the guest and of both hosts.
 *
 * The controller (sweep.c) only looks: what migrates, receives and recovers
 * are processes of their own (actor.c), each with its fault, so that they can
 * also be killed.  judge.c says what must hold after each.
 */
#ifndef XMIG_SWEEP_H
#define XMIG_SWEEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "xmig.h"

/* ---- The fault ---------------------------------------------------------- */

enum fault_kind { NO_FAULT, HYPERCALL, READ, WRITE, STORE };
enum fault_way { FAIL, RESET, CLOSED, KILL };

struct fault
{
    enum fault_kind kind;
    enum fault_way way;
    bool at_dest;
    const char *what;            /* HYPERCALL: as the host names it */
    const char *errno_name;      /* HYPERCALL, STORE: if it fails */
    uint64_t nth;
};

/* "destination domctl 12 EINVAL"; a static buffer. */
const char *fault_text(const struct fault *f);

/* ---- A host, as seen from outside (look.c) ------------------------------ */

struct host
{
    char dir[96];
    char state_dir[128];
    struct xc_interface_core *xch;
    struct xs_handle *xs;
    /* its receiver */
    pid_t server;                /* 0: none */
    int server_fd;
    uint16_t port;
    unsigned int base_fds, base_threads;   /* 0: not known yet */
    /* the store of the host without the guest, and with it */
    char *bare, *full;
};

struct guest_seen
{
    unsigned int domains;        /* but dom0 */
    unsigned int running;        /* not paused, shut down or dying */
    uint32_t domid;              /* of one that runs, else of any */
    uint64_t claimed_pages;
    char name[128];
    char why_not[64];            /* of one that does not run */
};

int host_look_open(struct host *h, const char *dir);
void host_look_close(struct host *h);
void host_env(const struct host *h, const char *fault_rule);
int host_guest(const struct host *h, struct guest_seen *ret);
/* A node of the guest, malloc'ed; NULL: none. */
char *host_node(const struct host *h, uint32_t domid, const char *path);
uint64_t host_u64(const struct host *h, uint32_t domid, const char *path);
/* Answer to a control message, in a static buffer; NULL on failure. */
const char *host_ctl(const struct host *h, uint32_t op, const char *text);
uint64_t host_status(const struct host *h, const char *key);
/* Calls of that name that a process with rules has made; was its rule hit? */
uint64_t host_calls(const struct host *h, pid_t pid, bool *ret_hit);
/* All node names, domid replaced by a word; malloc'ed. */
char *host_store_text(const struct host *h, uint32_t domid);
/* First journal that is open (text), or NULL: all is settled. */
const char *host_open_journal(const struct host *h);
/* Remove a destination's journals in that state. */
void host_forget(const struct host *h, const char *state);
/* Have a destination's journals in that state lose their last line. */
void host_lose(const struct host *h, const char *state);

/* ---- Processes (actor.c) ------------------------------------------------ */

struct outcome
{
    int rc;
    int opened;                  /* xmig_open() succeeded */
    int ended;                   /* it got to its end */
    struct xmig_error error;
    uint64_t reads, writes;
    uint64_t calls;              /* HYPERCALL: of that name */
    bool hit;                    /* the fault has been met */
    bool hung;
    uint64_t ms;
};

/* Start a receiver, with its fault if it is one at the destination.  False:
 * it did not come up (which a fault is a reason for). */
bool server_start(struct host *h, const struct fault *f);
/* Ask it to end, and wait; false: it had to be killed, or has failed. */
bool server_stop(struct host *h);
void server_kill(struct host *h);
bool server_lives(struct host *h);
/* Count reads and writes anew, with a fault among them. */
bool server_plan(struct host *h, const struct fault *f);
/* Has its fault been met?  Calls, reads or writes so far. */
uint64_t server_count(struct host *h, const struct fault *f, bool *ret_hit);
/* Descriptors and threads. */
void server_size(const struct host *h, unsigned int *ret_fds,
                 unsigned int *ret_threads);

/* GO goes with the state. */
extern bool actor_early_go;

void actor_send(struct host *from, const struct host *to, uint32_t domid,
                const struct fault *f, unsigned int patience_ms,
                struct outcome *ret);
void actor_recover(struct host *at, bool fenced, struct outcome *ret);

/* ---- A xenstored that refuses (store.c) --------------------------------- */

/* In a process that has no threads yet: have all that it asks xenstored for
 * go through one that refuses f's Nth request. */
void store_interpose(const struct host *h, const struct fault *f);
/* The controller: before and after such a process. */
void store_reset(void);
uint64_t store_calls(void);
void store_interposed(const struct host *h, pid_t pid);

/* ---- Judgement (judge.c) ------------------------------------------------ */

struct world
{
    struct host host[2];
    const char *emu;             /* the launcher */
    unsigned int at;             /* where the guest is */
    uint64_t moves;              /* resumes that the guest has counted */
    bool verbose;
    bool bye_is_lost;            /* a destination that did not read BYE keeps
                                    its journal: allowed in this step */
    unsigned int byes_lost;
    unsigned int failures;       /* of the sweep that runs */
    char said[8192];             /* about them */
};

/* Note a failure. */
void wrong(struct world *w, const struct fault *f, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* More than one copy runs? */
bool two_run(struct world *w, const struct fault *f);
/* Exactly one runs, well and whole, at w->at; nothing is left elsewhere. */
bool judge(struct world *w, const struct fault *f);
/* Remember what a tidy host looks like, with the guest and without. */
void take_bases(struct world *w);

/*
 * A migration in which the destination's host ends (death.c).  ask: the host,
 * which has lost STARTED, is back and is asked before the operator gives his
 * word.  *ret_doubt: it
 * ended in doubt.  False: the world is not as it should be.
 */
bool death_step(struct world *w, const struct fault *f, bool ask,
                bool *ret_doubt);

uint64_t now_ms(void);
/* For the body of a loop that asks again: false when time is up. */
bool again(uint64_t until_ms);

#endif
