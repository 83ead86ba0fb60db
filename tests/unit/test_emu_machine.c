/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Machine memory of the emulated host: runs, poison, pins, claims.
 *
 * LINK: tools/emu/host/machine.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "machine.h"

#define RUNS 4u

struct fixture
{
    struct machine m;
    struct slots s;
    struct account a;
};

static int setup(void **state)
{
    static struct fixture f;

    memset(&f, 0, sizeof(f));
    f.a.max_pages = ~0ull;
    *state = &f;
    return machine_init(&f.m, RUNS * 2ull << 20, false);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    machine_forget_slots(&f->m, &f->s);
    machine_done(&f->m);
    return 0;
}

static uint32_t one(struct fixture *f, uint64_t gfn)
{
    uint32_t mfn = ~0u;

    assert_int_equal(machine_alloc(&f->m, &f->s, &f->a, &gfn, 1, &mfn), 1);
    return mfn;
}

static void put(struct fixture *f, uint32_t mfn)
{
    machine_free(&f->m, &f->a, &mfn, 1);
}

static void memory_is_poisoned_at_start(void **state)
{
    struct fixture *f = *state;
    const uint8_t *p = machine_ptr(&f->m, 0);
    size_t i;

    for ( i = 0; i < RUNS * 2ull << 20; i++ )
        if ( p[i] != 0xc2 )
            fail_msg("byte %zu is 0x%x", i, p[i]);
}

static void gfns_of_a_slot_share_a_run_in_any_order(void **state)
{
    struct fixture *f = *state;
    uint32_t a = one(f, 700), b = one(f, 513), c = one(f, 1023);

    assert_int_equal(a / RUN_FRAMES, b / RUN_FRAMES);
    assert_int_equal(a / RUN_FRAMES, c / RUN_FRAMES);
    assert_int_equal(a % RUN_FRAMES, 700 - 512);
    assert_int_equal(b % RUN_FRAMES, 1);
    assert_int_equal(c % RUN_FRAMES, 511);
}

static void slots_get_runs_of_their_own(void **state)
{
    struct fixture *f = *state;

    assert_int_not_equal(one(f, 0) / RUN_FRAMES, one(f, 512) / RUN_FRAMES);
}

static void the_last_frame_is_found_although_slots_hold_runs(void **state)
{
    struct fixture *f = *state;
    uint64_t gfn;
    uint32_t mfn;

    /* Each of these takes a whole run into its slot. */
    for ( gfn = 0; gfn < RUNS; gfn++ )
        one(f, gfn * 512);
    for ( gfn = RUNS * 512ull; f->m.nr_free; gfn++ )
        one(f, gfn);
    assert_int_equal(machine_alloc(&f->m, &f->s, &f->a, &gfn, 1, &mfn), 0);
    assert_int_equal(f->a.tot_pages, RUNS * RUN_FRAMES);
}

static void a_freed_frame_is_poison_again(void **state)
{
    struct fixture *f = *state;
    uint32_t mfn = one(f, 3);
    uint8_t *p = machine_ptr(&f->m, mfn);
    size_t i;

    memset(p, 0x55, 4096);
    put(f, mfn);
    for ( i = 0; i < 4096; i++ )
        assert_int_equal(p[i], 0xc2);
}

static void a_pinned_frame_outlives_its_owner(void **state)
{
    struct fixture *f = *state;
    uint64_t before = machine_free_pages(&f->m);
    uint32_t mfn = one(f, 3), again;
    uint8_t *p = machine_ptr(&f->m, mfn);

    p[0] = 0x55;
    machine_pin(&f->m, mfn);
    put(f, mfn);
    assert_int_equal(machine_free_pages(&f->m), before - 1);
    assert_int_equal(p[0], 0x55);
    again = one(f, 3);
    assert_int_not_equal(again, mfn);
    put(f, again);
    machine_unpin(&f->m, mfn);
    assert_int_equal(machine_free_pages(&f->m), before);
    assert_int_equal(p[0], 0xc2);
}

static void a_gfn_comes_back_to_its_place_in_the_run(void **state)
{
    struct fixture *f = *state;
    uint32_t keep = one(f, 4), mfn = one(f, 3);

    put(f, mfn);
    assert_int_equal(one(f, 3), mfn);
    put(f, keep);
}

static void max_pages_is_kept(void **state)
{
    struct fixture *f = *state;
    uint64_t gfns[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
    uint32_t mfns[8];

    f->a.max_pages = 5;
    assert_int_equal(machine_alloc(&f->m, &f->s, &f->a, gfns, 8, mfns), 5);
    assert_int_equal(machine_alloc(&f->m, &f->s, &f->a, gfns, 1, mfns), 0);
    machine_free(&f->m, &f->a, mfns, 2);
    assert_int_equal(machine_alloc(&f->m, &f->s, &f->a, gfns, 8, mfns), 2);
}

static void a_claim_keeps_others_out_and_shrinks_as_it_is_used(void **state)
{
    struct fixture *f = *state;
    struct account other = { .max_pages = ~0ull };
    struct slots other_slots = { 0 };
    uint64_t gfn = 0, total = RUNS * RUN_FRAMES, i;
    uint32_t mfn;

    assert_int_equal(machine_claim(&f->m, &f->a, total + 1), -ENOMEM);
    assert_int_equal(machine_claim(&f->m, &f->a, total), 0);
    assert_int_equal(machine_claim(&f->m, &f->a, total), -EINVAL);
    assert_int_equal(machine_alloc(&f->m, &other_slots, &other, &gfn, 1,
                                   &mfn), 0);
    for ( i = 0; i < total; i++ )
        one(f, i);
    assert_int_equal(f->a.claim, 0);
    assert_int_equal(f->m.nr_claimed, 0);
    machine_forget_slots(&f->m, &other_slots);
}

static void a_claim_can_be_given_up(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(machine_claim(&f->m, &f->a, 100), 0);
    assert_int_equal(machine_claim(&f->m, &f->a, 0), 0);
    assert_int_equal(f->m.nr_claimed, 0);
    assert_int_equal(machine_claim(&f->m, &f->a, 200), 0);
    assert_int_equal(f->m.nr_claimed, 200);
}

static void a_whole_run_needs_a_free_one(void **state)
{
    struct fixture *f = *state;
    uint32_t mfn;
    unsigned int i;

    for ( i = 0; i < RUNS - 1; i++ )
    {
        assert_int_equal(machine_alloc_run(&f->m, &f->s, &f->a, i * 512ull,
                                           &mfn), 0);
        assert_int_equal(mfn % RUN_FRAMES, 0);
    }
    one(f, RUNS * 512ull);
    assert_int_equal(machine_alloc_run(&f->m, &f->s, &f->a,
                                       (RUNS - 1) * 512ull, &mfn), -ENOMEM);
}

static void host_frames_are_consecutive(void **state)
{
    struct fixture *f = *state;
    uint64_t mfn, i;

    one(f, 0);
    assert_int_equal(machine_alloc_host(&f->m, 8, &mfn), 0);
    for ( i = 0; i < 8; i++ )
    {
        assert_int_equal(atomic_load(&f->m.refs[mfn + i]), 1);
        machine_unpin(&f->m, mfn + i);
    }
    assert_int_equal(machine_free_pages(&f->m), RUNS * RUN_FRAMES - 1);
}

static void everything_can_be_allocated_again(void **state)
{
    struct fixture *f = *state;
    uint32_t mfns[RUNS * RUN_FRAMES];
    unsigned int round, i;

    for ( round = 0; round < 3; round++ )
    {
        for ( i = 0; i < RUNS * RUN_FRAMES; i++ )
            mfns[i] = one(f, (i * 7919u) % (RUNS * RUN_FRAMES));
        assert_int_equal(machine_free_pages(&f->m), 0);
        machine_free(&f->m, &f->a, mfns, RUNS * RUN_FRAMES);
        assert_int_equal(machine_free_pages(&f->m), RUNS * RUN_FRAMES);
        assert_int_equal(f->a.tot_pages, 0);
    }
}

int main(void)
{
#define T(x) cmocka_unit_test_setup_teardown(x, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(memory_is_poisoned_at_start),
        T(gfns_of_a_slot_share_a_run_in_any_order),
        T(slots_get_runs_of_their_own),
        T(the_last_frame_is_found_although_slots_hold_runs),
        T(a_freed_frame_is_poison_again),
        T(a_pinned_frame_outlives_its_owner),
        T(a_gfn_comes_back_to_its_place_in_the_run),
        T(max_pages_is_kept),
        T(a_claim_keeps_others_out_and_shrinks_as_it_is_used),
        T(a_claim_can_be_given_up),
        T(a_whole_run_needs_a_free_one),
        T(host_frames_are_consecutive),
        T(everything_can_be_allocated_again),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
