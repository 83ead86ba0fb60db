/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The hypervisor, in our own words and units.  hv_xen*.c alone know
 * libxenctrl; there is one implementation.
 *
 * Every function that can fail returns 0 or -errno and has recorded in e
 * (which may be NULL) what was attempted.  gfns and counts are in 4 KiB
 * pages.
 *
 * Thread: any function from any thread; calls on one hv are served one after
 * the other, those of mapping (hv_map*, hv_unmap) in a queue of their own, so
 * that a mapper and the engine do not wait for each other.  Threads that want
 * to map side by side open a struct hv each (hv_clone).  An object got from
 * hv (struct hv_dirty, struct hv_port) is used by one thread at a time and
 * closed before the hv.
 * fork: a child must not use an hv.
 */
#ifndef XMIG_HV_H
#define XMIG_HV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "ident.h"
#include "pages.h"

struct xentoollog_logger;
struct hv;

/*
 *   -ENODEV  there is no hypervisor here
 *   -EACCES  no permission to use it
 */
int hv_open(struct xentoollog_logger *logger, struct err *e,
            struct hv **ret_hv);
/* Another set of handles to the same hypervisor. */
int hv_clone(const struct hv *hv, struct err *e, struct hv **ret_hv);
void hv_close(struct hv *hv);

/* ---- Host -------------------------------------------------------------- */

struct hv_host
{
    uint32_t xen_version;        /* major << 16 | minor */
    uint64_t total_pages;
    uint64_t free_pages;         /* neither used nor claimed */
    uint32_t nr_cpus;
    bool hap;                    /* hardware assisted paging */
};

int hv_host_info(struct hv *hv, struct err *e, struct hv_host *ret);

/* ---- Domains ----------------------------------------------------------- */

/* What a domain that has shut down did it for (Xen's numbers). */
enum hv_shutdown
{
    HV_SHUTDOWN_POWEROFF = 0,
    HV_SHUTDOWN_REBOOT = 1,
    HV_SHUTDOWN_SUSPEND = 2,
    HV_SHUTDOWN_CRASH = 3,
    HV_SHUTDOWN_WATCHDOG = 4,
};

/* Name of a reason, "reason 9" for one unknown. */
const char *hv_shutdown_name(unsigned int reason, char buf[16]);

struct hv_domain
{
    uint32_t domid;
    uint8_t uuid[IDENT_BYTES];
    bool hvm, hap;
    bool paused, blocked, running, dying;
    bool shut_down;
    unsigned int shutdown_reason;    /* enum hv_shutdown, if shut_down */
    unsigned int vcpus;              /* maximum */
    unsigned int online_vcpus;
    uint64_t tot_pages;              /* populated, all kinds */
    uint64_t max_pages;              /* UINT64_MAX = no limit */
    uint64_t claimed_pages;          /* claimed and not yet populated */
    uint64_t shared_pages, paged_pages;
    uint64_t cpu_ns;
    uint32_t ssidref;
    uint32_t cpupool;
    uint32_t emulation_flags;        /* XEN_X86_EMU_* */
    uint32_t misc_flags;
};

/* Exactly this domid.  -ENOENT. */
int hv_domain_info(struct hv *hv, struct err *e, uint32_t domid,
                   struct hv_domain *ret);
/* All, in order of domid; *ret_list is malloc'ed. */
int hv_domain_list(struct hv *hv, struct err *e, struct hv_domain **ret_list,
                   size_t *ret_nr);

/*
 * Is the domain of a kind that is carried?  Looks at PV, vNUMA,
 * populate-on-demand, nested HVM, an emulated device model, shared and paged
 * pages, alternative P2Ms.  (Passthrough is seen in xenstore:
 * store_carried().)
 *   -EINVAL  and all the reasons in e
 */
int hv_carried(struct hv *hv, struct err *e, uint32_t domid);

int hv_pause(struct hv *hv, struct err *e, uint32_t domid);
int hv_unpause(struct hv *hv, struct err *e, uint32_t domid);
int hv_destroy(struct hv *hv, struct err *e, uint32_t domid);
/* Shut it down from outside. */
int hv_shutdown(struct hv *hv, struct err *e, uint32_t domid,
                enum hv_shutdown reason);
/* Cooperative resume of a domain that has shut down for suspend: its
 * suspend call returns 1 ("cancelled"). */
int hv_resume(struct hv *hv, struct err *e, uint32_t domid);

/*
 * The cap on the CPU time of all its vCPUs together, in percent of one CPU;
 * 0 = none.
 *   -EOPNOTSUPP  its scheduler has none
 */
int hv_cpu_cap_get(struct hv *hv, struct err *e, uint32_t domid,
                   unsigned int *ret_percent);
int hv_cpu_cap_set(struct hv *hv, struct err *e, uint32_t domid,
                   unsigned int percent);

struct hv_create
{
    uint8_t uuid[IDENT_BYTES];
    bool hap;                    /* it is HVM always */
    uint32_t ssidref;
    uint32_t vcpus;
    uint32_t emulation_flags, misc_flags;
    uint32_t evtchn_limit;       /* highest port, 0 = 1023 */
    uint32_t grant_frames;       /* 0 = the hypervisor's default */
    uint32_t maptrack_frames;    /* 0 = the hypervisor's default */
    uint64_t max_mem_kib;
    uint64_t paging_bytes;       /* pool for page tables, 0 = leave */
};

/*
 * Create a domain, paused once, without memory: createdomain, max_vcpus,
 * max_mem, paging pool.  Nothing is left on failure.
 */
int hv_create(struct hv *hv, struct err *e, const struct hv_create *c,
              uint32_t *ret_domid);
int hv_set_max_mem(struct hv *hv, struct err *e, uint32_t domid,
                   uint64_t max_mem_kib);
/* -EOPNOTSUPP where the hypervisor does not have it. */
int hv_paging_pool_get(struct hv *hv, struct err *e, uint32_t domid,
                       uint64_t *ret_bytes);
int hv_paging_pool_set(struct hv *hv, struct err *e, uint32_t domid,
                       uint64_t bytes);

/* ---- Guest memory: what there is --------------------------------------- */

/* The highest gfn in use, plus 1. */
int hv_nr_gfns(struct hv *hv, struct err *e, uint32_t domid,
               uint64_t *ret_nr);

/*
 * Types of the gfns [first, first + count): in ram set the bit of each that
 * has a frame with contents, in broken of each that has a broken one, and
 * clear it for the others.  broken may be NULL.  The range lies in the sets.
 */
int hv_page_types(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t first, uint64_t count, struct pageset *ram,
                  struct pageset *broken);

/* ---- Guest memory: mapping --------------------------------------------- */

/*
 * Map n gfns, in their order, to one piece of memory.  Any n >= 1.
 *
 * errs  n entries, 0 or -errno per gfn; a page that failed must not be
 *       touched.  NULL: all must succeed.
 *
 * A mapping pins the frames, not the gfns (see DESIGN "how long a mapping
 * may live").  Copying system calls only may be used on it.
 */
int hv_map(struct hv *hv, struct err *e, uint32_t domid, bool writable,
           const uint64_t *gfns, size_t n, int *errs, void **ret_addr);
/* The same for [first, first + n). */
int hv_map_range(struct hv *hv, struct err *e, uint32_t domid, bool writable,
                 uint64_t first, size_t n, int *errs, void **ret_addr);
/* The whole of a mapping; addr may be NULL. */
void hv_unmap(struct hv *hv, void *addr, size_t n);

/* ---- Guest memory: populating ------------------------------------------ */

/*
 * Give frames to the gfns [first, first + count), none of which has one:
 * in 2 MiB pieces where an aligned chunk is whole, else singly.
 *
 * ret_done  may be NULL; how many of them, from the first on, have a frame
 *           now, also on failure
 *   -ENOMEM  the host's memory or the domain's limit is used up
 */
int hv_populate_range(struct hv *hv, struct err *e, uint32_t domid,
                      uint64_t first, uint64_t count, uint64_t *ret_done);
/* The same for scattered gfns. */
int hv_populate(struct hv *hv, struct err *e, uint32_t domid,
                const uint64_t *gfns, size_t n, size_t *ret_done);
/* Take the frames of [first, first + count) away; those without one are
 * passed over. */
int hv_depopulate(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t first, uint64_t count);
/*
 * Reserve machine memory so that populating up to pages in all cannot fail;
 * pages = 0 gives back what is left of a claim.
 *   -ENOMEM      there is not so much; the text names what is free
 *   -EINVAL      more than the domain's limit, or it has a claim already
 *   -EOPNOTSUPP  this hypervisor has no claims
 */
int hv_claim(struct hv *hv, struct err *e, uint32_t domid, uint64_t pages);

/* ---- Dirty log --------------------------------------------------------- */

struct hv_dirty;

struct hv_dirty_stats
{
    uint64_t dirty_pages;        /* in the log now handed out */
};

/* Switch the log on (off and on again if it was on). */
int hv_dirty_open(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t nr_gfns, struct hv_dirty **ret_d);
/*
 * Fetch and clear the log: or it into set (of nr_gfns).
 * final: the guest is suspended; frames that the host holds mapped are in,
 * and nothing is cleared, as nobody will ask again.  ret may be NULL.
 */
int hv_dirty_fetch(struct hv_dirty *d, struct err *e, bool final,
                   struct pageset *set, struct hv_dirty_stats *ret);
/* Look without clearing. */
int hv_dirty_peek(struct hv_dirty *d, struct err *e, struct pageset *set,
                  struct hv_dirty_stats *ret);
/* Switch it off, and free.  d may be NULL. */
void hv_dirty_close(struct hv_dirty *d);

/* ---- CPU policy -------------------------------------------------------- */

/* Arrays in Xen's layout: 24-byte leaves and 16-byte MSRs, as they stand in
 * streams. */
struct hv_policy
{
    uint32_t nr_leaves, nr_msrs;
    void *leaves, *msrs;         /* malloc'ed */
};

int hv_policy_get(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_policy *ret);
void hv_policy_done(struct hv_policy *p);
/* Does it offer the guest SVM or VMX, and so to be a hypervisor itself? */
bool hv_policy_nests(const struct hv_policy *p);
/*
 * Could a guest with this policy run on this host?
 *   -EOPNOTSUPP  no; or the arrays make no policy
 */
int hv_policy_check(struct hv *hv, struct err *e, const void *leaves,
                    uint32_t nr_leaves, const void *msrs, uint32_t nr_msrs);
/* Before the domain's memory and context. */
int hv_policy_set(struct hv *hv, struct err *e, uint32_t domid,
                  const void *leaves, uint32_t nr_leaves, const void *msrs,
                  uint32_t nr_msrs);

/* ---- Machine state ----------------------------------------------------- */

/* vCPUs and devices inside Xen; *ret_data is malloc'ed. */
int hv_context_get(struct hv *hv, struct err *e, uint32_t domid,
                   void **ret_data, size_t *ret_len);
int hv_context_set(struct hv *hv, struct err *e, uint32_t domid,
                   const void *data, size_t len);

#define HV_VCPU_TABLES 5
#define HV_VCPU_GS     2         /* the first of them */

/* Of a vCPU's registers: how it addresses memory, and where it will. */
struct hv_vcpu
{
    uint64_t cr0, cr3, cr4, efer;
    uint64_t rip, rsp;
    uint64_t tables[HV_VCPU_TABLES];     /* GS, the other GS, GDT, IDT, TSS */
};

/* The vCPUs of a context, at most max; returns how many. */
unsigned int hv_context_vcpus(const void *data, size_t len,
                              struct hv_vcpu *ret, unsigned int max);

struct hv_tsc
{
    uint32_t mode;
    uint32_t khz;
    uint32_t incarnation;
    uint64_t nsec;
};

int hv_tsc_get(struct hv *hv, struct err *e, uint32_t domid,
               struct hv_tsc *ret);
int hv_tsc_set(struct hv *hv, struct err *e, uint32_t domid,
               const struct hv_tsc *tsc);

struct hv_param
{
    uint64_t index;              /* HVM_PARAM_* */
    uint64_t value;
};

#define HV_PARAMS_MAX 64u

/* Those that travel (the list stock tools send) and are not 0. */
int hv_params_get(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_param params[HV_PARAMS_MAX],
                  unsigned int *ret_nr);
/* Is its value the gfn of a page that holds a ring with the host?  Every
 * domain of libxl has those of ioreq, with a device model or without. */
bool hv_param_is_ring(uint64_t index);
/* Is it the gfn that the ring of absent pages (hv_pager.h) is put at? */
bool hv_param_is_pager_ring(uint64_t index);
/*
 * Set them.  The pages that hold rings with the host (store, console, ioreq)
 * are cleared first, as the rings begin anew; they must be there.
 *   -EPROTO  an index that does not travel, or a gfn that is not there
 */
int hv_params_set(struct hv *hv, struct err *e, uint32_t domid,
                  const struct hv_param *params, unsigned int nr);

/* The rings of xenstore and console. */
struct hv_rings
{
    uint64_t store_gfn, console_gfn;     /* 0 = has none */
    uint32_t store_port, console_port;   /* the guest's event channels */
    uint32_t store_domid, console_domid; /* who serves them */
};

int hv_rings_get(struct hv *hv, struct err *e, uint32_t domid,
                 struct hv_rings *ret);
/* They have been allocated by somebody else. */
int hv_rings_set_ports(struct hv *hv, struct err *e, uint32_t domid,
                       uint32_t store_port, uint32_t console_port);
/*
 * Make the channels of a domain that has been built: allocate the guest's
 * two ports for dom0, set them as parameters; seed the grant table with the
 * two pages.  The gfns come from hv_params_set(), the ports are returned.
 * Once ports are there, allocating again is skipped, so that it may be done
 * in two parts: ports early (hv_rings_ports), the seed last.
 */
int hv_rings_ports(struct hv *hv, struct err *e, uint32_t domid,
                   uint32_t *ret_store_port, uint32_t *ret_console_port);
/* They have been allocated by somebody else. */
int hv_rings_set_ports(struct hv *hv, struct err *e, uint32_t domid,
                       uint32_t store_port, uint32_t console_port);
int hv_rings_seed(struct hv *hv, struct err *e, uint32_t domid,
                  const struct hv_rings *rings);

/* ---- Event channels ---------------------------------------------------- */

struct hv_port;

/*
 * Bind to a port that the domain has allocated for us, such as its suspend
 * port (device/suspend/event-channel in its store).
 */
int hv_port_bind(struct hv *hv, struct err *e, uint32_t domid,
                 uint32_t remote_port, struct hv_port **ret_p);
void hv_port_close(struct hv_port *p);
int hv_port_notify(struct hv_port *p, struct err *e);
/* Readable when the other side has notified. */
int hv_port_fd(const struct hv_port *p);
/* Take one notification and unmask; -EAGAIN if there is none.  A port is
 * pending once just after it was bound. */
int hv_port_take(struct hv_port *p, struct err *e);
/*
 * Have Xen notify this port's other end when the domain has suspended.  Xen
 * does so instead of raising VIRQ_DOM_EXC: @releaseDomain does not fire for
 * that suspend.  The subscription ends when the port that was bound to it by
 * the same hv is closed.
 *   -EOPNOTSUPP  this hypervisor does not
 */
int hv_port_on_suspend(struct hv *hv, struct err *e, uint32_t domid,
                       uint32_t port);

#endif
