/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Machine state that is not memory: HVM context, time stamp counter,
 * parameters, the rings of xenstore and console.
 */
#include "hv_xen.h"

#define CONTEXT_MAX (16u << 20)

/* ---- Context ----------------------------------------------------------- */

int hv_context_get(struct hv *hv, struct err *e, uint32_t domid,
                   void **ret_data, size_t *ret_len)
{
    void *data = NULL;
    int size, len, rc;

    rc = HV_CALL(hv, size, xc_domain_hvm_getcontext(hv->xch, domid, NULL, 0));
    if ( !rc && (size == 0 || (unsigned int)size > CONTEXT_MAX) )
        rc = -EIO;
    if ( !rc )
    {
        data = malloc((size_t)size);
        if ( !data )
            rc = -ENOMEM;
    }
    if ( !rc )
        rc = HV_CALL(hv, len, xc_domain_hvm_getcontext(hv->xch, domid, data,
                                                       (uint32_t)size));
    if ( rc )
    {
        free(data);
        return hv_done(e, rc, domid, "save the context of vcpus and devices");
    }
    *ret_data = data;
    *ret_len = (size_t)len;

    return 0;
}

int hv_context_set(struct hv *hv, struct err *e, uint32_t domid,
                   const void *data, size_t len)
{
    int r, rc;

    if ( !len || len > CONTEXT_MAX )
        return err_set(e, -EPROTO, "domain %u: context of %zu bytes", domid,
                       len);
    rc = HV_CALL(hv, r, xc_domain_hvm_setcontext(hv->xch, domid,
                                                 (uint8_t *)data,
                                                 (uint32_t)len));

    return hv_done(e, rc, domid, "load the context of vcpus and devices");
}

/* ---- Time stamp counter ------------------------------------------------ */

int hv_tsc_get(struct hv *hv, struct err *e, uint32_t domid,
               struct hv_tsc *ret)
{
    struct hv_tsc t = { 0 };
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_get_tsc_info(hv->xch, domid, &t.mode,
                                               &t.nsec, &t.khz,
                                               &t.incarnation));
    if ( !rc )
        *ret = t;

    return hv_done(e, rc, domid, "read the time stamp counter's mode");
}

int hv_tsc_set(struct hv *hv, struct err *e, uint32_t domid,
               const struct hv_tsc *tsc)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_domain_set_tsc_info(hv->xch, domid, tsc->mode,
                                               tsc->nsec, tsc->khz,
                                               tsc->incarnation));

    return hv_done(e, rc, domid, "set the time stamp counter's mode");
}

/* ---- Parameters -------------------------------------------------------- */

/* What stock tools send, in their order: all must be readable. */
static const uint32_t travelling[] = {
    HVM_PARAM_STORE_PFN,
    HVM_PARAM_IOREQ_PFN,
    HVM_PARAM_BUFIOREQ_PFN,
    HVM_PARAM_PAGING_RING_PFN,
    HVM_PARAM_MONITOR_RING_PFN,
    HVM_PARAM_SHARING_RING_PFN,
    HVM_PARAM_VM86_TSS_SIZED,
    HVM_PARAM_CONSOLE_PFN,
    HVM_PARAM_ACPI_IOPORTS_LOCATION,
    HVM_PARAM_VIRIDIAN,
    HVM_PARAM_IDENT_PT,
    HVM_PARAM_VM_GENERATION_ID_ADDR,
    HVM_PARAM_IOREQ_SERVER_PFN,
    HVM_PARAM_NR_IOREQ_SERVER_PAGES,
    HVM_PARAM_X87_FIP_WIDTH,
    HVM_PARAM_MCA_CAP,
};

#define NR_TRAVELLING (sizeof(travelling) / sizeof(travelling[0]))

static_assert(NR_TRAVELLING <= HV_PARAMS_MAX, "room for all");

bool hv_param_is_ring(uint64_t index)
{
    return index == HVM_PARAM_STORE_PFN || index == HVM_PARAM_CONSOLE_PFN ||
           index == HVM_PARAM_IOREQ_PFN || index == HVM_PARAM_BUFIOREQ_PFN;
}

bool hv_param_is_pager_ring(uint64_t index)
{
    return index == HVM_PARAM_PAGING_RING_PFN ||
           index == HVM_PARAM_MONITOR_RING_PFN;
}

static int param_get(struct hv *hv, struct err *e, uint32_t domid,
                     uint32_t index, uint64_t *ret_value)
{
    uint64_t value;
    int r, rc;

    rc = HV_CALL(hv, r, xc_hvm_param_get(hv->xch, domid, index, &value));
    if ( rc )
        return err_set(e, rc, "domain %u: read HVM parameter %u: %s", domid,
                       index, err_text(rc));
    *ret_value = value;

    return 0;
}

static int param_set(struct hv *hv, struct err *e, uint32_t domid,
                     uint32_t index, uint64_t value)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_hvm_param_set(hv->xch, domid, index, value));
    if ( rc )
        return err_set(e, rc, "domain %u: set HVM parameter %u to %#" PRIx64
                       ": %s", domid, index, value, err_text(rc));

    return 0;
}

int hv_params_get(struct hv *hv, struct err *e, uint32_t domid,
                  struct hv_param params[HV_PARAMS_MAX],
                  unsigned int *ret_nr)
{
    unsigned int i, nr = 0;
    uint64_t value;
    int rc;

    for ( i = 0; i < NR_TRAVELLING; i++ )
    {
        rc = param_get(hv, e, domid, travelling[i], &value);
        if ( rc )
            return rc;
        if ( !value )
            continue;
        params[nr].index = travelling[i];
        params[nr++].value = value;
    }
    *ret_nr = nr;

    return 0;
}

static bool travels(uint64_t index)
{
    unsigned int i;

    for ( i = 0; i < NR_TRAVELLING; i++ )
        if ( index == travelling[i] )
            return true;

    return false;
}

/* All in one mapping: the guest is waiting. */
static int clear_ring_pages(struct hv *hv, struct err *e, uint32_t domid,
                            const struct hv_param *params, unsigned int nr)
{
    uint64_t gfns[NR_TRAVELLING];
    int errs[NR_TRAVELLING];
    unsigned int i, n = 0;
    void *pages;
    int rc;

    for ( i = 0; i < nr && n < NR_TRAVELLING; i++ )
        if ( hv_param_is_ring(params[i].index) && params[i].value )
            gfns[n++] = params[i].value;
    if ( !n )
        return 0;
    rc = hv_map(hv, e, domid, true, gfns, n, errs, &pages);
    if ( rc )
        return rc;
    for ( i = 0; i < n; i++ )
        if ( errs[i] )
            rc = err_set(e, -EPROTO, "domain %u: ring page at gfn %#" PRIx64
                         " is not there: %s", domid, gfns[i],
                         err_text(errs[i]));
    if ( !rc )
        memset(pages, 0, (size_t)n * XC_PAGE_SIZE);
    hv_unmap(hv, pages, n);

    return rc;
}

int hv_params_set(struct hv *hv, struct err *e, uint32_t domid,
                  const struct hv_param *params, unsigned int nr)
{
    unsigned int i;
    int rc;

    for ( i = 0; i < nr; i++ )
        if ( !travels(params[i].index) )
            return err_set(e, -EPROTO, "domain %u: HVM parameter %" PRIu64
                           " is not one that travels", domid,
                           params[i].index);
    rc = clear_ring_pages(hv, e, domid, params, nr);
    for ( i = 0; !rc && i < nr; i++ )
        rc = param_set(hv, e, domid, (uint32_t)params[i].index,
                       params[i].value);

    return rc;
}

/* ---- Rings of xenstore and console ------------------------------------- */

int hv_rings_get(struct hv *hv, struct err *e, uint32_t domid,
                 struct hv_rings *ret)
{
    static const uint32_t index[4] = {
        HVM_PARAM_STORE_PFN, HVM_PARAM_CONSOLE_PFN, HVM_PARAM_STORE_EVTCHN,
        HVM_PARAM_CONSOLE_EVTCHN,
    };
    uint64_t v[4];
    unsigned int i;
    int rc;

    for ( i = 0; i < 4; i++ )
    {
        rc = param_get(hv, e, domid, index[i], &v[i]);
        if ( rc )
            return rc;
    }
    ret->store_gfn = v[0];
    ret->console_gfn = v[1];
    ret->store_port = (uint32_t)v[2];
    ret->console_port = (uint32_t)v[3];
    ret->store_domid = ret->console_domid = 0;

    return 0;
}

/* The port in parameter index, allocated for dom0 if there is none. */
static int ring_port(struct hv *hv, struct err *e, uint32_t domid,
                     uint32_t index, const char *what, uint32_t *ret_port)
{
    uint64_t value;
    int port, rc;

    rc = param_get(hv, e, domid, index, &value);
    if ( rc || value )
    {
        if ( !rc )
            *ret_port = (uint32_t)value;
        return rc;
    }
    rc = HV_CALL(hv, port, xc_evtchn_alloc_unbound(hv->xch, domid, 0));
    if ( rc )
        return err_set(e, rc, "domain %u: event channel of its %s: %s", domid,
                       what, err_text(rc));
    rc = param_set(hv, e, domid, index, (uint64_t)port);
    if ( !rc )
        *ret_port = (uint32_t)port;

    return rc;
}

int hv_rings_ports(struct hv *hv, struct err *e, uint32_t domid,
                   uint32_t *ret_store_port, uint32_t *ret_console_port)
{
    int rc;

    rc = ring_port(hv, e, domid, HVM_PARAM_STORE_EVTCHN, "xenstore ring",
                   ret_store_port);
    if ( !rc )
        rc = ring_port(hv, e, domid, HVM_PARAM_CONSOLE_EVTCHN, "console",
                       ret_console_port);

    return rc;
}

int hv_rings_set_ports(struct hv *hv, struct err *e, uint32_t domid,
                       uint32_t store_port, uint32_t console_port)
{
    int rc = param_set(hv, e, domid, HVM_PARAM_STORE_EVTCHN, store_port);

    if ( !rc )
        rc = param_set(hv, e, domid, HVM_PARAM_CONSOLE_EVTCHN, console_port);

    return rc;
}

int hv_rings_seed(struct hv *hv, struct err *e, uint32_t domid,
                  const struct hv_rings *rings)
{
    int r, rc;

    rc = HV_CALL(hv, r, xc_dom_gnttab_seed(hv->xch, domid, true,
                                           rings->console_gfn,
                                           rings->store_gfn,
                                           rings->console_domid,
                                           rings->store_domid));

    return hv_done(e, rc, domid, "grant the pages of xenstore and console");
}
