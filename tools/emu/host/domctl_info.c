/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What the toolstack is told about domains and vCPUs.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "domctl.h"
#include "paging.h"

/* The thread's own time; 0 for a vCPU that has never run, as on Xen.
 * sched_lock held. */
static uint64_t vcpu_time(const struct vcpu *v)
{
    struct timespec ts;
    clockid_t clock;

    if ( !v->has_run || !v->thread_started ||
         pthread_getcpuclockid(v->thread, &clock) ||
         clock_gettime(clock, &ts) )
        return 0;
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* sched_lock held. */
static void sched_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    bool blocked = true, running = false;
    unsigned int i;

    info->max_vcpu_id = d->nr_vcpus ? d->nr_vcpus - 1 :
                                      XEN_INVALID_MAX_VCPU_ID;
    for ( i = 0; i < d->nr_vcpus; i++ )
    {
        struct vcpu *v = d->vcpus[i];

        info->cpu_time += vcpu_time(v);
        if ( !v->online )
            continue;
        info->nr_online_vcpus++;
        running |= v->stepping && !v->in_fault;
        blocked &= v->waiting;
    }
    if ( info->nr_online_vcpus )
        info->flags |= (running ? XEN_DOMINF_running : 0) |
                       (blocked ? XEN_DOMINF_blocked : 0);
    if ( d->shut_down )
        info->flags |= XEN_DOMINF_shutdown |
                       d->shutdown_code << XEN_DOMINF_shutdownshift;
    if ( d->ctl_pauses )
        info->flags |= XEN_DOMINF_paused;
}

void domain_info(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    memset(info, 0, sizeof(*info));
    info->domain = (domid_t)d->domid;
    info->shared_info_frame = ~0ull;
    info->gpaddr_bits = 46;

    pthread_mutex_lock(&d->sched_lock);
    sched_info(d, info);
    pthread_mutex_unlock(&d->sched_lock);
    if ( d->hvm )
        info->flags |= XEN_DOMINF_hvm_guest;
    if ( atomic_load(&d->dying) )
        info->flags |= XEN_DOMINF_dying;

    pthread_mutex_lock(&d->ctl->lock);
    memcpy(info->handle, d->ctl->handle, sizeof(info->handle));
    info->ssidref = d->ctl->ssidref;
    info->arch_config = d->ctl->arch;
    if ( d->ctl->hap )
        info->flags |= XEN_DOMINF_hap;
    pthread_mutex_unlock(&d->ctl->lock);

    pthread_mutex_lock(&d->host->machine.lock);
    info->tot_pages = d->acct.tot_pages;
    info->max_pages = d->acct.max_pages;
    info->outstanding_pages = d->acct.claim;
    info->paged_pages = paging_nr_absent(d);
    pthread_mutex_unlock(&d->host->machine.lock);
}

int vcpu_info(struct domain *d, struct xen_domctl_getvcpuinfo *info)
{
    int rc = -EINVAL;
    struct vcpu *v;

    pthread_mutex_lock(&d->sched_lock);
    if ( info->vcpu >= d->nr_vcpus )
    {
        rc = -ESRCH;
        goto out;
    }
    v = d->vcpus[info->vcpu];
    info->online = v->online;
    info->blocked = v->waiting;
    info->running = v->stepping && !v->in_fault;
    info->cpu_time = vcpu_time(v);
    info->cpu = v->id % d->host->nr_cpus;
    rc = 0;

 out:
    pthread_mutex_unlock(&d->sched_lock);
    return rc;
}
