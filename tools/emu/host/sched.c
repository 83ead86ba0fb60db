/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * vCPU threads: running a guest's steps, waiting, pausing, shutting down.
 *
 * A vCPU thread holds no lock while it steps.  It looks at `attention` after
 * each step; whoever wants it to stop sets that under sched_lock and waits
 * for `stepping` to fall.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xen/hvm/params.h>
#include <xen/sched.h>

#include "evtchn.h"
#include "fault.h"
#include "guest_hv.h"
#include "host.h"
#include "sched_priv.h"
#include "touch.h"

#define SIGSTACK_BYTES (64u << 10)
/* Of x86's page-fault error code. */
#define PF_WRITE       2
#define VCPU_STACK     (1u << 20)
/* "It has PV drivers": Linux says no more by it, its vCPUs have vectors. */
#define CALLBACK_VIA 1u

static __thread struct vcpu *current_vcpu;

struct vcpu *vcpu_current(void)
{
    return current_vcpu;
}

/* ---- guest faults ------------------------------------------------------- */

/* The access, by the page fault's error code. */
static bool was_write(const ucontext_t *uc)
{
    return uc->uc_mcontext.gregs[REG_ERR] & PF_WRITE;
}

static void on_fault(int sig, siginfo_t *si, void *uc)
{
    struct vcpu *v = current_vcpu;
    struct touch t;
    uintptr_t off;
    int e = errno;

    if ( v && v->in_guest )
    {
        off = (uintptr_t)si->si_addr - (uintptr_t)v->d->p2m.mem;
        t.gfn = off / PAGE_SIZE;
        t.offset = off % PAGE_SIZE;
        t.write = was_write(uc);
        if ( t.gfn < v->d->p2m.max_gfns && guest_touch(v, &t) )
        {
            errno = e;
            return;
        }
        v->in_guest = false;
        v->fault_addr = (uintptr_t)si->si_addr;
        siglongjmp(v->crash_jmp, sig);
    }
    /* The host's own: say so, and die of it as usual. */
    log_line("the host itself faults: signal %d at %p", sig, si->si_addr);
    signal(sig, SIG_DFL);
}

int sched_init(void)
{
    struct sigaction sa = {
        .sa_sigaction = on_fault,
        .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER,
    };

    sigemptyset(&sa.sa_mask);
    if ( sigaction(SIGSEGV, &sa, NULL) || sigaction(SIGBUS, &sa, NULL) )
        return -errno;
    return 0;
}

/* The handler was left by a jump; a sanitizer may have blocked more. */
static void unblock_faults(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void report_fault(struct vcpu *v, int sig)
{
    struct domain *d = v->d;
    uintptr_t base = (uintptr_t)d->p2m.mem;
    const char *what = sig == SIGBUS ? "memory that the host lacks" :
                                       "a hole";

    if ( v->fault_addr - base < d->p2m.max_gfns * PAGE_SIZE )
    {
        uint64_t gfn = (v->fault_addr - base) / PAGE_SIZE;

        if ( atomic_load(&d->p2m.entry[gfn]) & P2M_DENIED )
            what = "a page that it has no access to";
        domain_console(d, "crash: vCPU %u touched gfn 0x%llx, %s", v->id,
                       (unsigned long long)gfn, what);
        log_line("dom%u: vCPU %u touched gfn 0x%llx, %s; domain crashes",
                 d->domid, v->id, (unsigned long long)gfn, what);
        return;
    }
    domain_console(d, "crash: vCPU %u touched memory that is not the guest's",
                   v->id);
    log_line("dom%u: vCPU %u touched %p outside its memory; domain crashes",
             d->domid, v->id, (void *)v->fault_addr);
}

/* ---- shutting down ------------------------------------------------------ */

static bool any_stepping(const struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < d->nr_vcpus; i++ )
        if ( d->vcpus[i]->stepping && !d->vcpus[i]->in_fault )
            return true;
    return false;
}

static void ask_to_stop(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < d->nr_vcpus; i++ )
        atomic_store(&d->vcpus[i]->attention, true);
}

static void wake_all(struct domain *d)
{
    unsigned int i;

    for ( i = 0; i < d->nr_vcpus; i++ )
        pthread_cond_signal(&d->vcpus[i]->wake);
}

/* sched_lock held. */
static void begin_shutdown(struct domain *d, unsigned int reason)
{
    if ( d->shutting_down )
        return;
    d->shutting_down = true;
    d->shutdown_code = reason;
    ask_to_stop(d);
}

/* Nothing steps any more: the shutdown is complete, say so.  No lock held. */
void sched_finish_shutdown(struct domain *d)
{
    uint32_t port = 0;
    bool now;

    pthread_mutex_lock(&d->sched_lock);
    now = d->shutting_down && !d->shut_down && !any_stepping(d);
    if ( now )
    {
        d->shut_down = true;
        if ( d->shutdown_code == SHUTDOWN_suspend )
            port = d->suspend_port;
    }
    pthread_cond_broadcast(&d->stopped);
    pthread_mutex_unlock(&d->sched_lock);
    if ( !now )
        return;
    fault_check(d->host, NULL, "shutdown", NULL);
    if ( port )
        evtchn_send(d->domid, port);
    else
        evtchn_raise_virq(VIRQ_DOM_EXC);
}

void domain_shutdown(struct domain *d, unsigned int reason, bool wait)
{
    pthread_mutex_lock(&d->sched_lock);
    begin_shutdown(d, reason);
    while ( wait && any_stepping(d) )
        pthread_cond_wait(&d->stopped, &d->sched_lock);
    pthread_mutex_unlock(&d->sched_lock);
    sched_finish_shutdown(d);
}

int domain_resume(struct domain *d)
{
    unsigned int i;

    domain_pause(d);
    pthread_mutex_lock(&d->sched_lock);
    d->shutting_down = d->shut_down = false;
    d->shutdown_code = 0;
    for ( i = 0; i < d->nr_vcpus; i++ )
        d->vcpus[i]->waiting = false;
    pthread_mutex_unlock(&d->sched_lock);
    domain_unpause(d);
    return 0;
}

/* ---- the cap ------------------------------------------------------------ */

/* credit2's CSCHED2_BDGT_REPL_PERIOD */
#define CAP_PERIOD_US 10000u

void domain_cap(struct domain *d, unsigned int percent)
{
    pthread_mutex_lock(&d->cap_lock);
    d->cap_used_ns = 0;
    atomic_store(&d->cap_percent, percent);
    pthread_mutex_unlock(&d->cap_lock);
    /* Those that are parked look again. */
    pthread_mutex_lock(&d->sched_lock);
    wake_all(d);
    pthread_mutex_unlock(&d->sched_lock);
}

static uint64_t thread_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* It ran for so long.  0, or until when it must not run. */
static uint64_t cap_charge(struct domain *d, unsigned int percent,
                           uint64_t ns)
{
    uint64_t period = now_us() / CAP_PERIOD_US, until_us = 0, refill;
    uint64_t budget_ns = (uint64_t)percent * CAP_PERIOD_US * 10;

    pthread_mutex_lock(&d->cap_lock);
    if ( period != d->cap_period )
    {
        refill = (period - d->cap_period) * budget_ns;
        d->cap_used_ns -= d->cap_used_ns < refill ? d->cap_used_ns : refill;
        d->cap_period = period;
    }
    d->cap_used_ns += ns;
    /* What was used beyond the budget is owed. */
    if ( d->cap_used_ns >= budget_ns )
        until_us = (period + d->cap_used_ns / budget_ns) * CAP_PERIOD_US;
    pthread_mutex_unlock(&d->cap_lock);
    return until_us;
}

/* ---- the thread --------------------------------------------------------- */

bool vcpu_runnable(const struct vcpu *v)
{
    const struct domain *d = v->d;

    return !v->quit && v->online && !d->pause_count && !d->shutting_down;
}

/* Steps until somebody wants attention, or the guest wants to wait. */
static enum guest_next run_steps(struct vcpu *v, uint64_t *ret_deadline_us)
{
    unsigned int cap;
    enum guest_next next;
    uint64_t begin_ns = 0;
    int sig;

    sig = sigsetjmp(v->crash_jmp, 0);
    if ( sig == LEAVE_STEP )
    {
        unblock_faults();
        return GUEST_AGAIN;
    }
    if ( sig )
    {
        unblock_faults();
        report_fault(v, sig);
        v->shutdown_reason = SHUTDOWN_crash;
        return GUEST_AGAIN;
    }
    do {
        *ret_deadline_us = UINT64_MAX;
        atomic_store(&v->kicked, false);
        cap = atomic_load_explicit(&v->d->cap_percent, memory_order_relaxed);
        if ( cap )
            begin_ns = thread_ns();
        v->in_guest = true;
        next = guest_step(&v->env, ret_deadline_us);
        v->in_guest = false;
        if ( cap )
            v->parked_us = cap_charge(v->d, cap, thread_ns() - begin_ns);
    } while ( next == GUEST_AGAIN && v->shutdown_reason < 0 &&
              (!cap || !v->parked_us) &&
              !atomic_load_explicit(&v->attention, memory_order_relaxed) );
    return next;
}

/* ---- waiting between steps ---------------------------------------------- */

static void wait_for_event(struct vcpu *v)
{
    struct timespec ts = {
        .tv_sec = (time_t)(v->deadline_us / 1000000),
        .tv_nsec = (long)(v->deadline_us % 1000000) * 1000,
    };

    if ( atomic_load(&v->kicked) || now_us() >= v->deadline_us )
        v->waiting = false;
    else if ( v->deadline_us == UINT64_MAX )
        pthread_cond_wait(&v->wake, &v->d->sched_lock);
    else
        pthread_cond_timedwait(&v->wake, &v->d->sched_lock, &ts);
}

/* Its share of the period is used up. */
static void wait_parked(struct vcpu *v)
{
    struct timespec ts = {
        .tv_sec = (time_t)(v->parked_us / 1000000),
        .tv_nsec = (long)(v->parked_us % 1000000) * 1000,
    };

    if ( now_us() >= v->parked_us ||
         !atomic_load(&v->d->cap_percent) )
        v->parked_us = 0;
    else
        pthread_cond_timedwait(&v->wake, &v->d->sched_lock, &ts);
}

/* sched_lock held on entry and exit; dropped while the guest runs. */
static void run_burst(struct vcpu *v)
{
    struct domain *d = v->d;
    uint64_t deadline_us = UINT64_MAX, zero = 0;
    enum guest_next next;
    bool stop;

    v->stepping = true;
    v->has_run = true;
    atomic_store(&v->attention, false);
    pthread_mutex_unlock(&d->sched_lock);

    /* A guest of ours has PV drivers and says so, as Linux does. */
    atomic_compare_exchange_strong(&d->params[HVM_PARAM_CALLBACK_IRQ], &zero,
                                   CALLBACK_VIA);
    v->shutdown_reason = -1;
    next = run_steps(v, &deadline_us);

    pthread_mutex_lock(&d->sched_lock);
    v->stepping = false;
    /* One that has called shutdown is not blocked, as Xen sees it. */
    v->waiting = next == GUEST_WAIT && v->shutdown_reason < 0;
    v->deadline_us = deadline_us;
    if ( v->shutdown_reason >= 0 )
        begin_shutdown(d, (unsigned int)v->shutdown_reason);
    stop = d->shutting_down;
    if ( stop || d->pause_count || v->quit )
        pthread_cond_broadcast(&d->stopped);
    if ( stop )
    {
        pthread_mutex_unlock(&d->sched_lock);
        sched_finish_shutdown(d);
        pthread_mutex_lock(&d->sched_lock);
    }
}

static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    struct domain *d = v->d;
    stack_t ss = { .ss_size = SIGSTACK_BYTES };

    ss.ss_sp = mmap(NULL, SIGSTACK_BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( ss.ss_sp == MAP_FAILED || sigaltstack(&ss, NULL) )
        log_line("dom%u: vCPU %u has no signal stack: %s", d->domid, v->id,
                 strerror(errno));
    current_vcpu = v;

    pthread_mutex_lock(&d->sched_lock);
    while ( !v->quit )
    {
        if ( !vcpu_runnable(v) )
            pthread_cond_wait(&v->wake, &d->sched_lock);
        else if ( v->parked_us )
            wait_parked(v);
        else if ( v->waiting )
            wait_for_event(v);
        else
            run_burst(v);
    }
    pthread_mutex_unlock(&d->sched_lock);

    current_vcpu = NULL;
    if ( ss.ss_sp != MAP_FAILED )
    {
        ss.ss_flags = SS_DISABLE;
        sigaltstack(&ss, NULL);
        munmap(ss.ss_sp, SIGSTACK_BYTES);
    }
    return NULL;
}

int vcpu_create(struct domain *d, unsigned int id)
{
    pthread_condattr_t ca;
    pthread_attr_t attr;
    struct vcpu *v;
    int r;

    v = calloc(1, sizeof(*v));
    if ( !v )
        return -ENOMEM;
    v->d = d;
    v->id = id;
    v->env = (struct guest_env){
        .mem = d->p2m.mem,
        .nr_gfns = d->p2m.max_gfns,
        .vcpu = id,
        .regs = &v->regs,
        .hv = &guest_hv,
        .host = v,
    };
    pthread_condattr_init(&ca);
    pthread_condattr_setclock(&ca, CLOCK_MONOTONIC);
    pthread_cond_init(&v->wake, &ca);
    pthread_condattr_destroy(&ca);

    pthread_mutex_lock(&d->sched_lock);
    d->vcpus[id] = v;
    d->nr_vcpus = id + 1;
    pthread_mutex_unlock(&d->sched_lock);
    if ( !d->hvm )
        return 0;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, VCPU_STACK);
    /* The thread waits for the lock until all this is settled. */
    pthread_mutex_lock(&d->sched_lock);
    r = pthread_create(&v->thread, &attr, vcpu_main, v);
    v->thread_started = !r;
    pthread_mutex_unlock(&d->sched_lock);
    pthread_attr_destroy(&attr);
    return -r;
}

void vcpus_end(struct domain *d)
{
    unsigned int i;

    pthread_mutex_lock(&d->sched_lock);
    ask_to_stop(d);
    for ( i = 0; i < d->nr_vcpus; i++ )
        d->vcpus[i]->quit = true;
    wake_all(d);
    pthread_mutex_unlock(&d->sched_lock);
    for ( i = 0; i < d->nr_vcpus; i++ )
    {
        struct vcpu *v = d->vcpus[i];
        bool started;

        /* Nobody may ask for the time of a thread that is joined. */
        pthread_mutex_lock(&d->sched_lock);
        started = v->thread_started;
        v->thread_started = false;
        pthread_mutex_unlock(&d->sched_lock);
        if ( started )
            pthread_join(v->thread, NULL);
    }
}

/* ---- waking, pausing ---------------------------------------------------- */

void vcpu_kick(struct vcpu *v)
{
    atomic_store(&v->kicked, true);
    pthread_mutex_lock(&v->d->sched_lock);
    if ( v->waiting )
        pthread_cond_signal(&v->wake);
    pthread_mutex_unlock(&v->d->sched_lock);
}

void domain_kick(struct domain *d, unsigned int vcpu)
{
    struct vcpu *v = NULL;

    pthread_mutex_lock(&d->sched_lock);
    if ( vcpu < d->nr_vcpus )
        v = d->vcpus[vcpu];
    pthread_mutex_unlock(&d->sched_lock);
    if ( v )
        vcpu_kick(v);
}

int vcpu_up(struct domain *d, unsigned int id, const struct guest_regs *regs)
{
    struct vcpu *v;
    int rc = -ENOENT;

    pthread_mutex_lock(&d->sched_lock);
    if ( id >= d->nr_vcpus )
        goto out;
    v = d->vcpus[id];
    rc = -EEXIST;
    if ( v->online )
        goto out;
    v->regs = *regs;
    v->initialised = v->online = true;
    v->waiting = false;
    pthread_cond_signal(&v->wake);
    rc = 0;

 out:
    pthread_mutex_unlock(&d->sched_lock);
    return rc;
}

void domain_pause(struct domain *d)
{
    pthread_mutex_lock(&d->sched_lock);
    d->pause_count++;
    ask_to_stop(d);
    while ( any_stepping(d) )
        pthread_cond_wait(&d->stopped, &d->sched_lock);
    pthread_mutex_unlock(&d->sched_lock);
}

void domain_unpause(struct domain *d)
{
    pthread_mutex_lock(&d->sched_lock);
    if ( !--d->pause_count )
        wake_all(d);
    pthread_mutex_unlock(&d->sched_lock);
}

int domain_ctl_pause(struct domain *d)
{
    pthread_mutex_lock(&d->sched_lock);
    d->ctl_pauses++;
    pthread_mutex_unlock(&d->sched_lock);
    domain_pause(d);
    return 0;
}

int domain_ctl_unpause(struct domain *d)
{
    bool ok;

    pthread_mutex_lock(&d->sched_lock);
    ok = d->ctl_pauses > 0;
    if ( ok )
        d->ctl_pauses--;
    pthread_mutex_unlock(&d->sched_lock);
    if ( !ok )
        return -EINVAL;
    domain_unpause(d);
    return 0;
}

bool domain_is_stopped(struct domain *d)
{
    bool stopped;

    pthread_mutex_lock(&d->sched_lock);
    stopped = (d->pause_count || d->shutting_down) && !any_stepping(d);
    pthread_mutex_unlock(&d->sched_lock);
    return stopped;
}
