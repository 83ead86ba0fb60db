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
    hv->types_op = xencall_alloc_buffer(hv->call, sizeof(*hv->types_op));
    hv->types = xencall_alloc_buffer(hv->call,
                                     TYPES_BATCH * sizeof(*hv->types));

    return hv->types_op && hv->types ? 0 : -ENOMEM;
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

/* hv->types gets the types of n gfns.  A call that fails half way has put
 * types over some of the gfns, and may have moved count and handle on: all of
 * it is made anew for another try. */
static int types_batch(struct hv *hv, uint32_t domid, uint64_t first,
                       unsigned int n)
{
    struct xen_domctl *op = hv->types_op;
    unsigned int tries = 0, i;
    int r;

    do {
        for ( i = 0; i < n; i++ )
            hv->types[i] = first + i;
        memset(op, 0, sizeof(*op));
        op->cmd = XEN_DOMCTL_getpageframeinfo3;
        op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
        op->domain = (domid_t)domid;
        op->u.getpageframeinfo3.num = n;
        set_xen_guest_handle_raw(op->u.getpageframeinfo3.array, hv->types);
        r = xencall1(hv->call, __HYPERVISOR_domctl, (uint64_t)(uintptr_t)op);
        /* A page of the buffers may be moved by the kernel meanwhile. */
    } while ( r < 0 && errno == EFAULT && ++tries < 3 &&
              !xencall_buffers_never_fault(hv->call) );

    return r < 0 ? hv_rc() : 0;
}

static void put_types(struct hv *hv, uint64_t first, unsigned int n,
                      struct pageset *ram, struct pageset *broken)
{
    unsigned int i;

    for ( i = 0; i < n; i++ )
    {
        bool is_ram = false, is_broken = false;

        switch ( hv->types[i] & XEN_DOMCTL_PFINFO_LTAB_MASK )
        {
        case XEN_DOMCTL_PFINFO_XTAB:
        case XEN_DOMCTL_PFINFO_XALLOC:
            break;

        case XEN_DOMCTL_PFINFO_BROKEN:
            is_broken = true;
            break;

        default:
            is_ram = true;
        }
        if ( is_ram )
            pageset_set(ram, first + i);
        else
            pageset_clear(ram, first + i);
        if ( broken && is_broken )
            pageset_set(broken, first + i);
        else if ( broken )
            pageset_clear(broken, first + i);
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
        unsigned int n = count - done > TYPES_BATCH
                            ? TYPES_BATCH : (unsigned int)(count - done);

        pthread_mutex_lock(&hv->call_lock);
        rc = types_batch(hv, domid, first + done, n);
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
