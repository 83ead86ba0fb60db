/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Events: in order, with the figures of their moment, and never while the
 * guest stands still.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "migrate/events.h"

static struct stats stats;
static struct events ev;
static char heard[4096];
static unsigned int nr_heard;

static void listen(void *data, const struct xmig_event *e)
{
    size_t len = strlen(heard);

    (void)data;
    nr_heard++;
    snprintf(heard + len, sizeof(heard) - len, "%d:%s:%u ", e->kind, e->text,
             e->stats->rounds);
}

static void set_rounds(unsigned int n)
{
    stats_edit(&stats)->rounds = n;
    stats_edited(&stats);
}

static int begin(void **state)
{
    (void)state;
    heard[0] = '\0';
    nr_heard = 0;
    stats_init(&stats);
    stats_begin(&stats, NULL, NULL);

    return events_init(&ev, listen, NULL, &stats);
}

static int finish(void **state)
{
    (void)state;
    events_done(&ev);
    stats_done(&stats);

    return 0;
}

static void they_come_in_order_with_their_figures(void **state)
{
    (void)state;
    set_rounds(1);
    events_note(&ev, XMIG_EVENT_ROUND, 0, "a");
    set_rounds(2);
    events_note(&ev, XMIG_EVENT_ROUND, 0, "b");
    set_rounds(3);
    assert_string_equal(heard, "");
    events_tell(&ev);
    assert_string_equal(heard, "2:a:1 2:b:2 ");
    events_tell(&ev);
    assert_int_equal(nr_heard, 2);
}

static void in_the_downtime_nothing_is_told(void **state)
{
    (void)state;
    events_hold(&ev, true);
    events_note(&ev, XMIG_EVENT_STATE, 0, "switchover");
    events_tell(&ev);
    assert_int_equal(nr_heard, 0);
    events_hold(&ev, false);
    events_tell(&ev);
    assert_int_equal(nr_heard, 1);
}

static void a_full_queue_forgets_the_newest(void **state)
{
    unsigned int i;

    (void)state;
    events_note(&ev, XMIG_EVENT_STATE, 0, "first");
    for ( i = 0; i < 2 * EVENTS_ROOM; i++ )
        events_note(&ev, XMIG_EVENT_SAMPLE, 0, "");
    events_tell(&ev);
    assert_int_equal(nr_heard, EVENTS_ROOM);
    assert_int_equal(strncmp(heard, "0:first:", 8), 0);
}

static void the_end_is_never_forgotten(void **state)
{
    unsigned int i;

    (void)state;
    for ( i = 0; i < 2 * EVENTS_ROOM; i++ )
        events_note(&ev, XMIG_EVENT_OPTION, 0, "x=1");
    events_note(&ev, XMIG_EVENT_END, -5, "end");
    events_tell(&ev);
    assert_non_null(strstr(heard, "6:end:"));
}

static void nobody_listening_costs_nothing(void **state)
{
    struct events deaf;

    (void)state;
    assert_int_equal(events_init(&deaf, NULL, NULL, &stats), 0);
    assert_null(deaf.queue);
    events_note(&deaf, XMIG_EVENT_STATE, 0, "x");
    events_tell(&deaf);
    events_done(&deaf);
}

#define T(x) cmocka_unit_test_setup_teardown(x, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(they_come_in_order_with_their_figures),
        T(in_the_downtime_nothing_is_told),
        T(a_full_queue_forgets_the_newest),
        T(the_end_is_never_forgotten),
        T(nobody_listening_costs_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
