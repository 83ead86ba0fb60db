/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Page sets, against a plain array of flags that is treated alike.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <stdlib.h>

#include "pages.h"

static uint64_t rnd_state;

static uint64_t rnd(void)
{
    rnd_state ^= rnd_state << 13;
    rnd_state ^= rnd_state >> 7;
    rnd_state ^= rnd_state << 17;

    return rnd_state;
}

#define MAX 3000u

struct model
{
    struct pageset ps;
    bool flag[MAX];
};

static void model_init(struct model *m, uint64_t nr)
{
    memset(m, 0, sizeof(*m));
    assert_int_equal(pageset_init(&m->ps, nr), 0);
}

static void model_check(const struct model *m)
{
    uint64_t i, count = 0;

    for ( i = 0; i < m->ps.nr_gfns; i++ )
    {
        assert_int_equal(pageset_test(&m->ps, i), m->flag[i]);
        count += m->flag[i];
    }
    assert_int_equal(m->ps.count, count);
    /* Nothing beyond the range. */
    if ( m->ps.nr_gfns & 63 )
        assert_int_equal(m->ps.words[m->ps.nr_gfns / 64] >>
                         (m->ps.nr_gfns & 63), 0);
}

/* Random runs set and cleared. */
static void model_shuffle(struct model *m)
{
    unsigned int i, g;

    for ( i = 0; i < 40; i++ )
    {
        uint64_t first = rnd() % m->ps.nr_gfns;
        uint64_t count = rnd() % (m->ps.nr_gfns - first + 1);
        bool set = rnd() & 1;

        if ( rnd() & 1 && count > 70 )
            count = rnd() % 70;
        if ( set )
            pageset_set_run(&m->ps, first, count);
        else
            pageset_clear_run(&m->ps, first, count);
        for ( g = 0; g < count; g++ )
            m->flag[first + g] = set;
    }
}

static const uint64_t sizes[] = { 1, 63, 64, 65, 127, 128, 1000, 1024,
                                  2048, MAX };
#define NR_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void runs_are_set_and_cleared(void **state)
{
    struct model m;
    unsigned int i, n;

    (void)state;
    for ( i = 0; i < NR_SIZES; i++ )
    {
        model_init(&m, sizes[i]);
        for ( n = 0; n < 20; n++ )
        {
            model_shuffle(&m);
            model_check(&m);
        }
        pageset_done(&m.ps);
    }
}

static void single_ones_say_whether_they_changed(void **state)
{
    struct pageset ps;

    (void)state;
    assert_int_equal(pageset_init(&ps, 100), 0);
    assert_true(pageset_set(&ps, 99));
    assert_false(pageset_set(&ps, 99));
    assert_int_equal(ps.count, 1);
    assert_true(pageset_clear(&ps, 99));
    assert_false(pageset_clear(&ps, 99));
    assert_true(pageset_empty(&ps));
    assert_false(pageset_test(&ps, 100));
    assert_false(pageset_test(&ps, UINT64_MAX));
    pageset_done(&ps);
    pageset_done(&ps);
}

static void filled_sets_end_at_their_range(void **state)
{
    struct pageset ps;
    unsigned int i;

    (void)state;
    for ( i = 0; i < NR_SIZES; i++ )
    {
        assert_int_equal(pageset_init(&ps, sizes[i]), 0);
        pageset_fill(&ps);
        assert_int_equal(ps.count, sizes[i]);
        assert_int_equal(pageset_count_run(&ps, 0, UINT64_MAX), sizes[i]);
        assert_int_equal(pageset_next_clear(&ps, 0), sizes[i]);
        pageset_zero(&ps);
        assert_int_equal(pageset_next_set(&ps, 0), sizes[i]);
        pageset_done(&ps);
    }
}

static void sets_are_combined(void **state)
{
    struct model a, b, c;
    unsigned int i, g, op;

    (void)state;
    for ( i = 0; i < NR_SIZES; i++ )
        for ( op = 0; op < 5; op++ )
        {
            uint64_t both = 0, from = sizes[i] / 3;

            model_init(&a, sizes[i]);
            model_init(&b, sizes[i]);
            model_init(&c, sizes[i]);
            model_shuffle(&a);
            model_shuffle(&b);
            for ( g = 0; g < sizes[i]; g++ )
                both += a.flag[g] && b.flag[g];
            assert_int_equal(pageset_count_and(&a.ps, &b.ps), both);
            pageset_copy(&c.ps, &a.ps);
            assert_true(pageset_equal(&c.ps, &a.ps));
            switch ( op )
            {
            case 0: pageset_or(&c.ps, &b.ps); break;
            case 1: pageset_and(&c.ps, &b.ps); break;
            case 2: pageset_andnot(&c.ps, &b.ps); break;
            case 3: pageset_or_words(&c.ps, b.ps.words, sizes[i]); break;
            case 4: pageset_andnot_from(&c.ps, &b.ps, from); break;
            }
            for ( g = 0; g < sizes[i]; g++ )
                c.flag[g] = op == 1 ? a.flag[g] && b.flag[g]
                          : op == 2 ? a.flag[g] && !b.flag[g]
                          : op == 4 ? a.flag[g] && !(b.flag[g] && g >= from)
                                    : a.flag[g] || b.flag[g];
            model_check(&c);
            pageset_done(&a.ps);
            pageset_done(&b.ps);
            pageset_done(&c.ps);
        }
}

static void foreign_bits_beyond_the_bitmap_are_ignored(void **state)
{
    uint64_t words[3] = { 1, ~0ull, ~0ull };
    struct pageset ps;

    (void)state;
    assert_int_equal(pageset_init(&ps, 150), 0);
    pageset_or_words(&ps, words, 70);
    assert_int_equal(ps.count, 7);
    assert_false(pageset_test(&ps, 70));
    memset(ps.words, 0xff, 3 * 8);
    pageset_recount(&ps);
    assert_int_equal(ps.count, 150);
    pageset_done(&ps);
}

static void walks_meet_every_member_once(void **state)
{
    struct gfn_run run;
    struct model m;
    unsigned int i, g;

    (void)state;
    for ( i = 0; i < NR_SIZES; i++ )
    {
        bool seen[MAX] = { false };
        uint64_t last = 0;
        bool first = true;

        model_init(&m, sizes[i]);
        model_shuffle(&m);
        pageset_for_each_run(&m.ps, run)
        {
            /* Whole runs: something lies between two. */
            assert_true(first || run.first > last);
            first = false;
            for ( g = 0; g < run.count; g++ )
                seen[run.first + g] = true;
            last = run.first + run.count;
        }
        for ( g = 0; g < sizes[i]; g++ )
            assert_int_equal(seen[g], m.flag[g]);
        pageset_done(&m.ps);
    }
}

static void runs_are_cut_to_size(void **state)
{
    struct pageset ps;
    struct gfn_run run;

    (void)state;
    assert_int_equal(pageset_init(&ps, 1000), 0);
    pageset_set_run(&ps, 100, 300);
    assert_true(pageset_next_run(&ps, 0, 64, &run));
    assert_int_equal(run.first, 100);
    assert_int_equal(run.count, 64);
    assert_true(pageset_next_run(&ps, 390, 64, &run));
    assert_int_equal(run.first, 390);
    assert_int_equal(run.count, 10);
    assert_false(pageset_next_run(&ps, 400, 64, &run));
    assert_false(pageset_next_run(&ps, 100000, 0, &run));
    pageset_done(&ps);
}

static void lanes_share_the_set_by_chunks(void **state)
{
    unsigned int lanes, lane, n;
    struct gfn_run run;
    struct model m;
    uint64_t g;

    (void)state;
    for ( lanes = 1; lanes <= 5; lanes++ )
        for ( n = 0; n < 10; n++ )
        {
            unsigned char seen[MAX] = { 0 };

            model_init(&m, MAX);
            model_shuffle(&m);
            for ( lane = 0; lane < lanes; lane++ )
            {
                uint64_t count = 0, from = 0;

                while ( pageset_next_run_lane(&m.ps, from, 100, lane, lanes,
                                              &run) )
                {
                    assert_true(run.count && run.count <= 100);
                    assert_true(run.first >= from);
                    for ( g = run.first; g < run.first + run.count; g++ )
                    {
                        assert_int_equal(gfn_lane(g, lanes), lane);
                        seen[g]++;
                    }
                    if ( lanes > 1 )
                        assert_int_equal(run.first >> CHUNK_BITS,
                            (run.first + run.count - 1) >> CHUNK_BITS);
                    count += run.count;
                    from = run.first + run.count;
                }
                assert_int_equal(pageset_count_lane(&m.ps, lane, lanes),
                                 count);
            }
            for ( g = 0; g < MAX; g++ )
                assert_int_equal(seen[g], m.flag[g]);
            pageset_done(&m.ps);
        }
}

static void counts_of_ranges_are_right(void **state)
{
    struct model m;
    unsigned int n;

    (void)state;
    model_init(&m, MAX);
    model_shuffle(&m);
    for ( n = 0; n < 200; n++ )
    {
        uint64_t first = rnd() % (MAX + 100), count = rnd() % (MAX + 100);
        uint64_t g, want = 0;

        for ( g = first; g < first + count && g < MAX; g++ )
            want += m.flag[g];
        assert_int_equal(pageset_count_run(&m.ps, first, count), want);
    }
    pageset_done(&m.ps);
}

static void run_lists_join_neighbours(void **state)
{
    struct gfn_runs rl;

    (void)state;
    gfn_runs_init(&rl);
    assert_int_equal(gfn_runs_add(&rl, 5, 3), 0);
    assert_int_equal(gfn_runs_add(&rl, 8, 2), 0);
    assert_int_equal(gfn_runs_add(&rl, 8, 0), 0);
    assert_int_equal(gfn_runs_add(&rl, 11, 1), 0);
    assert_int_equal(rl.nr, 2);
    assert_int_equal(rl.runs[0].count, 5);
    assert_int_equal(gfn_runs_pages(&rl), 6);
    gfn_runs_done(&rl);
}

static void run_lists_hold_a_set(void **state)
{
    struct gfn_runs rl;
    struct model m;
    struct pageset back;

    (void)state;
    model_init(&m, MAX);
    model_shuffle(&m);
    gfn_runs_init(&rl);
    assert_int_equal(pageset_init(&back, MAX), 0);
    assert_int_equal(gfn_runs_from_set(&rl, &m.ps), 0);
    assert_int_equal(gfn_runs_pages(&rl), m.ps.count);
    assert_int_equal(gfn_runs_to_set(&rl, &back), 0);
    assert_true(pageset_equal(&back, &m.ps));
    pageset_zero(&back);
    assert_int_equal(gfn_runs_add(&rl, MAX - 1, 2), 0);
    assert_int_equal(gfn_runs_to_set(&rl, &back), -ERANGE);
    assert_int_equal(gfn_runs_add(&rl, UINT64_MAX, 2), 0);
    assert_int_equal(gfn_runs_to_set(&rl, &back), -ERANGE);
    assert_true(pageset_empty(&back));
    gfn_runs_done(&rl);
    pageset_done(&back);
    pageset_done(&m.ps);
}

static void sets_beyond_the_format_are_refused(void **state)
{
    struct pageset ps;

    (void)state;
    assert_int_equal(pageset_init(&ps, (1ull << 44) + 1), -EINVAL);
    pageset_done(&ps);
}

static void one_byte_anywhere_makes_a_page_not_zero(void **state)
{
    uint8_t *page = aligned_alloc(PAGE_BYTES, PAGE_BYTES);
    unsigned int i;

    (void)state;
    assert_non_null(page);
    memset(page, 0, PAGE_BYTES);
    assert_true(page_is_zero(page));
    for ( i = 0; i < PAGE_BYTES; i++ )
    {
        page[i] = 1 << (i & 7);
        assert_false(page_is_zero(page));
        page[i] = 0;
    }
    free(page);
}

static void one_byte_anywhere_makes_a_page_no_fill(void **state)
{
    uint8_t *page = aligned_alloc(PAGE_BYTES, 2 * PAGE_BYTES);
    uint32_t word = 0;
    unsigned int i;

    (void)state;
    assert_non_null(page);
    memset(page, 0xff, 2 * PAGE_BYTES);
    pages_fill(page, 0x12ab34cd, 1);
    assert_true(page_is_fill(page, &word));
    assert_int_equal(word, 0x12ab34cd);
    assert_int_equal(page[PAGE_BYTES], 0xff);
    for ( i = 0; i < PAGE_BYTES; i++ )
    {
        page[i] ^= 1 << (i & 7);
        assert_false(page_is_fill(page, &word));
        page[i] ^= 1 << (i & 7);
    }
    pages_fill(page, 0, 2);
    assert_true(page_is_fill(page + PAGE_BYTES, &word));
    assert_int_equal(word, 0);
    free(page);
}

static int seed(void **state)
{
    (void)state;
    rnd_state = 88172645463325252ull;

    return 0;
}

#define T(f) cmocka_unit_test_setup(f, seed)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(runs_are_set_and_cleared),
        T(single_ones_say_whether_they_changed),
        T(filled_sets_end_at_their_range),
        T(sets_are_combined),
        T(foreign_bits_beyond_the_bitmap_are_ignored),
        T(walks_meet_every_member_once),
        T(runs_are_cut_to_size),
        T(lanes_share_the_set_by_chunks),
        T(counts_of_ranges_are_right),
        T(run_lists_join_neighbours),
        T(run_lists_hold_a_set),
        T(sets_beyond_the_format_are_refused),
        T(one_byte_anywhere_makes_a_page_not_zero),
        T(one_byte_anywhere_makes_a_page_no_fill),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
