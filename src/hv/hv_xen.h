/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Private to hv_xen*.c, the only files that know libxenctrl: the handles
 * behind struct hv and the one place where foreign errno becomes ours.
 */
#ifndef XMIG_HV_XEN_H
#define XMIG_HV_XEN_H

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xenforeignmemory.h>
#include <xenguest.h>
#include <xentoollog.h>
#include <xen/hvm/params.h>

#include "hv.h"

/* xentoollog's object, first so that a pointer to it is one to the whole. */
struct hv_logger
{
    struct xentoollog_logger vt;
    struct xentoollog_logger *to;    /* may be NULL */
};

struct hv
{
    /* set at open, then read-only */
    struct hv_logger log;
    xc_interface *xch;
    xenforeignmemory_handle *fmem;
    xencall_handle *call;            /* page types */
    multicall_entry_t *types_call;    /* hypercall buffers on it */
    struct xen_domctl *types_op;
    xen_pfn_t *types;

    pthread_mutex_t xc_lock;         /* xch */
    pthread_mutex_t fmem_lock;       /* fmem */
    pthread_mutex_t call_lock;       /* call and its buffers */
    pthread_mutex_t port_lock;
    /* under port_lock */
    struct hv_port *ports;
};

/* Take a library's -1 and errno, at once: -errno, never 0. */
static inline int hv_rc(void)
{
    return errno > 0 ? -errno : -EIO;
}

/* Run one call on hv->xch: r is what it returned, the result 0 or -errno. */
#define HV_CALL(hv, r, call)                                            \
    ({                                                                  \
        int hv_rc_;                                                     \
                                                                        \
        pthread_mutex_lock(&(hv)->xc_lock);                             \
        errno = 0;                                                      \
        (r) = (call);                                                   \
        hv_rc_ = (r) < 0 ? hv_rc() : 0;                                 \
        pthread_mutex_unlock(&(hv)->xc_lock);                           \
        hv_rc_;                                                         \
    })

/* Record what was attempted on the domain, unless rc is 0. */
int hv_done(struct err *e, int rc, uint32_t domid, const char *what);

#endif
