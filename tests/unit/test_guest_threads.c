/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Every program with a thread for each vCPU, as the host runs it, through
 * suspends, moves and cancels; most useful under TSan.
 *
 * LINK: tools/emu/guest/?*.c tests/unit/guest_f*.c
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <xen/sched.h>

#include "guest_fake.h"
#include "kernel.h"

#define VCPUS 3u

struct vcpu
{
    struct fake *f;
    unsigned int id;
    bool (*until)(struct fake *f);
};

/* vCPU 0's thread is xenstored too, between its steps. */
static void *vcpu_main(void *arg)
{
    struct vcpu *v = arg;
    struct fake *f = v->f;

    while ( f->shutdown < 0 )
    {
        if ( f->up[v->id] &&
             (f->awake[v->id] || f->deadline_us[v->id] <= f->now_ns / 1000) )
            fake_step(f, v->id);
        else
            f->now_ns += 1000;
        if ( v->id )
            continue;
        fake_xs_run(f);
        if ( v->until && v->until(f) )
        {
            v->until = NULL;
            fake_xs_set(&f->xs, "control/shutdown", "suspend");
        }
    }
    return NULL;
}

/* Run until the condition holds, then until the guest has suspended. */
static void run(struct fake *f, bool (*until)(struct fake *f))
{
    struct vcpu vcpu[VCPUS];
    pthread_t thread[VCPUS];
    unsigned int i;

    for ( i = 0; i < VCPUS; i++ )
    {
        vcpu[i] = (struct vcpu){ f, i, until };
        assert_int_equal(pthread_create(&thread[i], NULL, vcpu_main,
                                        &vcpu[i]), 0);
    }
    for ( i = 0; i < VCPUS; i++ )
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    if ( f->shutdown != SHUTDOWN_suspend )
        print_error("%s", f->console);
    assert_int_equal(f->shutdown, SHUTDOWN_suspend);
}

static void move_threads(const char *cmdline)
{
    struct fake *f = fake_create(2048, 512, VCPUS, cmdline);
    unsigned int i;

    run(f, fake_is_running);
    for ( i = 0; i < 8; i++ )
    {
        if ( i % 3 == 2 )
            fake_cancel(f);
        else
            fake_move(f);
        run(f, i % 2 ? fake_is_running : fake_has_verdict);
    }
    assert_null(strstr(f->console, "BAD"));
    fake_destroy(f);
}

static void programs_survive_real_concurrency(void **state)
{
    unsigned int i;
    char cmdline[128];

    (void)state;
    for ( i = 0; i < guest_nr_programs; i++ )
    {
        snprintf(cmdline, sizeof(cmdline),
                 "program=%s fill=1M publish=5ms verify=20ms%s",
                 guest_programs[i]->name,
                 !strcmp(guest_programs[i]->name, "dirty") ? " size=3M" : "");
        move_threads(cmdline);
    }
}

static void dirtier_with_balloon_survives(void **state)
{
    (void)state;
    move_threads("program=dirty size=2M order=random balloon=512K "
                 "balloon-period=2ms");
}

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        cmocka_unit_test(programs_survive_real_concurrency),
        cmocka_unit_test(dirtier_with_balloon_survives),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
