/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Handles of the hypervisor, its log, and facts about the host.
 *
 * libxenctrl's log is shown at level DETAIL at most: what it calls an error
 * is returned by us, and may be no error at all (a probe).
 */
#include "hv_xen.h"

#include <stdio.h>
#include <xen/sysctl.h>

#define TYPES_BATCH 1024u            /* as many as the hypervisor takes */
#define TYPES_CALLS 8u               /* so many such batches at a time */

/* ---- The log ----------------------------------------------------------- */

static void log_vmessage(struct xentoollog_logger *logger,
                         xentoollog_level level, int errnoval,
                         const char *context, const char *format, va_list al)
{
    struct hv_logger *l = (struct hv_logger *)logger;

    if ( l->to )
        xtl_logv(l->to, level > XTL_DETAIL ? XTL_DETAIL : level, errnoval,
                 context, format, al);
}

static void log_destroy(struct xentoollog_logger *logger)
{
    /* It is part of struct hv. */
    (void)logger;
}

/* ---- Open and close ---------------------------------------------------- */

static int open_rc(void)
{
    switch ( errno )
    {
    case EACCES:
    case EPERM:
        return -EACCES;

    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return -errno;

    default:
        return -ENODEV;
    }
}

static int open_handles(struct hv *hv)
{
    errno = 0;
    hv->xch = xc_interface_open(&hv->log.vt, &hv->log.vt, 0);
    if ( !hv->xch )
        return open_rc();
    hv->fmem = xenforeignmemory_open(&hv->log.vt, 0);
    if ( !hv->fmem )
        return open_rc();
    hv->call = xencall_open(&hv->log.vt, 0);
    if ( !hv->call )
        return open_rc();
    hv->types_call = xencall_alloc_buffer(hv->call, TYPES_CALLS *
                                          sizeof(*hv->types_call));
    hv->types_op = xencall_alloc_buffer(hv->call, TYPES_CALLS *
                                        sizeof(*hv->types_op));
    hv->types = xencall_alloc_buffer(hv->call, TYPES_CALLS * TYPES_BATCH *
                                     sizeof(*hv->types));

    return hv->types_call && hv->types_op && hv->types ? 0 : -ENOMEM;
}

int hv_open(struct xentoollog_logger *logger, struct err *e,
            struct hv **ret_hv)
{
    struct hv *hv = calloc(1, sizeof(*hv));
    int rc;

    if ( !hv )
        return err_set(e, -ENOMEM, "open the hypervisor: out of memory");
    hv->log.vt.vmessage = log_vmessage;
    hv->log.vt.destroy = log_destroy;
    hv->log.to = logger;
    pthread_mutex_init(&hv->xc_lock, NULL);
    pthread_mutex_init(&hv->fmem_lock, NULL);
    pthread_mutex_init(&hv->call_lock, NULL);
    pthread_mutex_init(&hv->port_lock, NULL);
    rc = open_handles(hv);
    if ( !rc )
    {
        /* Handles open on some kernels where no Xen is: ask it something. */
        errno = 0;
        if ( xc_version(hv->xch, XENVER_version, NULL) < 0 )
            rc = open_rc();
    }
    if ( rc )
    {
        hv_close(hv);
        return err_set(e, rc, rc == -ENODEV
                       ? "open the hypervisor: there is no Xen here"
                       : rc == -EACCES
                       ? "open the hypervisor: no permission (be root)"
                       : "open the hypervisor: no resources");
    }
    *ret_hv = hv;

    return 0;
}

int hv_clone(const struct hv *hv, struct err *e, struct hv **ret_hv)
{
    return hv_open(hv->log.to, e, ret_hv);
}

void hv_close(struct hv *hv)
{
    if ( !hv )
        return;
    if ( hv->call )
    {
        xencall_free_buffer(hv->call, hv->types_call);
        xencall_free_buffer(hv->call, hv->types_op);
        xencall_free_buffer(hv->call, hv->types);
        xencall_close(hv->call);
    }
    if ( hv->fmem )
        xenforeignmemory_close(hv->fmem);
    if ( hv->xch )
        xc_interface_close(hv->xch);
    pthread_mutex_destroy(&hv->xc_lock);
    pthread_mutex_destroy(&hv->fmem_lock);
    pthread_mutex_destroy(&hv->call_lock);
    pthread_mutex_destroy(&hv->port_lock);
    free(hv);
}

int hv_done(struct err *e, int rc, uint32_t domid, const char *what)
{
    if ( !rc )
        return 0;

    return err_set(e, rc, "domain %u: %s: %s", domid, what,
                   rc == -ESRCH ? "no such domain" : err_text(rc));
}

/* ---- Host -------------------------------------------------------------- */

int hv_host_info(struct hv *hv, struct err *e, struct hv_host *ret)
{
    xc_physinfo_t info = { 0 };
    int r, version, rc;

    rc = HV_CALL(hv, version, xc_version(hv->xch, XENVER_version, NULL));
    if ( !rc )
        rc = HV_CALL(hv, r, xc_physinfo(hv->xch, &info));
    if ( rc )
        return err_set(e, rc, "facts about the host: %s", err_text(rc));
    ret->xen_version = (uint32_t)version;
    ret->total_pages = info.total_pages;
    ret->free_pages = info.free_pages > info.outstanding_pages
                      ? info.free_pages - info.outstanding_pages : 0;
    ret->nr_cpus = info.nr_cpus;
    ret->hap = info.capabilities & XEN_SYSCTL_PHYSCAP_hap;

    return 0;
}

/* ---- Page types -------------------------------------------------------- */

/* What one of the batches asks, of n gfns from first on. */
static void types_ask(struct hv *hv, uint32_t domid, unsigned int batch,
                      uint64_t first, unsigned int n)
{
    xen_pfn_t *types = hv->types + batch * TYPES_BATCH;
    struct xen_domctl *op = &hv->types_op[batch];
    unsigned int i;

    for ( i = 0; i < n; i++ )
        types[i] = first + i;
    memset(op, 0, sizeof(*op));
    op->cmd = XEN_DOMCTL_getpageframeinfo3;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = (domid_t)domid;
    op->u.getpageframeinfo3.num = n;
    set_xen_guest_handle_raw(op->u.getpageframeinfo3.array, types);
    hv->types_call[batch] = (multicall_entry_t){
        .op = __HYPERVISOR_domctl, .args[0] = (unsigned long)op,
    };
}

/* All of them in one call; 0 or the first failure. */
static int types_call(struct hv *hv, unsigned int batches)
{
    unsigned int i;
    long r;

    if ( xencall2(hv->call, __HYPERVISOR_multicall,
                  (uint64_t)(uintptr_t)hv->types_call, batches) < 0 )
        return hv_rc();
    for ( i = 0; i < batches; i++ )
    {
        r = (long)hv->types_call[i].result;
        if ( r < 0 )
            return (int)r;
    }

    return 0;
}

/* hv->types gets the types of n gfns.  A call that fails half way has put
 * types over some of the gfns, and may have moved count and handle on: all of
 * it is made anew for another try. */
static int types_read(struct hv *hv, uint32_t domid, uint64_t first,
                      unsigned int n)
{
    unsigned int tries = 0, batch, at, some;
    int rc;

    do {
        for ( batch = at = 0; at < n; batch++, at += some )
        {
            some = n - at < TYPES_BATCH ? n - at : TYPES_BATCH;
            types_ask(hv, domid, batch, first + at, some);
        }
        rc = types_call(hv, batch);
        /* A page of the buffers may be moved by the kernel meanwhile. */
    } while ( rc == -EFAULT && ++tries < 3 &&
              !xencall_buffers_never_fault(hv->call) );

    return rc;
}

static void put_run(struct pageset *ps, uint64_t first, unsigned int n,
                    bool on)
{
    if ( on )
        pageset_set_run(ps, first, n);
    else
        pageset_clear_run(ps, first, n);
}

static void put_types(struct hv *hv, uint64_t first, unsigned int n,
                      struct pageset *ram, struct pageset *broken)
{
    unsigned int i, j;
    xen_pfn_t type;

    for ( i = 0; i < n; i = j )
    {
        type = hv->types[i] & XEN_DOMCTL_PFINFO_LTAB_MASK;
        for ( j = i + 1; j < n && (hv->types[j] &
                                   XEN_DOMCTL_PFINFO_LTAB_MASK) == type; )
            j++;
        put_run(ram, first + i, j - i,
                type != XEN_DOMCTL_PFINFO_XTAB &&
                type != XEN_DOMCTL_PFINFO_XALLOC &&
                type != XEN_DOMCTL_PFINFO_BROKEN);
        if ( broken )
            put_run(broken, first + i, j - i,
                    type == XEN_DOMCTL_PFINFO_BROKEN);
    }
}

int hv_page_types(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t first, uint64_t count, struct pageset *ram,
                  struct pageset *broken)
{
    uint64_t done = 0;
    int rc = 0;

    while ( !rc && done < count )
    {
        unsigned int n = count - done > TYPES_CALLS * TYPES_BATCH
                            ? TYPES_CALLS * TYPES_BATCH
                            : (unsigned int)(count - done);

        pthread_mutex_lock(&hv->call_lock);
        rc = types_read(hv, domid, first + done, n);
        if ( !rc )
            put_types(hv, first + done, n, ram, broken);
        pthread_mutex_unlock(&hv->call_lock);
        if ( rc )
            err_set(e, rc, "domain %u: types of %u gfns from %#" PRIx64 ": %s",
                    domid, n, first + done, err_text(rc));
        done += n;
    }

    return rc;
}
