/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hypercall dispatch, and the small ones: multicall, xen_version, sched_op.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xenctrl.h>
#include <xen/features.h>
#include <xen/memory.h>
#include <xen/sched.h>
#include <xen/version.h>

#include "batch.h"
#include "evtchn.h"
#include "gnttab.h"
#include "host.h"
#include "hypercall.h"

#define MAX_MULTICALL 8192u

int64_t unmodelled(struct conn *c, const char *what, uint64_t sub)
{
    log_line("pid %d: %s sub-op %llu is not modelled", c->pid, what,
             (unsigned long long)sub);
    return -ENOSYS;
}

/* ---- xen_version -------------------------------------------------------- */

static int64_t put(struct conn *c, uint64_t va, const void *p, size_t len)
{
    return copy_to_client(c, va, p, len);
}

static int64_t compile_info(struct conn *c, uint64_t va)
{
    xen_compile_info_t info = {
        .compiler = "gcc",
        .compile_by = "xmig",
        .compile_domain = "emulated",
        .compile_date = "",
    };

    return put(c, va, &info, sizeof(info));
}

static int64_t feature_info(struct conn *c, uint64_t va)
{
    xen_feature_info_t fi;
    int rc = copy_from_client(c, &fi, va, sizeof(fi));

    if ( rc )
        return rc;
    if ( fi.submap_idx )
        return -EINVAL;
    fi.submap = 1u << XENFEAT_memory_op_vnode_supported |
                1u << XENFEAT_dom0 |
                1u << XENFEAT_gnttab_map_avail_bits;
    return put(c, va, &fi, sizeof(fi));
}

static int64_t do_xen_version(struct conn *c, uint64_t sub, uint64_t va)
{
    xen_capabilities_info_t caps =
        "hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64 ";
    xen_changeset_info_t changeset = "emulated";
    xen_extraversion_t extra = ".7-emulated";
    xen_platform_parameters_t pp = { .virt_start = 0xffff800000000000ull };
    xen_commandline_t cmdline = { 0 };

    switch ( sub )
    {
    case XENVER_version:
        return (4 << 16) | 17;

    case XENVER_extraversion:
        return put(c, va, extra, sizeof(extra));

    case XENVER_compile_info:
        return compile_info(c, va);

    case XENVER_capabilities:
        return put(c, va, caps, sizeof(caps));

    case XENVER_changeset:
        return put(c, va, changeset, sizeof(changeset));

    case XENVER_platform_parameters:
        return put(c, va, &pp, sizeof(pp));

    case XENVER_get_features:
        return feature_info(c, va);

    case XENVER_pagesize:
        return PAGE_SIZE;

    case XENVER_commandline:
        snprintf(cmdline, sizeof(cmdline), "dom0_mem=%lluM,max:%lluM",
                 (unsigned long long)(c->host->dom0_pages >> 8),
                 (unsigned long long)(c->host->dom0_pages >> 8));
        return put(c, va, cmdline, sizeof(cmdline));

    case XENVER_build_id:
        return -ENODATA;
    }
    return unmodelled(c, "xen_version", sub);
}

/* ---- sched_op ----------------------------------------------------------- */

static int64_t do_sched_op(struct conn *c, uint64_t sub, uint64_t va)
{
    sched_remote_shutdown_t rs;
    struct domain *d;
    int rc;

    if ( sub != SCHEDOP_remote_shutdown )
        return unmodelled(c, "sched_op", sub);
    rc = copy_from_client(c, &rs, va, sizeof(rs));
    if ( rc )
        return rc;
    if ( rs.reason > SHUTDOWN_MAX )
        return -EINVAL;
    d = domain_find(c->host, rs.domain_id);
    if ( !d )
        return -ESRCH;
    if ( d->hvm )
        domain_shutdown(d, rs.reason, true);
    else
        rc = -EINVAL;
    domain_put(d);
    return rc;
}

/* ---- dispatch ----------------------------------------------------------- */

static int64_t one(struct conn *c, uint64_t nr, const uint64_t *arg);

static int64_t do_multicall(struct conn *c, uint64_t va, uint64_t n)
{
    uint64_t i;
    int rc;

    if ( n > MAX_MULTICALL )
        return -EINVAL;
    for ( i = 0; i < n; i++ )
    {
        struct multicall_entry e;
        uint64_t at = va + i * sizeof(e);

        rc = copy_from_client(c, &e, at, sizeof(e));
        if ( rc )
            return rc;
        if ( e.op == __HYPERVISOR_multicall )
            e.result = (unsigned long)-ENOSYS;
        else
        {
            uint64_t arg[5] = { e.args[0], e.args[1], e.args[2], e.args[3],
                                e.args[4] };

            e.result = (unsigned long)one(c, e.op, arg);
        }
        rc = copy_to_client(c, at + offsetof(struct multicall_entry, result),
                            &e.result, sizeof(e.result));
        if ( rc )
            return rc;
    }
    return 0;
}

static int faulted(struct conn *c, const char *what, const char *sub)
{
    return fault_check(c->host, c, what, sub);
}

/* Goes on with the batch of a multicall, or flushes it itself. */
static bool batched(uint64_t nr, uint64_t sub)
{
    return nr == __HYPERVISOR_memory_op &&
           (sub == XENMEM_paging_op || sub == XENMEM_access_op);
}

static int64_t one(struct conn *c, uint64_t nr, const uint64_t *arg)
{
    const char *what = hypercall_name(nr);
    int rc = 0;

    if ( c->batch && !batched(nr, arg[0]) )
        batch_flush(c->batch);
    switch ( nr )
    {
    case __HYPERVISOR_domctl:
        return do_domctl(c, arg[0]);

    case __HYPERVISOR_sysctl:
        return do_sysctl(c, arg[0]);

    case __HYPERVISOR_memory_op:
        rc = faulted(c, what, memory_op_name(arg[0]));
        return rc ? rc : do_memory_op(c, arg[0], arg[1]);

    case __HYPERVISOR_hvm_op:
        rc = faulted(c, what, hvm_op_name(arg[0]));
        return rc ? rc : do_hvm_op(c, arg[0], arg[1]);

    case __HYPERVISOR_sched_op:
        rc = faulted(c, what, sched_op_name(arg[0]));
        return rc ? rc : do_sched_op(c, arg[0], arg[1]);

    case __HYPERVISOR_event_channel_op:
        rc = faulted(c, what, evtchn_op_name(arg[0]));
        return rc ? rc : evtchn_hypercall(c, arg[0], arg[1]);

    case __HYPERVISOR_grant_table_op:
        rc = faulted(c, what, NULL);
        return rc ? rc : gnttab_hypercall(c, arg[0], arg[1], arg[2]);

    case __HYPERVISOR_xen_version:
        rc = faulted(c, what, NULL);
        return rc ? rc : do_xen_version(c, arg[0], arg[1]);

    case __HYPERVISOR_multicall:
        return do_multicall(c, arg[0], arg[1]);

    case __HYPERVISOR_xsm_op:
        /* Xen without XSM. */
        return -ENOSYS;
    }
    if ( what )
        return unmodelled(c, what, arg[0]);
    log_line("pid %d: hypercall %llu (0x%llx) is not modelled", c->pid,
             (unsigned long long)nr, (unsigned long long)arg[0]);
    return -ENOSYS;
}

int64_t hypercall(struct conn *c, const struct emu_call *call)
{
    int64_t ret = one(c, call->nr, call->arg);

    if ( c->batch )
        batch_flush(c->batch);
    return ret;
}
