/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The small guest kernel: where its state lives and what it offers to drivers
 * and programs.
 *
 * Everything mutable is in guest pages or vCPU registers.  Nothing may hold a
 * C pointer from one step to the next: guest memory is mapped elsewhere after
 * a migration.  Keep gfns, indices and function ids (tables.h).
 *
 * Who may call what: vCPU 0 runs the kernel proper (xenstore, events, timers,
 * suspend, balloon, drivers); functions marked "vCPU 0" are for it alone.
 * Other vCPUs run only the program's step, on their own stripe and their own
 * vCPU page.  Words read by a vCPU that does not own them are accessed with
 * shared_get() and shared_set().
 */
#ifndef XMIG_EMU_GUEST_KERNEL_H
#define XMIG_EMU_GUEST_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "tables.h"

/*
 * Fixed layout, in gfns.  RAM below and above it is ordinary memory, except
 * the boot page, which stays as the builder left it.
 */
/* Where Linux has its shared info page mapped, over the frame that was there:
 * for a toolstack the gfn is a hole. */
#define SHARED_INFO_GFN     1u
#define KERNEL_GFN          0x100u                /* struct kernel */
#define KERNEL_STAMPS_GFN   (KERNEL_GFN + 1)      /* struct stamps */
#define KERNEL_PROGRAM_GFN  (KERNEL_GFN + 2)      /* the program's own page */
#define KERNEL_BALLOON_GFN  (KERNEL_GFN + 3)      /* balloon.c */
#define KERNEL_XENBUS_GFN   (KERNEL_GFN + 4)      /* xenbus.c */
#define KERNEL_XENBUS_PAGES 12u
#define KERNEL_DRIVER_GFN   (KERNEL_XENBUS_GFN + KERNEL_XENBUS_PAGES)
#define KERNEL_DRIVER_PAGES 4u                    /* per driver */
#define KERNEL_MAX_DRIVERS  4u
#define KERNEL_VCPU_GFN     (KERNEL_DRIVER_GFN + \
                             KERNEL_DRIVER_PAGES * KERNEL_MAX_DRIVERS)
#define KERNEL_MAX_VCPUS    32u                   /* one page each */
#define KERNEL_END_GFN      (KERNEL_VCPU_GFN + KERNEL_MAX_VCPUS)
/* Frame descriptors and the check table follow, sized at boot. */

#define KERNEL_MAGIC    0x4b544547474d5858ull
#define STAMPS_MAGIC    0x53504d5453474d58ull
#define NO_GFN          (~0ull)

/* What a vCPU does next, kept in rip. */
#define RIP_RUN     0x101000u    /* ordinary steps */
#define RIP_PARKED  0x102000u    /* stopped for a suspend, waits for vCPU 0 */
#define RIP_RESUME  0x103000u    /* vCPU 0 called shutdown(suspend) */

/*
 * Registers.  rax and these belong to the kernel.  A program may use the
 * others freely on its own vCPU; they are saved with the vCPU context and
 * nowhere else.
 */
#define GPR_WRITES  GPR_R12      /* check.c: pages written by this vCPU */
#define GPR_DIGEST  GPR_R13      /* check.c: digest of its part of the table */
#define GPR_SEAL    GPR_RBP      /* suspend.c: digest of all others at rest */
/* rsp is the address of what this vCPU needs first when it goes on, as a
 * stack would be: who moves the guest may look there. */

enum kernel_state
{
    KERNEL_BOOT,                 /* frame list, program initialisation */
    KERNEL_FILL,                 /* every vCPU writes its stripe */
    KERNEL_RUNNING,
    KERNEL_QUIESCE,              /* suspend asked for: drivers come to rest */
    KERNEL_PARK,                 /* other vCPUs are being stopped */
    KERNEL_SUSPENDED,            /* shutdown(suspend) called */
    KERNEL_DYING,                /* a bad verdict is being published */
    KERNEL_DEAD,                 /* shutdown of another kind called */
};

/* In page KERNEL_STAMPS_GFN; a tool may read it by a foreign mapping. */
struct stamps
{
    uint64_t magic;              /* STAMPS_MAGIC */
    uint64_t last_step_ns;       /* CLOCK_MONOTONIC just before shutdown() */
    uint64_t first_step_ns;      /* first step after the last resume */
    uint64_t downtime_ns;        /* the difference; 0 before any resume */
    uint64_t resumes;            /* on a new host */
    uint64_t cancels;            /* suspends that were cancelled */
    uint64_t max_downtime_ns;
    uint64_t suspends;           /* shutdown(suspend) calls */
};

struct kernel_timer
{
    uint64_t deadline_us;        /* guest time; UINT64_MAX: off */
    uint32_t fn;                 /* enum guest_fn_id */
    uint32_t arg;
};

struct kernel_port
{
    uint32_t port;               /* 0: free slot */
    uint32_t fn;
    uint32_t arg;
    uint32_t pad;
};

#define KERNEL_TIMERS 16u
#define KERNEL_PORTS  16u

struct kernel
{
    uint64_t magic;
    uint32_t state;              /* enum kernel_state; vCPU 0 writes */
    uint32_t nr_vcpus;
    uint32_t program;            /* index in the program table */
    uint32_t boot_phase;         /* main.c */
    uint64_t boot_cursor;
    uint64_t clock_offset_us;    /* guest time = host's + this */
    uint64_t last_now_us;        /* guest time of the suspend */

    /* memory: set at boot, then read-only */
    uint64_t ram_pages;          /* as built, kernel's own included */
    uint64_t low_pages;
    uint64_t high_gfn;
    uint64_t boot_gfn;
    uint64_t frames_gfn;         /* descriptors */
    uint64_t table_gfn;          /* check table */
    uint64_t table_pages;
    uint64_t reserved_end;       /* first low gfn given to the allocator */

    /* frames.c, under frames_lock */
    uint32_t frames_lock;
    uint32_t free_head;          /* frame index + 1; 0: empty */
    uint64_t nr_free;

    /* vCPU 0 only */
    struct kernel_timer timers[KERNEL_TIMERS];
    struct kernel_port ports[KERNEL_PORTS];
    uint32_t shutdown_reason;    /* suspend.c: SHUTDOWN_* being carried out */
    uint32_t shutdown_state;     /* suspend.c */
    uint32_t shutdown_dirty;     /* control/shutdown changed meanwhile */
    uint32_t suspend_port;       /* unbound port published for dom0; 0: none */
    uint64_t quiesce_until_us;   /* bounded wait for drivers */
    uint64_t settle_until_us;    /* the same after a resume; 0: settled */
    uint64_t publish_us;         /* period; 0: only at boot and resume */
    uint32_t verdict_due;        /* a walk's verdict is to be published */
    uint32_t drivers_up;
    uint32_t settle_offers;      /* resumed on a new host: offer suspend */

    /* any vCPU, atomically */
    uint32_t nr_filled;          /* vCPUs whose stripe is written */
    uint32_t nr_parked;
    uint32_t nr_verified;        /* vCPUs done with the walk in progress */
    uint32_t walk;               /* walks asked for so far */
    uint32_t bad;                /* 1: somebody writes bad_text, 2: written */
    char bad_text[256];

    char cmdline[2048];
};

/* ---- memory ------------------------------------------------------------ */

static inline void *guest_page(const struct guest_env *env, uint64_t gfn)
{
    return env->mem + gfn * GUEST_PAGE_SIZE;
}

static inline struct kernel *kernel_get(const struct guest_env *env)
{
    return guest_page(env, KERNEL_GFN);
}

static inline struct stamps *stamps_get(const struct guest_env *env)
{
    return guest_page(env, KERNEL_STAMPS_GFN);
}

/* 4 KiB for the program that runs, zero before its init. */
static inline void *program_page(const struct guest_env *env)
{
    return guest_page(env, KERNEL_PROGRAM_GFN);
}

/* KERNEL_DRIVER_PAGES pages for one driver (enum guest_driver_id), zero. */
static inline void *driver_pages(const struct guest_env *env, unsigned int id)
{
    return guest_page(env, KERNEL_DRIVER_GFN + id * KERNEL_DRIVER_PAGES);
}

/*
 * One page per vCPU: the first half is check.c's (struct check_vcpu), the
 * second half the program's, zero before its init.
 */
static inline void *vcpu_check_area(const struct guest_env *env,
                                    unsigned int vcpu)
{
    return guest_page(env, KERNEL_VCPU_GFN + vcpu);
}

#define PROGRAM_AREA_SIZE 2048u

static inline void *vcpu_program_area(const struct guest_env *env,
                                      unsigned int vcpu)
{
    return (uint8_t *)guest_page(env, KERNEL_VCPU_GFN + vcpu) +
           GUEST_PAGE_SIZE - PROGRAM_AREA_SIZE;
}

/* For words that another vCPU may read or write at the same time. */
#define shared_get(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define shared_set(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define shared_add(p, v)  __atomic_add_fetch((p), (v), __ATOMIC_ACQ_REL)

/* ---- frames (frames.c) ------------------------------------------------- */

enum frame_kind
{
    FRAME_RESERVED,              /* kernel, boot page */
    FRAME_FREE,
    FRAME_USED,                  /* given out by frame_alloc() */
    FRAME_BALLOON,               /* a hole at present */
};

/*
 * One descriptor per frame of RAM, at frames_gfn; the index counts RAM, so
 * the hole takes none.  Here a page cache will hang its lists.
 */
struct frame
{
    uint32_t next;               /* free or balloon list: index + 1; 0: end */
    uint16_t kind;               /* enum frame_kind */
    uint16_t owner;              /* whoever allocated it; 0: the free list */
    uint64_t priv;               /* the owner's */
};

/*
 * Take a frame.  Its content is undefined (poison, or what its last user
 * left): whoever needs zeros writes them.  Any vCPU.  0, -ENOMEM, or -EAGAIN
 * when another vCPU holds the lock: try again in the next step.
 */
int frame_alloc(struct guest_env *env, unsigned int owner, uint64_t *ret_gfn);
/* Give it back.  Any vCPU.  0 or -EAGAIN as above. */
int frame_free(struct guest_env *env, uint64_t gfn);
/* The descriptor of a RAM gfn, NULL for any other. */
struct frame *frame_get(const struct guest_env *env, uint64_t gfn);
uint64_t frame_gfn_of_index(const struct kernel *k, uint64_t index);
uint64_t frame_index_of_gfn(const struct kernel *k, uint64_t gfn);
uint64_t frames_nr_free(const struct guest_env *env);
/* Boot: how many pages the descriptors take; put frames [from, to) of RAM
 * on the free list, keeping the order ascending when called downwards. */
uint64_t frames_desc_pages(uint64_t ram_pages);
void frames_add_range(struct guest_env *env, uint64_t from, uint64_t to);

/* ---- time, events (kernel.c); vCPU 0 but for the clock ----------------- */

/* Guest time, microseconds: monotonic over migrations. */
uint64_t guest_now_us(const struct guest_env *env);

/*
 * Call fn(env, arg, NULL) on vCPU 0 once guest time reaches deadline_us.
 * A timer is known by (fn, arg); setting it again moves it.
 * -ENOSPC when all slots are taken.
 */
int timer_set(struct guest_env *env, enum guest_fn_id fn, uint32_t arg,
              uint64_t deadline_us);
void timer_cancel(struct guest_env *env, enum guest_fn_id fn, uint32_t arg);

/*
 * Call fn(env, arg, NULL) on vCPU 0 whenever the port was pending.  The
 * binding is the kernel's own: ports do not survive a move to a new host,
 * bindings of dead ports are dropped there before the drivers' resume.
 */
int port_bind(struct guest_env *env, uint32_t port, enum guest_fn_id fn,
              uint32_t arg);
void port_unbind(struct guest_env *env, uint32_t port);

/* One console line, printf style, at most 255 characters.  Any vCPU. */
void kernel_log(struct guest_env *env, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Report a bad verdict and crash the domain, from any vCPU. */
void kernel_bad(struct guest_env *env, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- command line (cmdline.c) ------------------------------------------ */

/*
 * The command line is words separated by blanks: key=value, or a bare key,
 * whose value is "".  The last occurrence counts.
 * All return 0, -ENOENT if the key is absent (*ret untouched), or -EINVAL.
 */
int cmdline_str(const char *cmdline, const char *key, char *buf, size_t size);
/* Bytes: digits, then K, M, G or T (powers of 1024), then "B", "iB" or
 * "/s", all optional. */
int cmdline_bytes(const char *cmdline, const char *key, uint64_t *ret_bytes);
/* Microseconds: digits, then us, ms, s or m; a bare number is ms. */
int cmdline_us(const char *cmdline, const char *key, uint64_t *ret_us);
int cmdline_u64(const char *cmdline, const char *key, uint64_t *ret_value);
/* The n-th key (0 ...) into buf; -ENOENT past the last. */
int cmdline_key(const char *cmdline, unsigned int n, char *buf, size_t size);

/* ---- drivers and programs ---------------------------------------------- */

/*
 * A driver.  All ops run on vCPU 0 and none may block; a NULL one means "not
 * interested".  Tables are in tables.c.
 */
struct guest_driver
{
    const char *name;
    const char *const *options;          /* keys it reads; NULL-terminated */
    /* Once, when xenstore may be used.  0 or -errno: the guest crashes. */
    int (*init)(struct guest_env *env);
    /* Every step of vCPU 0: small work.  True: more to do at once. */
    bool (*poll)(struct guest_env *env);
    /* Before a suspend: come to rest; called each step until it returns
     * true or the bounded wait ends.  Xenstore may still be used. */
    bool (*quiesce)(struct guest_env *env);
    /* After it.  new_host: old event ports, grants and store contents are
     * gone; reconnect.  Otherwise the suspend was cancelled: go on. */
    void (*resume)(struct guest_env *env, bool new_host);
};

struct guest_program
{
    const char *name;
    const char *const *options;          /* keys it reads; NULL-terminated */
    /* vCPU 0, once: how many pages of the check table its stripes need for
     * pages it will write (check.h).  NULL: none. */
    int (*plan)(struct guest_env *env, uint64_t *ret_work_pages);
    /* vCPU 0, once, after the stripes are filled, before any step. */
    int (*init)(struct guest_env *env);
    /* Every vCPU, again and again; see guest_step(), but *deadline_us is in
     * guest time.  Short: < 50 us. */
    enum guest_next (*step)(struct guest_env *env, uint64_t *deadline_us);
    bool (*quiesce)(struct guest_env *env);             /* as for drivers */
    void (*resume)(struct guest_env *env, bool new_host);
    /* vCPU 0: what data/program says, e.g. "rounds=12". */
    void (*progress)(struct guest_env *env, char *buf, size_t size);
};

const struct guest_program *program_get(const struct guest_env *env);
extern const struct guest_program *const guest_programs[];
extern const unsigned int guest_nr_programs;
extern const struct guest_driver *const guest_drivers[];
extern const unsigned int guest_nr_drivers;

#endif
