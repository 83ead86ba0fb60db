/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The emulated host: its objects, who may touch them, and what its files
 * offer one another.
 *
 * Threads: one per client connection, one per vCPU, one that accepts, one
 * per domain in synchronous dirty logging, and share.c's.
 *
 * Lock order (take downwards, never upwards):
 *   1  domain.lock          toolstack operations on a domain, one at a time
 *   2  evtchn.c's and gnttab.c's own locks
 *   3  domain.p2m_lock      rwlock: P2M and guest address space
 *   4  domain.dirty.lock    log-dirty state; paging's locks; a vm_event ring's
 *   5  host.dom_lock        the table of domains
 *   6  machine.lock         frame allocator
 *   7  domain.sched_lock    pause counts, shutdown state, vCPU states
 *   8  log, fault plan, share.c's  leaves
 * Nobody waits for a vCPU to stop (domain_pause(), domain_pause_vcpus())
 * while holding 2 ... 8: the step that is running may need them.  The core
 * calls evtchn_*() and gnttab_*() with at most lock 1 held.  vcpu_kick(),
 * domain_find(), domain_put(), p2m_*(), machine_*() may be called under 2.
 */
#ifndef XMIG_EMU_HOST_H
#define XMIG_EMU_HOST_H

#include <pthread.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "machine.h"
#include "fault.h"
#include "guest/guest.h"
#include "proto.h"

#define PAGE_SIZE       EMU_PAGE_SIZE
#define MAX_DOMID       0x7ff0u          /* ordinary domains are below */
#define DOMID_ANY       0xffffffffu      /* domain_create(): pick one */
#define MAX_VCPUS       128u
#define NR_HVM_PARAMS   40u
#define P2M_MAX_GFNS    (1ull << 26)     /* 256 GiB; see host.max_gfns */

enum dirty_mode
{
    DIRTY_AUTO,
    DIRTY_ASYNC,                 /* userfaultfd WP_ASYNC + PAGEMAP_SCAN */
    DIRTY_SYNC,                  /* userfaultfd write-protect faults */
};

struct domain;
struct conn;
struct pt_batch;

struct host
{
    /* set at start, then read-only */
    const char *dir;
    enum dirty_mode dirty_mode;  /* resolved, not DIRTY_AUTO */
    int listen_fd;
    uint64_t boot_ns;            /* CLOCK_MONOTONIC */
    uint64_t dom0_pages;         /* accounted only, not backed */
    uint64_t max_gfns;           /* size of each guest's address space */
    unsigned int nr_cpus;
    bool no_vmx;                 /* as a host with AMD's processors */

    struct machine machine;
    struct fault_plan faults;    /* for all clients */

    /* under dom_lock */
    pthread_mutex_t dom_lock;
    struct domain *domains[MAX_DOMID];
    uint32_t last_domid;

    /* under conn_lock (a leaf) */
    pthread_mutex_t conn_lock;
    pthread_cond_t conns_gone;
    struct conn *conns;
    unsigned int nr_conns;
    struct client *clients;
};

/* ---- vCPUs -------------------------------------------------------------- */

struct vcpu
{
    /* set at creation, then read-only */
    struct domain *d;
    unsigned int id;
    pthread_t thread;
    struct guest_env env;

    /* vCPU thread while it steps; whoever stopped it otherwise */
    struct guest_regs regs;
    void *hw;                    /* hvmctx.c's: rest of the CPU record */

    /* under sched_lock */
    bool initialised;            /* has a context */
    bool online;
    bool stepping;               /* inside guest_step(), or about to be */
    bool waiting;                /* GUEST_WAIT, until deadline_us or kick */
    bool quit;
    bool thread_started;
    uint64_t deadline_us;
    uint64_t parked_us;          /* the cap is used up until then */
    bool has_run;                /* ever */
    bool in_fault;               /* in the middle of a step, which waits */
    unsigned int event_pauses;   /* by requests that are not answered */
    bool room;                   /* the ring has room again: look */
    pthread_cond_t wake;

    atomic_bool kicked;          /* an event came since the step began */
    atomic_bool attention;       /* leave the stepping loop */

    /* vCPU thread only */
    sigjmp_buf crash_jmp;
    volatile bool in_guest;
    uintptr_t fault_addr;
    int shutdown_reason;         /* asked for by this step, or -1 */
};

/* ---- domains ------------------------------------------------------------ */

struct dirty_log
{
    pthread_mutex_t lock;
    /* under lock */
    bool enabled;
    bool failed;                 /* some gfns are not tracked */
    enum dirty_mode mode;
    int uffd;
    pthread_t thread;            /* DIRTY_SYNC */
    int stop_fd;
    uint64_t nr_clean;           /* CLEANs so far */

    /* any thread, atomic words; host.max_gfns bits, sparse */
    _Atomic uint64_t *soft;
    atomic_bool soft_on;         /* p2m_mark_dirty() has an effect */
    atomic_uint_fast64_t faults;
};

struct p2m
{
    /* max_gfns entries, sparse; 0: hole, else P2M_* | mfn + 1.
     * Written under p2m_lock for writing; read with atomic loads. */
    _Atomic uint32_t *entry;
    uint64_t max_gfns;
    struct slots slots;          /* machine.c's, under machine.lock */
    uint8_t *mem;                /* guest address space, max_gfns pages */
    uint64_t nr_gfns;            /* highest gfn ever populated + 1 */
    uint64_t nr_holes_made;      /* decrease_reservation so far */
};

#define P2M_FOREIGN 0x80000000u  /* a frame of the host's (grant table) */
#define P2M_PAGING  0x40000000u  /* out of the guest's reach: see paging.h */
#define P2M_ASKED   0x20000000u  /* the pager was asked for it */
#define P2M_ABSENT  0x10000000u  /* no frame: mfn + 1 is what lies mapped
                                  * there without being touchable, or 0 */
#define P2M_DENIED  0x08000000u  /* its access is n, and it has its frame:
                                  * see access.h; never with P2M_PAGING */
#define P2M_FLAGS   0xf8000000u

/* watch.c's: the guest's memory is registered with userfaultfd. */
struct watch
{
    /* changed while no vCPU can fault: under p2m_lock for writing */
    int uffd;
    unsigned int users;          /* enum watch_user */
    atomic_bool on;
};

/* access.c's */
struct mem_access
{
    atomic_uint_fast64_t nr_denied;
    atomic_bool deny_new;        /* under p2m_lock for writing: the default */
    atomic_bool required;        /* XEN_DOMCTL_set_access_required */
};

enum vm_event_ring { RING_PAGING, RING_MONITOR, NR_RINGS };

struct gnttab_domain;
struct paging;
struct vm_ring;
struct domctl_state;

struct domain
{
    /* set at creation, then read-only */
    struct host *host;
    uint32_t domid;
    bool hvm;                    /* false: dom0 only */
    atomic_uint refs;
    bool dead;                   /* under dom_lock: goes with the last ref */
    struct gnttab_domain *gnttab;    /* gnttab.c's */
    int console_fd;

    pthread_mutex_t lock;
    /* under lock */
    struct domctl_state *ctl;    /* domctl.c's: handle, policy, tsc ... */
    atomic_bool dying;           /* set under lock, read anywhere */

    pthread_rwlock_t p2m_lock;
    /* under p2m_lock */
    struct p2m p2m;

    struct dirty_log dirty;
    struct watch watch;
    struct mem_access access;
    struct paging *paging;       /* paging.c's, NULL for dom0 */
    struct vm_ring *rings[NR_RINGS]; /* vm_event.c's, likewise */

    /* accounting, under machine.lock */
    struct account acct;

    /* under sched_lock */
    pthread_mutex_t sched_lock;
    pthread_cond_t stopped;      /* some vCPU stopped stepping */
    unsigned int pause_count;    /* hypervisor's own and toolstack's */
    unsigned int ctl_pauses;     /* of them by XEN_DOMCTL_pausedomain */
    bool shutting_down;
    bool shut_down;
    unsigned int shutdown_code;
    uint32_t suspend_port;       /* XEN_DOMCTL_subscribe; 0: none */
    unsigned int nr_vcpus;
    struct vcpu *vcpus[MAX_VCPUS];

    /* The cap on CPU time, as credit2's: so much in each period, by all
     * vCPUs together. */
    atomic_uint cap_percent;     /* of one CPU; 0 = none */
    pthread_mutex_t cap_lock;
    /* under cap_lock */
    uint64_t cap_period, cap_used_ns;

    /* atomic words */
    _Atomic uint64_t params[NR_HVM_PARAMS];
};

/* domain.c */
struct domain *domain_find(struct host *h, uint32_t domid);   /* takes a ref */
struct domain *domain_get(struct domain *d);                  /* another ref */
void domain_put(struct domain *d);                           /* NULL is fine */
/* This domain or the next existing one, as 4.17's getdomaininfo wants. */
struct domain *domain_find_from(struct host *h, uint32_t domid);
/* Takes ctl over, also when it fails. */
int domain_create(struct host *h, uint32_t domid, bool hvm,
                  struct domctl_state *ctl, struct domain **ret_d);
/* Ends vCPU threads, frees memory. domain.lock held; ref stays with caller. */
void domain_destroy(struct domain *d);
void domain_console(struct domain *d, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* sched.c */
/* Once, before any vCPU: guest faults crash the guest.  0 or -errno. */
int sched_init(void);
int vcpu_create(struct domain *d, unsigned int id);
void vcpus_end(struct domain *d);
/* Something happened that a waiting vCPU wants to see.  Any thread. */
void vcpu_kick(struct vcpu *v);
/* The same by number; unknown vCPUs are ignored. */
void domain_kick(struct domain *d, unsigned int vcpu);
int vcpu_up(struct domain *d, unsigned int id, const struct guest_regs *regs);
/* Stop all vCPUs at step boundaries and wait for it; counted. */
void domain_pause(struct domain *d);
void domain_unpause(struct domain *d);
int domain_ctl_pause(struct domain *d);
int domain_ctl_unpause(struct domain *d);
/* Shut down; wait: return only when no vCPU steps any more. */
void domain_shutdown(struct domain *d, unsigned int reason, bool wait);
int domain_resume(struct domain *d);
/* All its vCPUs together may use percent of one CPU; 0 = no cap. */
void domain_cap(struct domain *d, unsigned int percent);
/*
 * A page that the vCPU touches is absent or denied: what its thread does, in
 * the middle of the step.  From vcpu_fault_begin() to vcpu_fault_end() it
 * counts as stopped, with its step unfinished.  vcpu_fault_wait() returns when
 * no request of its is unanswered (and, room: when there is room in the ring).
 * Both leave the step for good, by a jump, if the domain goes.
 */
void vcpu_fault_begin(struct vcpu *v);
void vcpu_fault_wait(struct vcpu *v, bool room);
void vcpu_fault_end(struct vcpu *v);
/* A request of it goes into the ring; was answered; there is room. */
void vcpu_event_pause(struct vcpu *v);
bool vcpu_event_paused(struct vcpu *v);
void vcpu_event_unpause(struct vcpu *v);
void vcpu_event_room(struct vcpu *v);
/* The vCPU whose thread this is, or NULL. */
struct vcpu *vcpu_current(void);
/* Some vCPU is in the middle of a step: its context cannot be had. */
bool domain_in_fault(struct domain *d);
/* True while nothing steps: paused or shut down. */
bool domain_is_stopped(struct domain *d);

/* p2m.c */
int p2m_init(struct domain *d);
void p2m_done(struct domain *d);
/* mfn of a gfn: 0 or -ENOENT (hole), -EINVAL (beyond), -EAGAIN (absent).
 * Unlocked snapshot. */
int p2m_lookup(struct domain *d, uint64_t gfn, uint64_t *ret_mfn);
/* Look up and pin, so that the frame stays allocated until machine_unpin().
 * -ENOENT, -EINVAL; -EAGAIN: absent, and the pager has been asked;
 * vm_event_notify() is due when no lock is held.  For grant maps. */
int p2m_pin(struct domain *d, uint64_t gfn, uint64_t *ret_mfn);
/* Pin num gfns at once: appends runs to *ret_runs (malloc'ed, *ret_nr). */
int p2m_pin_runs(struct domain *d, const uint64_t *gfns, uint32_t num,
                 struct emu_run **ret_runs, uint32_t *ret_nr);
/* Log gfn as dirty (software bitmap); no effect while the log is off. */
void p2m_mark_dirty(struct domain *d, uint64_t gfn);
/* Populate with 2^order pages from each gfn on: how many of the n were done,
 * or -errno if none.  What a gfn held before is lost, as in Xen. */
long p2m_populate(struct domain *d, const uint64_t *gfns, unsigned int n,
                  unsigned int order);
/* Give up; how many were done, or -errno if none. */
long p2m_decrease(struct domain *d, const uint64_t *gfns, unsigned int n);
/* Put a frame of the host's (grant table) into the P2M, and out again. */
int p2m_add_host_frame(struct domain *d, uint64_t gfn, uint64_t mfn);
int p2m_remove(struct domain *d, uint64_t gfn);
/* Give everything up. */
void p2m_free_all(struct domain *d);

/* dirty.c: log-dirty; see dirty.h */

/* ---- connections -------------------------------------------------------- */

struct conn
{
    /* set at hello, then read-only */
    struct host *host;
    int fd;
    enum emu_kind kind;
    int pid;                     /* the client's */
    struct client *client;       /* its process; NULL: no fault rules */
    uint8_t *arena;              /* EMU_KIND_CALL: mapped here */
    uint64_t arena_va;           /* and there */

    /* connection thread only */
    uint32_t only_domid;         /* EMU_RESTRICT; ~0: any */
    struct fmem *fmem;           /* fmem.c's: pins of this connection */
    void *evtchn;                /* evtchn.c's */
    void *gnttab;                /* gnttab.c's */
    struct pt_batch *batch;      /* batch.c's, for a multicall */
    uint8_t *raw;                /* the request in hand: header, payload */
    size_t raw_size;
    uint8_t *buf;                /* its payload, 8-aligned */

    struct conn *next, **link;   /* under host.conn_lock */
};

/*
 * Answer the request in hand; exactly once for each.  nfds descriptors travel
 * with it and stay the caller's.  Returns 0, or -errno when the client is
 * gone (the caller just returns).
 */
int conn_reply(struct conn *c, uint32_t op, int64_t result,
               const void *data, size_t len, const int *fds,
               unsigned int nfds);

/*
 * Guest memory of a hypercall: addresses in the client's arena.  -EFAULT and
 * a log line when they are not hypercall-safe.
 */
int copy_from_client(struct conn *c, void *dst, uint64_t va, size_t len);
int copy_to_client(struct conn *c, uint64_t va, const void *src, size_t len);
/* Direct pointer; the client may change what is there at any time.  NULL. */
void *client_ptr(struct conn *c, uint64_t va, size_t len);

/* Serve a client on fd (owned from here on) in a thread of its own. */
int conn_start(struct host *h, int fd);
/* Cut all connections off and wait until their threads are gone. */
void conns_end(struct host *h);

/* ---- log ---------------------------------------------------------------- */

int log_open(const char *path);
void log_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- clock -------------------------------------------------------------- */

uint64_t now_ns(void);           /* CLOCK_MONOTONIC */
static inline uint64_t now_us(void) { return now_ns() / 1000; }

#endif
