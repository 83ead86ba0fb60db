/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The outside client's book: latency, gaps, repeats, and what it makes of a
 * server that forgets.  The server here is a few lines that follow the
 * protocol, or break it on purpose.
 *
 * LINK: tools/emu/net/net_ledger.c
 * LINK: tools/emu/net/net_hist.c
 * LINK: tools/emu/net/net_report.c
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "net_ledger.h"
#include "net_report.h"

#define SESSION 0x5eedull

struct server
{
    uint64_t high;
    struct { uint64_t number, value; } key[NET_KEYS];
};

struct fixture
{
    struct net_ledger l;
    struct server s;
    uint64_t now_us;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.now_us = 1000000;
    *state = &f;
    return net_ledger_init(&f.l, SESSION);
}

static int teardown(void **state)
{
    net_ledger_done(&((struct fixture *)*state)->l);
    return 0;
}

/* Turn a request into its answer, as an honest server does. */
static void serve(struct server *s, struct net_msg *msg)
{
    msg->high = s->high;
    msg->old_number = s->key[msg->key].number;
    msg->old_value = s->key[msg->key].value;
    msg->flags = NET_MSG_ANSWER;
    if ( msg->type == NET_MSG_WRITE && s->key[msg->key].number < msg->number )
    {
        s->key[msg->key].number = msg->number;
        s->key[msg->key].value = msg->value;
        if ( s->high < msg->number )
            s->high = msg->number;
    }
    net_msg_seal(msg);
}

static void ask(struct fixture *f, struct net_msg *msg)
{
    net_ledger_next(&f->l, f->now_us, f->now_us, msg);
}

static enum net_answer hear(struct fixture *f, const struct net_msg *msg)
{
    return net_ledger_answer(&f->l, msg, f->now_us, NULL, NULL);
}

/* n requests, each answered after latency_us, one every 1000 us. */
static void talk(struct fixture *f, unsigned int n, unsigned int latency_us)
{
    while ( n-- )
    {
        struct net_msg msg;

        ask(f, &msg);
        serve(&f->s, &msg);
        f->now_us += latency_us;
        assert_int_equal(hear(f, &msg), NET_ANSWER_FIRST);
        f->now_us += 1000 - latency_us;
    }
}

static void read_back(struct fixture *f)
{
    net_ledger_audit(&f->l);
    for ( uint32_t key = 0; key < NET_KEYS; key++ )
        if ( !net_ledger_key_audited(&f->l, key) )
        {
            struct net_msg msg;

            net_ledger_read(&f->l, key, f->now_us, &msg);
            serve(&f->s, &msg);
            hear(f, &msg);
        }
}

static void honest_server_gets_a_good_verdict(void **state)
{
    struct fixture *f = *state;

    talk(f, 1000, 100);
    net_ledger_end(&f->l, f->now_us);
    read_back(f);
    assert_int_equal(f->l.answered, 1000);
    assert_int_equal(f->l.acked_lost, 0);
    assert_int_equal(f->l.audited, NET_KEYS);
    assert_string_equal(net_verdict(&f->l), "good");
}

static void silence_while_moving_is_the_longest_gap(void **state)
{
    struct fixture *f = *state;
    uint64_t before_us;

    talk(f, 10, 100);
    before_us = f->now_us - 900;         /* when the last answer came */
    f->now_us += 25000;
    talk(f, 10, 100);
    assert_int_equal(f->l.gap[0].length_us, 26000);
    assert_int_equal(f->l.gap[0].start_us, before_us);
    assert_int_equal(f->l.gap[1].length_us, 1000);
}

static void gaps_are_sorted_and_bounded(void **state)
{
    static const unsigned int pause[] = { 5, 90, 20, 70, 1, 60, 80 };
    static const unsigned int sorted[] = { 91000, 81000, 71000, 61000,
                                           21000 };
    struct fixture *f = *state;

    talk(f, 1, 100);
    for ( unsigned int i = 0; i < 7; i++ )
    {
        f->now_us += pause[i] * 1000;
        talk(f, 1, 100);
    }
    for ( unsigned int i = 0; i < NET_LEDGER_GAPS; i++ )
        assert_int_equal(f->l.gap[i].length_us, sorted[i]);
}

static void silence_at_the_end_counts_only_if_awaited(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg;

    talk(f, 10, 100);
    f->now_us += 500000;
    net_ledger_end(&f->l, f->now_us);
    assert_int_equal(f->l.gap[0].length_us, 1000);

    ask(f, &msg);
    net_ledger_end(&f->l, f->now_us);
    assert_int_equal(f->l.gap[0].length_us, 500900);
    assert_int_equal(f->l.lost, 1);
    assert_string_equal(net_verdict(&f->l), "unanswered");
}

static void latency_counts_from_when_it_was_due(void **state)
{
    struct fixture *f = *state;
    uint64_t sent_us, latency_us;
    struct net_msg msg;

    net_ledger_next(&f->l, 1000, 1700, &msg);
    serve(&f->s, &msg);
    assert_int_equal(net_ledger_answer(&f->l, &msg, 2000, &sent_us,
                                       &latency_us), NET_ANSWER_FIRST);
    assert_int_equal(sent_us, 1700);
    assert_int_equal(latency_us, 1000);
    assert_int_equal(f->l.late_max_us, 700);
}

static void unanswered_request_is_repeated_with_its_number(void **state)
{
    struct fixture *f = *state;
    struct net_msg first, again;

    ask(f, &first);
    assert_false(net_ledger_retry(&f->l, f->now_us + 99, 100, &again));
    assert_true(net_ledger_retry(&f->l, f->now_us + 100, 100, &again));
    assert_int_equal(again.number, first.number);
    assert_int_equal(again.value, first.value);
    assert_int_equal(again.attempt, 2);
    assert_false(net_ledger_retry(&f->l, f->now_us + 101, 100, &again));
    assert_int_equal(f->l.retries, 1);
}

/* The caller's clock may have been read before the request left. */
static void request_sent_this_instant_is_not_repeated(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg, again;

    ask(f, &msg);
    assert_false(net_ledger_retry(&f->l, f->now_us - 5, 100, &again));
}

static void retries_go_round_among_the_open_ones(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg[3], again;

    for ( unsigned int i = 0; i < 3; i++ )
        ask(f, &msg[i]);
    serve(&f->s, &msg[1]);
    hear(f, &msg[1]);
    f->now_us += 1000;
    assert_true(net_ledger_retry(&f->l, f->now_us, 100, &again));
    assert_int_equal(again.number, 1);
    assert_true(net_ledger_retry(&f->l, f->now_us, 100, &again));
    assert_int_equal(again.number, 3);
    assert_false(net_ledger_retry(&f->l, f->now_us, 100, &again));
}

static void second_answer_is_a_duplicate(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg;

    ask(f, &msg);
    serve(&f->s, &msg);
    assert_int_equal(hear(f, &msg), NET_ANSWER_FIRST);
    assert_int_equal(hear(f, &msg), NET_ANSWER_DUPLICATE);
    assert_int_equal(f->l.answered, 1);
    assert_int_equal(f->l.duplicates, 1);
    assert_int_equal(f->l.acked_lost, 0);
}

static void late_answer_is_out_of_order_and_harmless(void **state)
{
    struct fixture *f = *state;
    struct net_msg a, b;

    ask(f, &a);
    ask(f, &b);
    serve(&f->s, &a);
    serve(&f->s, &b);
    hear(f, &b);
    assert_int_equal(hear(f, &a), NET_ANSWER_FIRST);
    assert_int_equal(f->l.out_of_order, 1);
    assert_int_equal(f->l.acked_lost, 0);
}

/* The network may swap requests: what was not yet acknowledged when a request
 * left must not be demanded from its answer. */
static void reordered_requests_are_not_a_loss(void **state)
{
    struct fixture *f = *state;
    struct net_msg a, b;

    ask(f, &a);
    ask(f, &b);
    serve(&f->s, &b);
    hear(f, &b);
    serve(&f->s, &a);
    hear(f, &a);
    assert_int_equal(f->l.acked_lost, 0);
}

static void server_set_back_in_time_is_found_at_once(void **state)
{
    struct fixture *f = *state;
    struct server old;
    struct net_msg msg;

    talk(f, 50, 100);
    old = f->s;
    talk(f, 1, 100);
    f->s = old;
    ask(f, &msg);
    serve(&f->s, &msg);
    hear(f, &msg);
    assert_int_equal(f->l.acked_lost, 1);
    assert_string_equal(net_verdict(&f->l), "bad");
}

/* One page of the server went back, its highest number did not. */
static void stale_key_is_found_by_the_next_write_to_it(void **state)
{
    struct fixture *f = *state;

    talk(f, 3 * NET_KEYS, 100);
    f->s.key[7].number -= NET_KEYS;
    f->s.key[7].value = net_msg_value(SESSION, f->s.key[7].number);
    talk(f, NET_KEYS, 100);
    assert_int_equal(f->l.acked_lost, 1);
}

static void stale_key_is_found_by_reading_back(void **state)
{
    struct fixture *f = *state;

    talk(f, 3 * NET_KEYS, 100);
    f->s.key[7].number -= NET_KEYS;
    f->s.key[7].value = net_msg_value(SESSION, f->s.key[7].number);
    read_back(f);
    assert_int_equal(f->l.acked_lost, 1);
    assert_string_equal(net_verdict(&f->l), "bad");
}

static void damaged_value_is_found(void **state)
{
    struct fixture *f = *state;

    talk(f, NET_KEYS, 100);
    f->s.key[9].value ^= 1;
    read_back(f);
    assert_int_equal(f->l.acked_lost, 1);
}

static void damaged_answer_is_corrupt(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg;

    ask(f, &msg);
    serve(&f->s, &msg);
    msg.value ^= 4;
    assert_int_equal(hear(f, &msg), NET_ANSWER_CORRUPT);
    assert_int_equal(f->l.answered, 0);
    assert_string_equal(net_verdict(&f->l), "bad");
}

static void answer_to_what_was_never_asked_is_corrupt(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg;

    ask(f, &msg);
    msg.number = 1 + NET_KEYS;
    serve(&f->s, &msg);
    assert_int_equal(hear(f, &msg), NET_ANSWER_CORRUPT);
}

static void answers_of_other_sessions_are_left_alone(void **state)
{
    struct fixture *f = *state;
    struct net_msg msg;

    ask(f, &msg);
    msg.session++;
    serve(&f->s, &msg);
    assert_int_equal(hear(f, &msg), NET_ANSWER_FOREIGN);
    assert_int_equal(f->l.answered, 0);
}

/* A read that left before the last acknowledgement proves nothing. */
static void reading_back_needs_an_answer_to_a_fresh_read(void **state)
{
    struct fixture *f = *state;
    struct net_msg early;

    net_ledger_read(&f->l, 1, f->now_us, &early);
    serve(&f->s, &early);
    talk(f, 1, 100);
    net_ledger_audit(&f->l);
    hear(f, &early);
    assert_false(net_ledger_key_audited(&f->l, 1));
    read_back(f);
    assert_true(net_ledger_key_audited(&f->l, 1));
}

static void window_that_is_full_gives_up_the_oldest(void **state)
{
    struct fixture *f = *state;
    struct net_msg first, msg;

    ask(f, &first);
    for ( unsigned int i = 0; i < NET_LEDGER_WINDOW; i++ )
        ask(f, &msg);
    assert_int_equal(f->l.lost, 1);
    assert_int_equal(net_ledger_open(&f->l), NET_LEDGER_WINDOW);
    serve(&f->s, &first);
    assert_int_equal(hear(f, &first), NET_ANSWER_DUPLICATE);
    serve(&f->s, &msg);
    assert_int_equal(hear(f, &msg), NET_ANSWER_FIRST);
}

static void nobody_answered_is_not_good(void **state)
{
    struct fixture *f = *state;

    net_ledger_end(&f->l, f->now_us);
    assert_string_equal(net_verdict(&f->l), "unanswered");
    assert_int_equal(net_verdict_status(&f->l), 4);
}

static void percentiles_are_within_two_percent(void **state)
{
    static struct net_hist h;

    (void)state;
    memset(&h, 0, sizeof(h));
    for ( uint64_t us = 1; us <= 100000; us++ )
        net_hist_add(&h, us);
    assert_in_range(net_hist_permille(&h, 500), 50000, 51000);
    assert_in_range(net_hist_permille(&h, 990), 99000, 100000);
    assert_int_equal(net_hist_permille(&h, 1000), 100000);
    assert_int_equal(h.min_us, 1);
}

static void histogram_takes_any_duration(void **state)
{
    static struct net_hist h;

    (void)state;
    memset(&h, 0, sizeof(h));
    net_hist_add(&h, 0);
    net_hist_add(&h, 63);
    net_hist_add(&h, 64);
    net_hist_add(&h, UINT64_MAX);
    assert_int_equal(net_hist_permille(&h, 250), 0);
    assert_int_equal(net_hist_permille(&h, 500), 63);
    assert_int_equal(net_hist_permille(&h, 750), 64);
    assert_true(net_hist_permille(&h, 1000) == UINT64_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(honest_server_gets_a_good_verdict),
        TEST(silence_while_moving_is_the_longest_gap),
        TEST(gaps_are_sorted_and_bounded),
        TEST(silence_at_the_end_counts_only_if_awaited),
        TEST(latency_counts_from_when_it_was_due),
        TEST(unanswered_request_is_repeated_with_its_number),
        TEST(request_sent_this_instant_is_not_repeated),
        TEST(retries_go_round_among_the_open_ones),
        TEST(second_answer_is_a_duplicate),
        TEST(late_answer_is_out_of_order_and_harmless),
        TEST(reordered_requests_are_not_a_loss),
        TEST(server_set_back_in_time_is_found_at_once),
        TEST(stale_key_is_found_by_the_next_write_to_it),
        TEST(stale_key_is_found_by_reading_back),
        TEST(damaged_value_is_found),
        TEST(damaged_answer_is_corrupt),
        TEST(answer_to_what_was_never_asked_is_corrupt),
        TEST(answers_of_other_sessions_are_left_alone),
        TEST(reading_back_needs_an_answer_to_a_fresh_read),
        TEST(window_that_is_full_gives_up_the_oldest),
        TEST(nobody_answered_is_not_good),
        cmocka_unit_test(percentiles_are_within_two_percent),
        cmocka_unit_test(histogram_takes_any_duration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
