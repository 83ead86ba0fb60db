/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The dirty log.  The bitmap that Xen writes lives in a hypercall buffer for
 * as long as the log is on; results are or'ed into page sets.
 */
#include "hv_xen.h"

#include <xen/domctl.h>

struct hv_dirty
{
    struct hv *hv;
    uint32_t domid;
    uint64_t nr_gfns;
    int nr_pages;                    /* of the buffer */
    xc_hypercall_buffer_t hbuf;
};

static int buffer_alloc(struct hv_dirty *d)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint64_t, bits, &d->hbuf);
    size_t bytes = pageset_nr_words(d->nr_gfns) * sizeof(*bits);
    struct hv *hv = d->hv;

    d->nr_pages = (int)((bytes + XC_PAGE_SIZE - 1) / XC_PAGE_SIZE);
    pthread_mutex_lock(&hv->xc_lock);
    bits = xc_hypercall_buffer_alloc_pages(hv->xch, bits, d->nr_pages);
    pthread_mutex_unlock(&hv->xc_lock);

    return bits ? 0 : -ENOMEM;
}

static void buffer_free(struct hv_dirty *d)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint64_t, bits, &d->hbuf);
    struct hv *hv = d->hv;

    pthread_mutex_lock(&hv->xc_lock);
    xc_hypercall_buffer_free_pages(hv->xch, bits, d->nr_pages);
    pthread_mutex_unlock(&hv->xc_lock);
}

static int log_switch(struct hv *hv, uint32_t domid, unsigned int op)
{
    int r;

    return HV_CALL(hv, r, xc_shadow_control(hv->xch, domid, op, NULL, 0));
}

int hv_dirty_open(struct hv *hv, struct err *e, uint32_t domid,
                  uint64_t nr_gfns, struct hv_dirty **ret_d)
{
    struct hv_dirty *d = calloc(1, sizeof(*d));
    int rc;

    if ( !d || nr_gfns > (uint64_t)INT32_MAX * XC_PAGE_SIZE * 8 )
    {
        free(d);
        return err_set(e, -ENOMEM, "domain %u: dirty log: out of memory",
                       domid);
    }
    d->hv = hv;
    d->domid = domid;
    d->nr_gfns = nr_gfns;
    rc = buffer_alloc(d);
    if ( rc )
    {
        free(d);
        return err_set(e, rc, "domain %u: dirty log: no buffer for %" PRIu64
                       " gfns", domid, nr_gfns);
    }
    rc = log_switch(hv, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    if ( rc )
    {
        /* Left on by somebody who died: begin anew. */
        log_switch(hv, domid, XEN_DOMCTL_SHADOW_OP_OFF);
        rc = log_switch(hv, domid, XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY);
    }
    if ( rc )
    {
        buffer_free(d);
        free(d);
        return hv_done(e, rc, domid, "switch the dirty log on");
    }
    *ret_d = d;

    return 0;
}

static int log_read(struct hv_dirty *d, struct err *e, unsigned int op,
                    unsigned int mode, struct pageset *set,
                    struct hv_dirty_stats *ret)
{
    DECLARE_HYPERCALL_BUFFER_SHADOW(uint64_t, bits, &d->hbuf);
    xc_shadow_op_stats_t stats = { 0 };
    long long r;
    int rc;

    rc = HV_CALL(d->hv, r, xc_logdirty_control(d->hv->xch, d->domid, op,
                                               HYPERCALL_BUFFER(bits),
                                               d->nr_gfns, mode, &stats));
    if ( rc )
        return hv_done(e, rc, d->domid, "fetch the dirty log");
    if ( (uint64_t)r != d->nr_gfns )
        return err_set(e, -EIO, "domain %u: dirty log of %" PRIu64 " gfns, "
                       "got %lld", d->domid, d->nr_gfns, r);
    pageset_or_words(set, bits, d->nr_gfns);
    if ( ret )
        ret->dirty_pages = stats.dirty_count;

    return 0;
}

int hv_dirty_fetch(struct hv_dirty *d, struct err *e, bool final,
                   struct pageset *set, struct hv_dirty_stats *ret)
{
    /* Cleaning protects all memory again and flushes TLBs, for nobody, while
     * the guest waits. */
    return final ? log_read(d, e, XEN_DOMCTL_SHADOW_OP_PEEK,
                            XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL, set, ret)
                 : log_read(d, e, XEN_DOMCTL_SHADOW_OP_CLEAN, 0, set, ret);
}

int hv_dirty_peek(struct hv_dirty *d, struct err *e, struct pageset *set,
                  struct hv_dirty_stats *ret)
{
    return log_read(d, e, XEN_DOMCTL_SHADOW_OP_PEEK, 0, set, ret);
}

void hv_dirty_close(struct hv_dirty *d)
{
    if ( !d )
        return;
    log_switch(d->hv, d->domid, XEN_DOMCTL_SHADOW_OP_OFF);
    buffer_free(d);
    free(d);
}
