/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's side of control/shutdown and of suspend by event channel.
 *
 * LINK: tools/emu/guest/?*.c tests/unit/guest_f*.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <xen/io/xs_wire.h>
#include <xen/sched.h>

#include "guest_fake.h"
#include "kernel.h"

static struct fake *f;

static struct stamps *stamps(void)
{
    return fake_page(f, KERNEL_STAMPS_GFN);
}

static struct kernel *kernel(void)
{
    return fake_page(f, KERNEL_GFN);
}

static const char *get(const char *path)
{
    const char *value = fake_xs_get(&f->xs, path);

    return value ? value : "(none)";
}

static int boot(void **state)
{
    (void)state;
    f = fake_create(2048, 64, 4, "program=dirty size=1M rate=4M fill=256K");
    assert_true(fake_run(f, 2000000, fake_is_running));
    fake_run_us(f, 20000);
    return 0;
}

static int boot_by_store(void **state)
{
    (void)state;
    f = fake_create(2048, 64, 4, "program=dirty size=1M rate=4M fill=256K "
                    "suspend=xenstore");
    assert_true(fake_run(f, 2000000, fake_is_running));

    return 0;
}

static int end(void **state)
{
    (void)state;
    fake_destroy(f);
    return 0;
}

static void no_port_is_offered_where_none_is_wanted(void **state)
{
    (void)state;
    assert_string_equal(get("control/feature-suspend"), "1");
    assert_string_equal(get("device/suspend/event-channel"), "(none)");
    assert_int_equal(kernel()->suspend_port, 0);
    assert_true(fake_suspend(f));
    fake_cancel(f);
    fake_run_us(f, 100000);
    assert_int_equal(stamps()->cancels, 1);
    assert_true(fake_suspend(f));
}

static void features_are_offered(void **state)
{
    (void)state;
    assert_string_equal(get("control/feature-suspend"), "1");
    assert_string_equal(get("control/feature-poweroff"), "1");
    assert_string_equal(get("control/feature-reboot"), "1");
}

static void suspend_is_acknowledged_first(void **state)
{
    (void)state;
    assert_true(fake_suspend(f));
    assert_int_equal(f->shutdown, SHUTDOWN_suspend);
    assert_string_equal(get("control/shutdown"), "");
    assert_int_equal(f->xs.tx_id, 0);
    assert_int_equal(f->regs[0].gpr[GPR_RAX], 0);
}

static void other_vcpus_are_parked(void **state)
{
    unsigned int v;

    (void)state;
    assert_true(fake_suspend(f));
    assert_int_equal(f->regs[0].rip, RIP_RESUME);
    for ( v = 1; v < 4; v++ )
        assert_int_equal(f->regs[v].rip, RIP_PARKED);
    fake_move(f);
    fake_run_us(f, 100000);
    for ( v = 0; v < 4; v++ )
        assert_int_equal(f->regs[v].rip, RIP_RUN);
    assert_int_equal(kernel()->nr_parked, 0);
}

static void stamps_tell_the_downtime(void **state)
{
    uint64_t last;

    (void)state;
    assert_int_equal(stamps()->magic, STAMPS_MAGIC);
    assert_int_equal(stamps()->resumes, 0);
    assert_true(fake_suspend(f));
    last = stamps()->last_step_ns;
    assert_true(last <= f->now_ns && last + 100000 > f->now_ns);
    f->now_ns = last;
    fake_move(f);                               /* takes 3 ms */
    fake_run_us(f, 100000);
    assert_int_equal(stamps()->resumes, 1);
    assert_int_equal(stamps()->cancels, 0);
    assert_int_equal(stamps()->downtime_ns, 3000000);
    assert_int_equal(stamps()->first_step_ns, last + 3000000);
    assert_string_equal(get("data/downtime_us"), "3000");
    assert_string_equal(get("data/resumes"), "1");
}

static void cancel_is_told_from_a_new_host(void **state)
{
    unsigned int nr_watches = f->xs.nr_watch_requests;
    uint32_t port = kernel()->suspend_port;

    (void)state;
    assert_true(fake_suspend(f));
    fake_cancel(f);
    fake_run_us(f, 100000);
    assert_int_equal(stamps()->resumes, 0);
    assert_int_equal(stamps()->cancels, 1);
    assert_int_equal(f->xs.nr_watch_requests, nr_watches);
    assert_int_equal(kernel()->suspend_port, port);
    assert_string_equal(get("data/cancels"), "1");
    assert_true(fake_suspend(f));
    assert_int_equal(f->shutdown, SHUTDOWN_suspend);
}

/* The toolstack withdraws its request just before the guest reads it. */
static void withdraw(struct fake_xs *xs, uint32_t type, void *arg)
{
    unsigned int *nr = arg;

    if ( type == XS_TRANSACTION_START && !(*nr)++ )
        fake_xs_set(xs, "control/shutdown", "");
}

static void withdrawn_request_is_not_obeyed(void **state)
{
    unsigned int nr = 0;

    (void)state;
    f->xs.hook = withdraw;
    f->xs.hook_arg = &nr;
    assert_false(fake_suspend(f));
    assert_int_not_equal(nr, 0);
    assert_int_equal(f->xs.tx_id, 0);
    f->xs.hook = NULL;
    assert_true(fake_suspend(f));
}

/* ... or between the guest's read and its commit. */
static void withdraw_late(struct fake_xs *xs, uint32_t type, void *arg)
{
    unsigned int *nr = arg;

    if ( type == XS_TRANSACTION_END && !(*nr)++ )
        fake_xs_set(xs, "control/shutdown", "");
}

static void request_withdrawn_in_the_transaction_is_not_obeyed(void **state)
{
    unsigned int nr = 0;

    (void)state;
    f->xs.hook = withdraw_late;
    f->xs.hook_arg = &nr;
    assert_false(fake_suspend(f));
    assert_true(nr >= 2);                       /* it tried again */
    assert_int_equal(f->xs.tx_id, 0);
}

/* Something unrelated makes the commit fail: the request stands. */
static void disturb(struct fake_xs *xs, uint32_t type, void *arg)
{
    unsigned int *nr = arg;

    if ( type == XS_TRANSACTION_END && (*nr)++ < 3 )
        fake_xs_set(xs, "elsewhere", "x");
}

static void lost_commit_is_tried_again(void **state)
{
    unsigned int nr = 0;

    (void)state;
    f->xs.hook = disturb;
    f->xs.hook_arg = &nr;
    assert_true(fake_suspend(f));
    assert_int_equal(nr, 4);
    assert_string_equal(get("control/shutdown"), "");
}

static void unknown_request_is_left_alone(void **state)
{
    (void)state;
    fake_xs_set(&f->xs, "control/shutdown", "levitate");
    fake_run_us(f, 100000);
    assert_int_equal(f->shutdown, -1);
    assert_string_equal(get("control/shutdown"), "levitate");
    assert_true(fake_suspend(f));
}

static void other_requests_are_obeyed(void **state)
{
    static const struct { const char *word; int reason; } requests[] =
    {
        { "poweroff", SHUTDOWN_poweroff }, { "halt", SHUTDOWN_poweroff },
        { "reboot", SHUTDOWN_reboot }, { "crash", SHUTDOWN_crash },
    };
    unsigned int i;

    for ( i = 0; i < sizeof(requests) / sizeof(requests[0]); i++ )
    {
        fake_xs_set(&f->xs, "control/shutdown", requests[i].word);
        assert_true(fake_run(f, 1000000, fake_is_down));
        assert_int_equal(f->shutdown, requests[i].reason);
        assert_string_equal(get("control/shutdown"), "");
        end(state);
        boot(state);
    }
}

static void event_channel_suspends(void **state)
{
    uint32_t port = atoi(get("device/suspend/event-channel"));
    unsigned int round;

    (void)state;
    for ( round = 0; round < 3; round++ )
    {
        port = atoi(get("device/suspend/event-channel"));
        assert_int_not_equal(port, 0);
        assert_int_equal(port, kernel()->suspend_port);
        fake_notify(f, port);
        assert_true(fake_run(f, 100000, fake_is_down));
        assert_int_equal(f->shutdown, SHUTDOWN_suspend);
        if ( round == 0 )
            fake_cancel(f);
        else
            fake_move(f);
        fake_run_us(f, 100000);
    }
    assert_int_equal(stamps()->resumes, 2);
}

static void dead_xenstored_does_not_hold_up_the_event_channel(void **state)
{
    (void)state;
    f->xs.stopped = true;
    fake_run_us(f, 3000000);                    /* requests pile up */
    fake_notify(f, kernel()->suspend_port);
    assert_true(fake_run(f, 200000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_suspend);
    fake_move(f);
    fake_run_us(f, 200000);
    assert_string_equal(get("data/resumes"), "1");
    assert_int_equal(strncmp(get("data/verdict"), "ok ", 3), 0);
}

/* Guest time must not go back although the new host's clock does. */
static void clock_behind_is_borne(void **state)
{
    uint64_t before;

    (void)state;
    assert_true(fake_suspend(f));
    before = kernel()->last_now_us;
    fake_move(f);
    f->now_ns = 5000000;
    fake_run_us(f, 100000);
    assert_true(f->now_ns / 1000 + kernel()->clock_offset_us >= before);
    assert_true(fake_run(f, 2000000, fake_has_verdict));
    assert_true(fake_suspend(f));
    assert_int_equal(stamps()->downtime_ns, 0);
    fake_move(f);
    assert_true(fake_run(f, 2000000, fake_has_verdict));
}

static void changed_register_is_found(void **state)
{
    unsigned int vcpu, i;

    for ( vcpu = 0; vcpu < 4; vcpu += 3 )
        for ( i = 0; i < 16; i++ )
        {
            assert_true(fake_suspend(f));
            fake_move(f);
            f->regs[vcpu].gpr[i] ^= i == GPR_RAX ? 0 : 1ull << i * 3;
            fake_run_us(f, 400000);
            if ( i == GPR_RAX )
                assert_int_equal(f->shutdown, -1);
            else
            {
                assert_int_equal(f->shutdown, SHUTDOWN_crash);
                assert_non_null(strstr(f->console, "the registers of"));
            }
            end(state);
            boot(state);
        }
}

/* Contexts given to each other's vCPUs. */
static void swapped_vcpus_are_found(void **state)
{
    struct guest_regs regs;

    (void)state;
    assert_true(fake_suspend(f));
    fake_move(f);
    regs = f->regs[1];
    f->regs[1] = f->regs[2];
    f->regs[2] = regs;
    assert_true(fake_run(f, 1000000, fake_is_down));
    assert_int_equal(f->shutdown, SHUTDOWN_crash);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot, end)

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        TEST(features_are_offered),
        TEST(suspend_is_acknowledged_first),
        TEST(other_vcpus_are_parked),
        TEST(stamps_tell_the_downtime),
        TEST(cancel_is_told_from_a_new_host),
        TEST(withdrawn_request_is_not_obeyed),
        TEST(request_withdrawn_in_the_transaction_is_not_obeyed),
        TEST(lost_commit_is_tried_again),
        TEST(unknown_request_is_left_alone),
        TEST(other_requests_are_obeyed),
        TEST(event_channel_suspends),
        TEST(dead_xenstored_does_not_hold_up_the_event_channel),
        TEST(changed_register_is_found),
        TEST(swapped_vcpus_are_found),
        cmocka_unit_test_setup_teardown(
            no_port_is_offered_where_none_is_wanted, boot_by_store, end),
        TEST(clock_behind_is_borne),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
