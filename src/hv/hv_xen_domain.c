/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Domains as a whole: what they are, whether they are carried, creating,
 * pausing, shutting down, resuming, destroying.
 */
#include "hv_pager.h"
#include "hv_xen.h"

#include <stdarg.h>
#include <stdio.h>
#include <xen/arch-x86/xen.h>
#include <xen/sysctl.h>

#define LIST_STEP 256u
#define DEFAULT_EVTCHN_LIMIT 1023u

static_assert((int)HV_SHUTDOWN_SUSPEND == SHUTDOWN_suspend, "reasons");
static_assert((int)HV_SHUTDOWN_CRASH == SHUTDOWN_crash, "reasons");
static_assert((int)HV_SHUTDOWN_WATCHDOG == SHUTDOWN_watchdog, "reasons");

const char *hv_shutdown_name(unsigned int reason, char buf[16])
{
    static const char *const names[] = {
        [HV_SHUTDOWN_POWEROFF] = "poweroff",
        [HV_SHUTDOWN_REBOOT] = "reboot",
        [HV_SHUTDOWN_SUSPEND] = "suspend",
        [HV_SHUTDOWN_CRASH] = "crash",
        [HV_SHUTDOWN_WATCHDOG] = "watchdog",
    };

    if ( reason < sizeof(names) / sizeof(names[0]) )
        return names[reason];
    snprintf(buf, 16, "reason %u", reason & XEN_DOMINF_shutdownmask);

    return buf;
}

/* ---- Facts ------------------------------------------------------------- */

static void take_info(const xc_domaininfo_t *i, struct hv_domain *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->domid = i->domain;
    memcpy(ret->uuid, i->handle, sizeof(ret->uuid));
    ret->hvm = i->flags & XEN_DOMINF_hvm_guest;
    ret->hap = i->flags & XEN_DOMINF_hap;
    ret->paused = i->flags & XEN_DOMINF_paused;
    ret->blocked = i->flags & XEN_DOMINF_blocked;
    ret->running = i->flags & XEN_DOMINF_running;
    ret->dying = i->flags & XEN_DOMINF_dying;
    ret->shut_down = i->flags & XEN_DOMINF_shutdown;
    ret->shutdown_reason = i->flags >> XEN_DOMINF_shutdownshift &
                           XEN_DOMINF_shutdownmask;
    ret->vcpus = i->max_vcpu_id == XEN_INVALID_MAX_VCPU_ID
                 ? 0 : i->max_vcpu_id + 1;
    ret->online_vcpus = i->nr_online_vcpus;
    ret->tot_pages = i->tot_pages;
    /* Without a limit Xen holds one of 32 bits' worth of pages or more. */
    ret->max_pages = i->max_pages >= (1ull << 44) ? UINT64_MAX
                                                    : i->max_pages;
    ret->claimed_pages = i->outstanding_pages;
    ret->shared_pages = i->shr_pages;
    ret->paged_pages = i->paged_pages;
    ret->cpu_ns = i->cpu_time;
    ret->ssidref = i->ssidref;
    ret->cpupool = i->cpupool;
    ret->emulation_flags = i->arch_config.emulation_flags;
    ret->misc_flags = i->arch_config.misc_flags;
}

int hv_domain_info(struct hv *hv, struct err *e, uint32_t domid,
                   struct hv_domain *ret)
{
    xc_domaininfo_t info;
    int r, rc;

    /* The call means "this domid or the next one there is". */
    rc = HV_CALL(hv, r, xc_domain_getinfolist(hv->xch, domid, 1, &info));
    if ( rc )
        return err_set(e, rc, "domain %u: facts about it: %s", domid,
                       err_text(rc));
    if ( r == 0 || info.domain != domid )
        return err_set(e, -ENOENT, "domain %u: there is no such domain",
                       domid);
    take_info(&info, ret);

    return 0;
}

int hv_domain_list(struct hv *hv, struct err *e, struct hv_domain **ret_list,
                   size_t *ret_nr)
{
    xc_domaininfo_t *infos = calloc(LIST_STEP, sizeof(*infos));
    struct hv_domain *list = NULL, *more;
    uint32_t from = 0;
    size_t nr = 0;
    int r, i, rc;

    do {
        more = reallocarray(list, nr + LIST_STEP, sizeof(*list));
        if ( !infos || !more )
        {
            rc = err_set(e, -ENOMEM, "list of domains: out of memory");
            goto out;
        }
        list = more;
        rc = HV_CALL(hv, r, xc_domain_getinfolist(hv->xch, from, LIST_STEP,
                                                  infos));
        if ( rc )
        {
            err_set(e, rc, "list of domains: %s", err_text(rc));
            goto out;
        }
        for ( i = 0; i < r; i++ )
            take_info(&infos[i], &list[nr++]);
        if ( r )
            from = infos[r - 1].domain + 1u;
    } while ( r == (int)LIST_STEP );
    *ret_list = list;
    *ret_nr = nr;
    list = NULL;
    rc = 0;

 out:
    free(list);
    free(infos);

    return rc;
}

/* ---- Carried? ---------------------------------------------------------- */

struct reasons
{
    char text[384];
    size_t used;
};

static void reason(struct reasons *rs, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void reason(struct reasons *rs, const char *fmt, ...)
{
    va_list ap;

    if ( rs->used && rs->used < sizeof(rs->text) )
        rs->used += (size_t)snprintf(rs->text + rs->used,
                                     sizeof(rs->text) - rs->used, "; ");
    if ( rs->used >= sizeof(rs->text) )
        return;
    va_start(ap, fmt);
    rs->used += (size_t)vsnprintf(rs->text + rs->used,
                                  sizeof(rs->text) - rs->used, fmt, ap);
    va_end(ap);
}

/* A parameter, 0 where the hypervisor does not have it. */
static uint64_t param_or_0(struct hv *hv, uint32_t domid, uint32_t index)
{
    uint64_t value = 0;
    int r;

    if ( HV_CALL(hv, r, xc_hvm_param_get(hv->xch, domid, index, &value)) )
        return 0;

    return value;
}

static bool has_vnuma(struct hv *hv, uint32_t domid)
{
    uint32_t nodes = 0, ranges = 0, vcpus = 0;
    int r, rc;

    /* With no room given, a domain that has one does not fit: ENOBUFS. */
    rc = HV_CALL(hv, r, xc_domain_getvnuma(hv->xch, domid, &nodes, &ranges,
                                           &vcpus, NULL, NULL, NULL));

    return rc == -ENOBUFS || (!rc && nodes);
}

/* No parameter tells since Xen 4.15: reading NESTEDHVM is refused. */
static bool has_nested(struct hv *hv, uint32_t domid)
{
    struct hv_policy p = { 0 };
    bool nests = !hv_policy_get(hv, NULL, domid, &p) && hv_policy_nests(&p);

    hv_policy_done(&p);

    return nests;
}

static uint64_t pod_entries(struct hv *hv, uint32_t domid)
{
    uint64_t tot, cache, entries = 0;
    int r;

    if ( HV_CALL(hv, r, xc_domain_get_pod_target(hv->xch, domid, &tot, &cache,
                                                 &entries)) )
        return 0;

    return entries;
}

int hv_carried(struct hv *hv, struct err *e, uint32_t domid)
{
    struct reasons rs = { .used = 0 };
    struct hv_domain d;
    uint64_t entries, absent;
    int rc;

    rc = hv_domain_info(hv, e, domid, &d);
    if ( rc )
        return rc;
    if ( domid == 0 )
        reason(&rs, "it is the host's own");
    if ( d.dying )
        reason(&rs, "it is being destroyed");
    if ( !d.hvm )
        reason(&rs, "it is PV (only PVH and HVM without a device model are "
               "carried)");
    if ( d.emulation_flags & ~XEN_X86_EMU_LAPIC )
        reason(&rs, "it has emulated devices (flags %#x), whose state only "
               "libxl can move", d.emulation_flags);
    if ( d.shared_pages )
        reason(&rs, "%" PRIu64 " of its pages are shared with other domains",
               d.shared_pages);
    if ( !hv_absent_pages(hv, NULL, domid, &absent) && absent )
        reason(&rs, "%" PRIu64 " of its pages are absent", absent);
    if ( d.hvm && has_vnuma(hv, domid) )
        reason(&rs, "it has virtual NUMA");
    if ( d.hvm )
    {
        entries = pod_entries(hv, domid);
        if ( entries )
            reason(&rs, "%" PRIu64 " of its pages are populate-on-demand "
                   "(let it balloon down first)", entries);
        if ( has_nested(hv, domid) )
            reason(&rs, "it has nested HVM");
        if ( param_or_0(hv, domid, HVM_PARAM_ALTP2M) )
            reason(&rs, "it has alternative P2Ms");
    }
    if ( rs.used )
        return err_set(e, -EINVAL, "domain %u is not of a kind that is "
                       "carried: %s", domid, rs.text);

    return 0;
}

/* ---- Running ----------------------------------------------------------- */

int hv_pause(struct hv *hv, struct err *e, uint32_t domid)
{
    int r;

    return hv_done(e, HV_CALL(hv, r, xc_domain_pause(hv->xch, domid)), domid,
                   "pause");
}

int hv_unpause(struct hv *hv, struct err *e, uint32_t domid)
{
    int r;

    return hv_done(e, HV_CALL(hv, r, xc_domain_unpause(hv->xch, domid)),
                   domid, "unpause");
}

int hv_destroy(struct hv *hv, struct err *e, uint32_t domid)
{
    int r;

    return hv_done(e, HV_CALL(hv, r, xc_domain_destroy(hv->xch, domid)),
                   domid, "destroy");
}

int hv_shutdown(struct hv *hv, struct err *e, uint32_t domid,
                enum hv_shutdown why)
{
    int r;

    return hv_done(e, HV_CALL(hv, r, xc_domain_shutdown(hv->xch, domid,
                                                        (int)why)),
                   domid, "shut down");
}

int hv_resume(struct hv *hv, struct err *e, uint32_t domid)
{
    int r;

    return hv_done(e, HV_CALL(hv, r, xc_domain_resume(hv->xch, domid, 1)),
                   domid, "resume after a cancelled suspend");
}

/* ---- Creating ---------------------------------------------------------- */

/* The newest grant table version there is: what libxl gives a domain. */
static uint32_t grant_version(struct hv *hv)
{
    xc_physinfo_t info = { 0 };
    int r;

    if ( HV_CALL(hv, r, xc_physinfo(hv->xch, &info)) )
        return 1;

    return info.capabilities & XEN_SYSCTL_PHYSCAP_gnttab_v2 ? 2 : 1;
}

static int set_limits(struct hv *hv, struct err *e, uint32_t domid,
                      const struct hv_create *c)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_max_vcpus(hv->xch, domid, c->vcpus));
    if ( rc )
        return err_set(e, rc, "create a domain: give it %u vcpus: %s",
                       c->vcpus, err_text(rc));
    rc = hv_set_max_mem(hv, e, domid, c->max_mem_kib);
    if ( rc )
        return rc;
    if ( !c->paging_bytes )
        return 0;
    rc = hv_paging_pool_set(hv, e, domid, c->paging_bytes);

    return rc;
}

int hv_create(struct hv *hv, struct err *e, const struct hv_create *c,
              uint32_t *ret_domid)
{
    struct xen_domctl_createdomain config = {
        .ssidref = c->ssidref,
        .flags = XEN_DOMCTL_CDF_hvm | XEN_DOMCTL_CDF_oos_off |
                 (c->hap ? XEN_DOMCTL_CDF_hap : 0),
        .max_vcpus = c->vcpus,
        .max_evtchn_port = c->evtchn_limit ? c->evtchn_limit
                                           : DEFAULT_EVTCHN_LIMIT,
        .max_grant_frames = c->grant_frames ? (int32_t)c->grant_frames : -1,
        .max_maptrack_frames = c->maptrack_frames
                               ? (int32_t)c->maptrack_frames : -1,
        .grant_opts = XEN_DOMCTL_GRANT_version(grant_version(hv)),
        .arch = { .emulation_flags = c->emulation_flags,
                  .misc_flags = c->misc_flags },
    };
    uint32_t domid = 0;
    int r, rc;

    memcpy(config.handle, c->uuid, sizeof(config.handle));
    rc = HV_CALL(hv, r, xc_domain_create(hv->xch, &domid, &config));
    if ( rc )
        return err_set(e, rc, "create a domain with %u vcpus: %s", c->vcpus,
                       err_text(rc));
    rc = set_limits(hv, e, domid, c);
    if ( rc )
    {
        hv_destroy(hv, NULL, domid);
        return rc;
    }
    *ret_domid = domid;

    return 0;
}

int hv_set_max_mem(struct hv *hv, struct err *e, uint32_t domid,
                   uint64_t max_mem_kib)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_setmaxmem(hv->xch, domid, max_mem_kib));
    if ( rc )
        return err_set(e, rc, "domain %u: set the memory limit to %" PRIu64
                       " KiB: %s", domid, max_mem_kib, err_text(rc));

    return 0;
}

int hv_paging_pool_get(struct hv *hv, struct err *e, uint32_t domid,
                       uint64_t *ret_bytes)
{
    uint64_t bytes;
    int r, rc;

    rc = HV_CALL(hv, r, xc_get_paging_mempool_size(hv->xch, domid, &bytes));
    if ( rc == -ENOSYS )
        rc = -EOPNOTSUPP;
    if ( !rc )
        *ret_bytes = bytes;

    return hv_done(e, rc, domid, "size of the pool for page tables");
}

int hv_paging_pool_set(struct hv *hv, struct err *e, uint32_t domid,
                       uint64_t bytes)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_set_paging_mempool_size(hv->xch, domid, bytes));
    if ( rc == -ENOSYS )
        rc = -EOPNOTSUPP;
    if ( rc )
        return err_set(e, rc, "domain %u: set the pool for page tables to %"
                       PRIu64 " KiB: %s", domid, bytes >> 10, err_text(rc));

    return 0;
}
