/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * HVM parameters.
 */
#include <errno.h>
#include <xenctrl.h>
#include <xen/hvm/hvm_op.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>

#include "host.h"
#include "hypercall.h"

/* Gone from Xen's interface: refused. */
static bool deprecated(uint32_t index)
{
    switch ( index )
    {
    case 4:                      /* PAE_ENABLED */
    case 13:                     /* DM_DOMAIN */
    case 20 ... 24:              /* MEMORY_EVENT_*, NESTEDHVM */
    case 25:
    case 26:                     /* BUFIOREQ_EVTCHN */
    case 30:
        return true;
    }
    return false;
}

static bool once_only(uint32_t index)
{
    switch ( index )
    {
    case HVM_PARAM_VIRIDIAN:
    case HVM_PARAM_IOREQ_PFN:
    case HVM_PARAM_BUFIOREQ_PFN:
    case HVM_PARAM_IOREQ_SERVER_PFN:
    case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
    case HVM_PARAM_ALTP2M:
    case HVM_PARAM_MCA_CAP:
        return true;
    }
    return false;
}

static int check(uint32_t index, uint64_t value)
{
    switch ( index )
    {
    case HVM_PARAM_TIMER_MODE:
        return value > HVMPTM_one_missed_tick_pending ? -EINVAL : 0;

    case HVM_PARAM_ACPI_S_STATE:
        return value && value != 3 ? -EINVAL : 0;

    case HVM_PARAM_TRIPLE_FAULT_REASON:
        return value > SHUTDOWN_MAX ? -EINVAL : 0;

    case HVM_PARAM_X87_FIP_WIDTH:
        return value && value != 4 && value != 8 ? -EINVAL : 0;

    case HVM_PARAM_NR_IOREQ_SERVER_PAGES:
        return !value || value > 64 ? -EINVAL : 0;
    }
    return 0;
}

static int set_param(struct domain *d, uint32_t index, uint64_t value)
{
    uint64_t old = atomic_load(&d->params[index]);
    int rc;

    if ( once_only(index) && old && old != value )
        return -EEXIST;
    rc = check(index, value);
    if ( rc )
        return rc;
    atomic_store(&d->params[index], value);
    return 0;
}

int64_t do_hvm_op(struct conn *c, uint64_t sub, uint64_t va)
{
    struct xen_hvm_param p;
    struct domain *d;
    int rc;

    if ( sub != HVMOP_set_param && sub != HVMOP_get_param )
        return unmodelled(c, "hvm_op", sub);
    rc = copy_from_client(c, &p, va, sizeof(p));
    if ( rc )
        return rc;
    if ( p.index >= NR_HVM_PARAMS )
        return -EINVAL;
    d = domain_find(c->host, p.domid);
    if ( !d )
        return -ESRCH;
    rc = -EINVAL;
    if ( !d->hvm || deprecated(p.index) )
        goto out;
    if ( sub == HVMOP_set_param )
        rc = set_param(d, p.index, p.value);
    else
    {
        p.value = atomic_load(&d->params[p.index]);
        rc = copy_to_client(c, va, &p, sizeof(p));
    }

 out:
    domain_put(d);
    return rc;
}
