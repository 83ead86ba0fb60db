/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * vCPUs that wait in the middle of a step, for a page that is absent: see
 * host.h.  Runs on a vCPU's own thread, within its fault handler, which
 * interrupts nothing but the guest.
 */
#include "host.h"
#include "sched_priv.h"

bool domain_in_fault(struct domain *d)
{
    bool yes = false;
    unsigned int i;

    pthread_mutex_lock(&d->sched_lock);
    for ( i = 0; i < d->nr_vcpus; i++ )
        yes |= d->vcpus[i]->in_fault;
    pthread_mutex_unlock(&d->sched_lock);
    return yes;
}

void vcpu_fault_begin(struct vcpu *v)
{
    struct domain *d = v->d;
    bool shutting;

    pthread_mutex_lock(&d->sched_lock);
    v->in_fault = true;
    shutting = d->shutting_down;
    if ( shutting || d->pause_count || v->quit )
        pthread_cond_broadcast(&d->stopped);
    pthread_mutex_unlock(&d->sched_lock);
    if ( shutting )
        sched_finish_shutdown(d);
}

/* sched_lock held, and dropped: the domain goes. */
static void leave_step(struct vcpu *v)
{
    v->in_fault = false;
    pthread_mutex_unlock(&v->d->sched_lock);
    v->in_guest = false;
    siglongjmp(v->crash_jmp, LEAVE_STEP);
}

void vcpu_fault_wait(struct vcpu *v, bool room)
{
    struct domain *d = v->d;

    pthread_mutex_lock(&d->sched_lock);
    while ( (v->event_pauses || (room && !v->room)) && !v->quit )
        pthread_cond_wait(&v->wake, &d->sched_lock);
    v->room = false;
    if ( v->quit )
        leave_step(v);
    pthread_mutex_unlock(&d->sched_lock);
}

void vcpu_fault_end(struct vcpu *v)
{
    struct domain *d = v->d;

    pthread_mutex_lock(&d->sched_lock);
    while ( !v->quit && !vcpu_runnable(v) )
        pthread_cond_wait(&v->wake, &d->sched_lock);
    if ( v->quit )
        leave_step(v);
    v->in_fault = false;
    pthread_mutex_unlock(&d->sched_lock);
}

void vcpu_event_pause(struct vcpu *v)
{
    pthread_mutex_lock(&v->d->sched_lock);
    v->event_pauses++;
    pthread_mutex_unlock(&v->d->sched_lock);
}

bool vcpu_event_paused(struct vcpu *v)
{
    bool yes;

    pthread_mutex_lock(&v->d->sched_lock);
    yes = v->event_pauses;
    pthread_mutex_unlock(&v->d->sched_lock);
    return yes;
}

void vcpu_event_unpause(struct vcpu *v)
{
    pthread_mutex_lock(&v->d->sched_lock);
    if ( v->event_pauses && !--v->event_pauses )
        pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->d->sched_lock);
}

void vcpu_event_room(struct vcpu *v)
{
    pthread_mutex_lock(&v->d->sched_lock);
    v->room = true;
    pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->d->sched_lock);
}
