/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Whether coding pays, on links and processors that are made up: a model
 * takes pages at the rate of the link or of the threads, whichever is less,
 * and tells the decider what lanes would have measured.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pace.h"

#define MB      1e6
#define SLICE   (4ull << 20)

struct world
{
    double link_bps;             /* of the wire */
    double thread_bps[5];        /* at each level */
    double ratio[5];
    unsigned int lanes, threads;
    struct pace p;
    uint64_t now_us;
    uint64_t sent, coded;        /* bytes of pages */
};

static struct world usual = {
    .thread_bps = { 600 * MB, 450 * MB, 360 * MB, 180 * MB, 120 * MB },
    .ratio = { 0.57, 0.46, 0.415, 0.389, 0.383 },
    .lanes = 1,
    .threads = 2,
};

static void open_world(struct world *w, double link_bps)
{
    struct pace_config cfg = {
        .lanes = w->lanes, .threads = w->threads,
        .levels = { -5, -1, 1, 3, 5 }, .nr_levels = 5, .first = 2,
    };

    w->link_bps = link_bps;
    w->now_us = 1000000;
    pace_init(&w->p, &cfg);
}

static void sample(struct world *w)
{
    unsigned int l = w->p.step;

    pace_sample(&w->p, 1 << 16, (uint64_t)((1 << 16) * w->ratio[l]),
                (uint64_t)((1 << 16) * 1e6 / w->thread_bps[l]));
}

static void coded_slice(struct world *w)
{
    unsigned int l = w->p.step;
    double wire = (double)SLICE * w->ratio[l];
    double link_s = wire / w->link_bps;
    double code_s = (double)SLICE / w->thread_bps[l];
    double s = code_s / w->threads > link_s ? code_s / w->threads : link_s;
    struct pace_work work = {
        .page_bytes = SLICE,
        .wire_bytes = (uint64_t)wire,
        /* each lane does its part in that time */
        .busy_us = (uint64_t)(s * 1e6 * w->lanes),
        .link_us = (uint64_t)(link_s * 1e6 * w->lanes),
        .code_us = (uint64_t)(code_s * 1e6),
    };

    w->now_us += (uint64_t)(s * 1e6);
    w->coded += SLICE;
    if ( pace_trial_level(&w->p) != PACE_NO_LEVEL )
        pace_trial(&w->p, w->now_us, (uint64_t)(1e6 * w->ratio[l]),
                   (uint64_t)(1e12 / w->thread_bps[l]),
                   (uint64_t)(1e6 * w->ratio[l + 1]),
                   (uint64_t)(1e12 / w->thread_bps[l + 1]));
    pace_coded(&w->p, w->now_us, &work);
}

static void plain_slice(struct world *w)
{
    double s = (double)SLICE / w->link_bps;

    if ( pace_wants_sample(&w->p) )
        sample(w);
    w->now_us += (uint64_t)(s * 1e6);
    pace_plain(&w->p, w->now_us, SLICE, (uint64_t)(s * 1e6 * w->lanes));
}

/* Returns the seconds it took. */
static double send(struct world *w, uint64_t bytes)
{
    uint64_t begin_us = w->now_us;

    for ( w->sent = w->coded = 0; w->sent < bytes; w->sent += SLICE )
        if ( w->p.on )
            coded_slice(w);
        else
            plain_slice(w);

    return (double)(w->now_us - begin_us) / 1e6;
}

#define GIB (1ull << 30)

static void a_slow_link_gets_coded_pages(void **state)
{
    static const double links[] = { 12 * MB, 110 * MB, 300 * MB };
    struct world w;
    unsigned int i;
    double s;

    (void)state;
    for ( i = 0; i < 3; i++ )
    {
        w = usual;
        open_world(&w, links[i]);
        s = send(&w, GIB);
        assert_true(s < 0.6 * (double)GIB / links[i]);
        assert_true(w.coded > w.sent * 9 / 10);
    }
}

/* Deltas: there is nothing to compress aside.  They gain nothing for a while,
 * are left, and are tried again. */
static void what_cannot_be_sampled_is_tried_again(void **state)
{
    const struct pace_config cfg = { .lanes = 1, .threads = 1,
                                     .guess_bps = 2000 * MB,
                                     .guess_ratio = 0.5 };
    struct world w = usual;

    (void)state;
    w.threads = 1;
    w.thread_bps[0] = 2000 * MB;
    w.ratio[0] = 1;
    open_world(&w, 100 * MB);
    pace_init(&w.p, &cfg);
    send(&w, GIB / 4);
    assert_true(w.coded > 0 && w.coded < w.sent / 2);
    assert_false(w.p.on);
    w.ratio[0] = 0.05;
    send(&w, GIB);
    assert_true(w.p.on);
    assert_true(w.coded > w.sent / 2);
}

static void a_fast_link_is_left_alone(void **state)
{
    struct world w = usual;
    double s;

    (void)state;
    open_world(&w, 2500 * MB);
    s = send(&w, 4 * GIB);
    assert_int_equal(w.coded, 0);
    assert_true(s < 1.01 * (double)(4 * GIB) / (2500 * MB));
}

static void pages_that_do_not_compress_are_left_alone(void **state)
{
    struct world w = usual;
    unsigned int i;

    (void)state;
    for ( i = 0; i < 5; i++ )
        w.ratio[i] = 1;
    open_world(&w, 100 * MB);
    send(&w, GIB);
    assert_int_equal(w.coded, 0);
}

static void it_never_costs_more_than_a_few_percent(void **state)
{
    struct world w;
    double link, s;

    (void)state;
    for ( link = 5 * MB; link < 5000 * MB; link *= 1.17 )
    {
        w = usual;
        open_world(&w, link);
        s = send(&w, 2 * GIB);
        assert_true(s < 1.03 * (double)(2 * GIB) / link);
    }
}

static void threads_that_promise_too_much_are_not_believed(void **state)
{
    struct world w = usual;
    double s;
    unsigned int i;

    (void)state;
    open_world(&w, 400 * MB);
    /* Samples are quick; in earnest the processor has other things to do. */
    for ( i = 0; i < 10; i++ )
        sample(&w);
    for ( i = 0; i < 5; i++ )
        w.thread_bps[i] /= 8;
    s = send(&w, 8 * GIB);
    assert_true(s < 1.1 * (double)(8 * GIB) / (400 * MB));
}

static void it_ends_when_the_data_stops_to_compress(void **state)
{
    struct world w = usual;
    unsigned int i;

    (void)state;
    open_world(&w, 100 * MB);
    send(&w, GIB / 2);
    assert_true(w.p.on);
    for ( i = 0; i < 5; i++ )
        w.ratio[i] = 1;
    send(&w, GIB);
    assert_false(w.p.on);
    assert_true(w.coded < GIB / 8);
    for ( i = 0; i < 5; i++ )
        w.ratio[i] = usual.ratio[i];
    send(&w, GIB);
    assert_true(w.p.on);
}

static void a_link_that_becomes_fast_is_noticed(void **state)
{
    struct world w = usual;

    (void)state;
    open_world(&w, 100 * MB);
    send(&w, GIB);
    assert_true(w.p.on);
    w.link_bps = 3000 * MB;
    send(&w, 8 * GIB);
    assert_true(w.coded < w.sent / 2);
}

static void the_level_follows_the_time_there_is(void **state)
{
    struct world w = usual;

    (void)state;
    open_world(&w, 20 * MB);
    send(&w, GIB);
    assert_int_equal(pace_level(&w.p), 3);       /* 5 is not worth it */
    w = usual;
    open_world(&w, 480 * MB);
    send(&w, 4 * GIB);
    assert_true(pace_level(&w.p) < 1);
}

static void lanes_are_added_up(void **state)
{
    struct world w = usual;

    (void)state;
    w.lanes = 4;
    open_world(&w, 100 * MB);
    send(&w, GIB);
    assert_true(w.coded > w.sent * 3 / 4);
    w.lanes = 4;
    open_world(&w, 2500 * MB);
    send(&w, 4 * GIB);
    assert_int_equal(w.coded, 0);
}

static void always_is_always(void **state)
{
    struct pace_config cfg = { .lanes = 1, .threads = 1, .levels = { 9 },
                               .nr_levels = 1, .always = true };
    struct world w = usual;
    unsigned int i;

    (void)state;
    for ( i = 0; i < 5; i++ )
        w.ratio[i] = 1;
    open_world(&w, 2500 * MB);
    pace_init(&w.p, &cfg);
    assert_int_equal(pace_level(&w.p), 9);
    send(&w, 4 * GIB);
    assert_int_equal(w.coded, w.sent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slow_link_gets_coded_pages),
        cmocka_unit_test(what_cannot_be_sampled_is_tried_again),
        cmocka_unit_test(a_fast_link_is_left_alone),
        cmocka_unit_test(pages_that_do_not_compress_are_left_alone),
        cmocka_unit_test(it_never_costs_more_than_a_few_percent),
        cmocka_unit_test(threads_that_promise_too_much_are_not_believed),
        cmocka_unit_test(it_ends_when_the_data_stops_to_compress),
        cmocka_unit_test(a_link_that_becomes_fast_is_noticed),
        cmocka_unit_test(the_level_follows_the_time_there_is),
        cmocka_unit_test(lanes_are_added_up),
        cmocka_unit_test(always_is_always),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
