/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fault plan of the emulated host: grammar and counting.
 *
 * LINK: tools/emu/host/fault.c tools/emu/host/client.c tools/emu/host/log.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "client.h"
#include "fault.h"
#include "host.h"

static int setup(void **state)
{
    static struct host h;

    memset(&h, 0, sizeof(h));
    fault_init(&h.faults);
    pthread_mutex_init(&h.conn_lock, NULL);
    *state = &h;
    return 0;
}

static int teardown(void **state)
{
    clients_end(*state);
    return 0;
}

static int add(struct host *h, const char *text)
{
    return fault_add(&h->faults, text, strlen(text));
}

static int call(struct host *h, const char *what, const char *sub)
{
    return fault_check(h, NULL, what, sub);
}

static void the_nth_call_fails_and_only_that(void **state)
{
    struct host *h = *state;

    assert_int_equal(add(h, "domctl:sethvmcontext nth=3 fail=ENOMEM"), 0);
    assert_int_equal(call(h, "domctl", "sethvmcontext"), 0);
    assert_int_equal(call(h, "domctl", "pausedomain"), 0);
    assert_int_equal(call(h, "domctl", "sethvmcontext"), 0);
    assert_int_equal(call(h, "sysctl", "sethvmcontext"), 0);
    assert_int_equal(call(h, "domctl", "sethvmcontext"), -ENOMEM);
    assert_int_equal(call(h, "domctl", "sethvmcontext"), 0);
}

static void without_a_sub_op_all_match(void **state)
{
    struct host *h = *state;

    assert_int_equal(add(h, "domctl nth=2 fail=5"), 0);
    assert_int_equal(call(h, "domctl", "a"), 0);
    assert_int_equal(call(h, "domctl", NULL), -5);
}

static void several_rules_count_on_their_own(void **state)
{
    struct host *h = *state;

    assert_int_equal(add(h, "map nth=1 fail=EAGAIN; map nth=2 fail=EBUSY\n"
                            "map nth=3 delay=0"), 0);
    assert_int_equal(call(h, "map", NULL), -EAGAIN);
    assert_int_equal(call(h, "map", NULL), -EBUSY);
    assert_int_equal(call(h, "map", NULL), 0);
}

static void nonsense_is_refused_as_a_whole(void **state)
{
    static const char *const bad[] = {
        "map", "map nth=1", "map fail=5", "map nth=0 fail=5",
        "map nth=x fail=5", "map nth=1 fail=EWHAT", "map nth=1 fail=0",
        "map nth=1 fail=5 kill", "map nth=1 nth=2 kill", ":sub nth=1 kill",
        "map: nth=1 kill", "map nth=1 delay=600001", "map nth=-1 kill",
        "map nth=1 stop",
        "a-name-that-is-longer-than-any-hypercall-has nth=1 kill",
    };
    struct host *h = *state;
    char text[256];
    size_t i;

    for ( i = 0; i < sizeof(bad) / sizeof(bad[0]); i++ )
    {
        assert_int_equal(add(h, bad[i]), -EINVAL);
        snprintf(text, sizeof(text), "map nth=1 fail=5; %s", bad[i]);
        assert_int_equal(add(h, text), -EINVAL);
    }
    assert_int_equal(call(h, "map", NULL), 0);
    assert_int_equal(fault_add(&h->faults, "map\0nth=1", 9), -EINVAL);
}

static void the_plan_is_bounded(void **state)
{
    struct host *h = *state;
    unsigned int i;

    for ( i = 0; i < FAULT_MAX_RULES; i++ )
        assert_int_equal(add(h, "map nth=1 fail=5"), 0);
    assert_int_equal(add(h, "map nth=1 fail=5"), -ENOSPC);
    fault_clear(&h->faults);
    assert_int_equal(call(h, "map", NULL), 0);
    assert_int_equal(add(h, "map nth=1 fail=5"), 0);
}

static void the_list_tells_what_was_counted(void **state)
{
    struct host *h = *state;
    char text[256];

    assert_int_equal(add(h, "domctl:shadow_op nth=2 fail=EIO"), 0);
    call(h, "domctl", "shadow_op");
    fault_print(&h->faults, "all", text, sizeof(text));
    assert_string_equal(text, "0 all domctl:shadow_op nth=2 fail=5 calls=1 "
                              "done=0\n");
    call(h, "domctl", "shadow_op");
    fault_print(&h->faults, "all", text, sizeof(text));
    assert_non_null(strstr(text, "calls=2 done=1"));
    assert_true(fault_print(&h->faults, "all", text, 8) > 8);
    assert_int_equal(strlen(text), 7);
}

static void a_clients_connections_count_together(void **state)
{
    static const char rule[] = "map nth=2 fail=EIO";
    struct host *h = *state;
    struct conn a = { .host = h }, b = { .host = h }, other = { .host = h };

    assert_int_equal(client_get(h, 10, rule, strlen(rule), &a.client), 0);
    assert_int_equal(client_get(h, 10, rule, strlen(rule), &b.client), 0);
    assert_int_equal(client_get(h, 11, rule, strlen(rule), &other.client), 0);
    assert_int_equal(fault_check(h, &a, "map", NULL), 0);
    assert_int_equal(fault_check(h, &other, "map", NULL), 0);
    assert_int_equal(fault_check(h, NULL, "map", NULL), 0);
    assert_int_equal(fault_check(h, &b, "map", NULL), -EIO);
    client_put(h, a.client);
    client_put(h, b.client);
    client_put(h, other.client);
}

static void bad_rules_of_a_client_are_refused(void **state)
{
    struct host *h = *state;
    struct client *cl = NULL;

    assert_int_equal(client_get(h, 10, "map", 3, &cl), -EINVAL);
    assert_null(cl);
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(the_nth_call_fails_and_only_that),
        T(without_a_sub_op_all_match),
        T(several_rules_count_on_their_own),
        T(nonsense_is_refused_as_a_whole),
        T(the_plan_is_bounded),
        T(the_list_tells_what_was_counted),
        T(a_clients_connections_count_together),
        T(bad_rules_of_a_client_are_refused),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
