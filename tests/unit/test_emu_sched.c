/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * vCPU threads of the emulated host, with a guest of a few lines: pausing,
 * waiting, kicking, shutting down, crashing.
 *
 * LINK: tools/emu/host/sched.c tools/emu/host/sched_fault.c
 * LINK: tools/emu/host/p2m.c tools/emu/host/machine.c
 * LINK: tools/emu/host/dirty.c tools/emu/host/uffd.c tools/emu/host/log.c
 * LINK: tools/emu/host/share.c
 * LINK: tests/unit/emu_fake.c tests/unit/emu_fake_paging.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <xenctrl.h>
#include <xen/sched.h>

#include "dirty.h"
#include "emu_fake.h"
#include "evtchn.h"
#include "guest_hv.h"

#define LIMIT_US 10000000ull

/* What the guest does, in its rdi; it counts its steps in rax. */
enum order { RUN, WAIT, WAIT_SHORT, SHUTDOWN, TOUCH_HOLE, TOUCH_NOTHING };

static atomic_uint virqs, suspends;

/* ---- what sched.c needs of others --------------------------------------- */

const struct guest_hv guest_hv;

void evtchn_raise_virq(unsigned int virq)
{
    assert_int_equal(virq, VIRQ_DOM_EXC);
    atomic_fetch_add(&virqs, 1);
}

int evtchn_send(uint32_t domid, uint32_t port)
{
    (void)domid;
    assert_int_equal(port, 7);
    atomic_fetch_add(&suspends, 1);
    return 0;
}

int fault_check(struct host *h, struct conn *c, const char *what,
                const char *sub)
{
    (void)h, (void)c, (void)what, (void)sub;
    return 0;
}

void domain_console(struct domain *d, const char *fmt, ...)
{
    (void)d, (void)fmt;
}

enum guest_next guest_step(struct guest_env *env, uint64_t *deadline_us)
{
    struct guest_regs *r = env->regs;
    struct vcpu *v = env->host;

    __atomic_fetch_add(&r->gpr[GPR_RAX], 1, __ATOMIC_RELAXED);
    switch ( __atomic_load_n(&r->gpr[GPR_RDI], __ATOMIC_RELAXED) )
    {
    case WAIT:
        return GUEST_WAIT;

    case WAIT_SHORT:
        *deadline_us = now_us() + 1000;
        return GUEST_WAIT;

    case SHUTDOWN:
        v->shutdown_reason = (int)r->gpr[GPR_RSI];
        return GUEST_AGAIN;

    case TOUCH_HOLE:
        ((volatile uint8_t *)env->mem)[0x7777ull * PAGE_SIZE] = 1;
        return GUEST_AGAIN;

    case TOUCH_NOTHING:
        *(volatile uint8_t *)(uintptr_t)r->gpr[GPR_RSI] = 1;
        return GUEST_AGAIN;
    }
    return GUEST_AGAIN;
}

/* ---- fixture ------------------------------------------------------------ */

static int setup(void **state)
{
    struct domain *d = fake_domain(2, DIRTY_ASYNC);

    atomic_store(&virqs, 0);
    atomic_store(&suspends, 0);
    *state = d;
    return vcpu_create(d, 0) || vcpu_create(d, 1);
}

static int teardown(void **state)
{
    struct domain *d = *state;
    unsigned int i;

    vcpus_end(d);
    for ( i = 0; i < d->nr_vcpus; i++ )
    {
        pthread_cond_destroy(&d->vcpus[i]->wake);
        free(d->vcpus[i]);
    }
    fake_domain_free(d);
    return 0;
}

static void start(struct domain *d, unsigned int id, enum order what,
                  uint64_t arg)
{
    struct guest_regs regs = { .rip = GUEST_ENTRY };

    regs.gpr[GPR_RDI] = what;
    regs.gpr[GPR_RSI] = arg;
    assert_int_equal(vcpu_up(d, id, &regs), 0);
}

static uint64_t steps(struct domain *d, unsigned int id)
{
    return __atomic_load_n(&d->vcpus[id]->regs.gpr[GPR_RAX],
                           __ATOMIC_RELAXED);
}

/* Wait until cond, at most LIMIT_US. */
#define UNTIL(cond) do {                                        \
        uint64_t end_ = now_us() + LIMIT_US;                    \
        struct timespec ts_ = { .tv_nsec = 100000 };            \
        while ( !(cond) && now_us() < end_ )                    \
            nanosleep(&ts_, NULL);                              \
        assert_true(cond);                                      \
    } while ( 0 )

static bool is_waiting(struct domain *d, unsigned int id)
{
    bool w;

    pthread_mutex_lock(&d->sched_lock);
    w = d->vcpus[id]->waiting;
    pthread_mutex_unlock(&d->sched_lock);
    return w;
}

static bool is_shut_down(struct domain *d, unsigned int *ret_code)
{
    bool s;

    pthread_mutex_lock(&d->sched_lock);
    s = d->shut_down;
    *ret_code = d->shutdown_code;
    pthread_mutex_unlock(&d->sched_lock);
    return s;
}

/* ---- tests -------------------------------------------------------------- */

static void a_paused_vcpu_makes_no_step(void **state)
{
    struct domain *d = *state;
    uint64_t at;
    int i;

    start(d, 0, RUN, 0);
    start(d, 1, RUN, 0);
    for ( i = 0; i < 50; i++ )
    {
        UNTIL(steps(d, 0) > 0 && steps(d, 1) > 0);
        domain_pause(d);
        assert_true(domain_is_stopped(d));
        at = steps(d, 0) + steps(d, 1);
        sched_yield();
        assert_int_equal(steps(d, 0) + steps(d, 1), at);
        domain_unpause(d);
        UNTIL(steps(d, 0) + steps(d, 1) > at);
    }
}

static void pauses_are_counted(void **state)
{
    struct domain *d = *state;
    uint64_t at;

    start(d, 0, RUN, 0);
    domain_pause(d);
    domain_pause(d);
    domain_unpause(d);
    at = steps(d, 0);
    sched_yield();
    assert_int_equal(steps(d, 0), at);
    assert_int_equal(domain_ctl_unpause(d), -EINVAL);
    domain_unpause(d);
    UNTIL(steps(d, 0) > at);
}

static void a_waiting_vcpu_wakes_by_a_kick(void **state)
{
    struct domain *d = *state;
    uint64_t i;

    start(d, 0, WAIT, 0);
    for ( i = 1; i < 100; i++ )
    {
        UNTIL(is_waiting(d, 0));
        assert_int_equal(steps(d, 0), i);
        domain_kick(d, 0);
        UNTIL(steps(d, 0) == i + 1);
    }
    domain_kick(d, 99);
}

static void a_waiting_vcpu_wakes_in_time(void **state)
{
    struct domain *d = *state;

    start(d, 0, WAIT_SHORT, 0);
    UNTIL(steps(d, 0) >= 5);
}

static void a_shutdown_is_complete_when_all_vcpus_stand(void **state)
{
    struct domain *d = *state;
    unsigned int code;
    uint64_t at;

    start(d, 1, RUN, 0);
    UNTIL(steps(d, 1) > 0);
    start(d, 0, SHUTDOWN, SHUTDOWN_poweroff);
    UNTIL(is_shut_down(d, &code));
    assert_int_equal(code, SHUTDOWN_poweroff);
    at = steps(d, 1);
    sched_yield();
    assert_int_equal(steps(d, 1), at);
    UNTIL(atomic_load(&virqs) == 1);
    assert_int_equal(steps(d, 0), 1);
}

static void a_remote_shutdown_is_complete_on_return(void **state)
{
    struct domain *d = *state;
    unsigned int code;

    start(d, 0, RUN, 0);
    start(d, 1, WAIT, 0);
    domain_shutdown(d, SHUTDOWN_suspend, true);
    assert_true(is_shut_down(d, &code));
    assert_int_equal(code, SHUTDOWN_suspend);
    assert_int_equal(atomic_load(&virqs), 1);
    domain_shutdown(d, SHUTDOWN_crash, true);
    assert_true(is_shut_down(d, &code));
    assert_int_equal(code, SHUTDOWN_suspend);
    assert_int_equal(atomic_load(&virqs), 1);
}

static void a_suspend_goes_to_the_subscriber(void **state)
{
    struct domain *d = *state;

    d->suspend_port = 7;
    start(d, 0, SHUTDOWN, SHUTDOWN_suspend);
    UNTIL(atomic_load(&suspends) == 1);
    assert_int_equal(atomic_load(&virqs), 0);
}

static void a_resumed_domain_steps_again(void **state)
{
    struct domain *d = *state;
    unsigned int code;
    uint64_t at;

    start(d, 0, RUN, 0);
    start(d, 1, WAIT, 0);
    UNTIL(is_waiting(d, 1));
    domain_shutdown(d, SHUTDOWN_suspend, true);
    at = steps(d, 0);
    assert_int_equal(domain_resume(d), 0);
    assert_false(is_shut_down(d, &code));
    UNTIL(steps(d, 0) > at && steps(d, 1) == 2);
}

static void a_hole_crashes_the_guest_only(void **state)
{
    struct domain *d = *state;
    unsigned int code;

    /* cmocka has put handlers of its own in between. */
    assert_int_equal(sched_init(), 0);
    start(d, 1, RUN, 0);
    start(d, 0, TOUCH_HOLE, 0);
    UNTIL(is_shut_down(d, &code));
    assert_int_equal(code, SHUTDOWN_crash);
}

static void a_guest_may_crash_again(void **state)
{
    struct domain *d = *state;
    unsigned int code, i;

    assert_int_equal(sched_init(), 0);
    start(d, 0, TOUCH_HOLE, 0);
    for ( i = 1; i <= 3; i++ )
    {
        if ( i > 1 )
            assert_int_equal(domain_resume(d), 0);
        UNTIL(is_shut_down(d, &code));
        assert_int_equal(steps(d, 0), i);
    }
}

static void a_wild_pointer_crashes_the_guest_only(void **state)
{
    struct domain *d = *state;
    unsigned int code;

    assert_int_equal(sched_init(), 0);
    start(d, 0, TOUCH_NOTHING, PAGE_SIZE);
    UNTIL(is_shut_down(d, &code));
    assert_int_equal(code, SHUTDOWN_crash);
}

static void a_vcpu_comes_up_once(void **state)
{
    struct domain *d = *state;
    struct guest_regs regs = { .rip = GUEST_ENTRY };

    start(d, 0, WAIT, 0);
    assert_int_equal(vcpu_up(d, 0, &regs), -EEXIST);
    assert_int_equal(vcpu_up(d, 2, &regs), -ENOENT);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_paused_vcpu_makes_no_step),
        T(pauses_are_counted),
        T(a_waiting_vcpu_wakes_by_a_kick),
        T(a_waiting_vcpu_wakes_in_time),
        T(a_shutdown_is_complete_when_all_vcpus_stand),
        T(a_remote_shutdown_is_complete_on_return),
        T(a_suspend_goes_to_the_subscriber),
        T(a_resumed_domain_steps_again),
        T(a_hole_crashes_the_guest_only),
        T(a_guest_may_crash_again),
        T(a_wild_pointer_crashes_the_guest_only),
        T(a_vcpu_comes_up_once),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
