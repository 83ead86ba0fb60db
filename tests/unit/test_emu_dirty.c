/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Log-dirty of the emulated host, both ways, with this kernel's userfaultfd.
 * A way that the kernel lacks is skipped.
 *
 * LINK: tools/emu/host/dirty.c tools/emu/host/p2m.c tools/emu/host/machine.c
 * LINK: tools/emu/host/log.c tests/unit/emu_fake.c
 * LINK: tools/emu/host/uffd.c tools/emu/host/share.c
 * LINK: tests/unit/emu_fake_paging.c
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dirty.h"
#include "emu_fake.h"

#define PAGES 1024u

struct log
{
    uint8_t bits[PAGES / 8];
    uint32_t faults, dirty;
};

static int setup(enum dirty_mode mode, void **state)
{
    uint64_t gfns[PAGES];
    struct domain *d;
    unsigned int i;

    *state = NULL;
    if ( dirty_probe(mode) < 0 )
        return 0;
    d = fake_domain(8, mode);
    for ( i = 0; i < PAGES; i++ )
        gfns[i] = i;
    *state = d;
    return p2m_populate(d, gfns, PAGES, 0) == PAGES ? 0 : -1;
}

static int setup_async(void **state) { return setup(DIRTY_ASYNC, state); }
static int setup_sync(void **state) { return setup(DIRTY_SYNC, state); }

static int teardown(void **state)
{
    if ( *state )
        fake_domain_free(*state);
    return 0;
}

static struct domain *domain_or_skip(void **state)
{
    if ( !*state )
        skip();
    return *state;
}

static void touch(struct domain *d, uint64_t gfn)
{
    ((volatile uint8_t *)d->p2m.mem)[gfn * PAGE_SIZE + 5]++;
}

static struct log collect(struct domain *d, bool clean)
{
    struct log l;

    memset(&l, 0xff, sizeof(l));
    assert_int_equal(dirty_collect(d, l.bits, PAGES, clean, &l.faults,
                                   &l.dirty), 0);
    return l;
}

static unsigned int count(const struct log *l)
{
    unsigned int i, n = 0;

    for ( i = 0; i < sizeof(l->bits); i++ )
        n += (unsigned int)__builtin_popcount(l->bits[i]);
    return n;
}

static bool has(const struct log *l, uint64_t gfn)
{
    return l->bits[gfn / 8] >> (gfn % 8) & 1;
}

static void nothing_is_dirty_at_first(void **state)
{
    struct domain *d = domain_or_skip(state);
    struct log l;

    touch(d, 3);
    assert_int_equal(dirty_enable(d), 0);
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
    assert_int_equal(l.dirty, 0);
}

static void reading_does_not_make_dirty(void **state)
{
    struct domain *d = domain_or_skip(state);
    volatile uint8_t sink = 0;
    struct log l;
    unsigned int i;

    assert_int_equal(dirty_enable(d), 0);
    for ( i = 0; i < PAGES; i++ )
        sink ^= d->p2m.mem[i * PAGE_SIZE];
    (void)sink;
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
}

static void what_was_written_is_found_once(void **state)
{
    struct domain *d = domain_or_skip(state);
    struct log l;

    assert_int_equal(dirty_enable(d), 0);
    touch(d, 0);
    touch(d, 77);
    touch(d, 77);
    touch(d, PAGES - 1);
    l = collect(d, true);
    assert_int_equal(count(&l), 3);
    assert_int_equal(l.dirty, 3);
    assert_int_equal(l.faults, 3);
    assert_true(has(&l, 0) && has(&l, 77) && has(&l, PAGES - 1));
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
}

static void a_page_written_again_is_found_again(void **state)
{
    struct domain *d = domain_or_skip(state);
    struct log l;
    int i;

    assert_int_equal(dirty_enable(d), 0);
    for ( i = 0; i < 5; i++ )
    {
        touch(d, 500);
        l = collect(d, true);
        assert_int_equal(count(&l), 1);
        assert_true(has(&l, 500));
    }
}

static void peek_forgets_nothing(void **state)
{
    struct domain *d = domain_or_skip(state);
    struct log l;

    assert_int_equal(dirty_enable(d), 0);
    touch(d, 9);
    l = collect(d, false);
    assert_true(has(&l, 9));
    l = collect(d, true);
    assert_true(has(&l, 9));
    l = collect(d, false);
    assert_int_equal(count(&l), 0);
}

static void software_marks_count_and_holes_do_not_disturb(void **state)
{
    struct domain *d = domain_or_skip(state);
    uint64_t gfn = 40;
    struct log l;

    p2m_mark_dirty(d, 1);
    assert_int_equal(dirty_enable(d), 0);
    p2m_mark_dirty(d, 2);
    p2m_mark_dirty(d, ~0ull);
    assert_int_equal(p2m_decrease(d, &gfn, 1), 1);
    l = collect(d, true);
    assert_true(has(&l, 2) && has(&l, gfn));
    assert_int_equal(count(&l), 2);
    touch(d, 39);
    touch(d, 41);
    l = collect(d, true);
    assert_int_equal(count(&l), 2);
}

static void a_gfn_populated_meanwhile_is_dirty_and_tracked(void **state)
{
    struct domain *d = domain_or_skip(state);
    uint64_t gfns[3] = { 40, 41, 42 };
    struct log l;

    assert_int_equal(p2m_decrease(d, gfns, 3), 3);
    assert_int_equal(dirty_enable(d), 0);
    assert_int_equal(p2m_populate(d, gfns, 3, 0), 3);
    l = collect(d, true);
    assert_int_equal(count(&l), 3);
    assert_true(has(&l, 40) && has(&l, 41) && has(&l, 42));
    touch(d, 41);
    l = collect(d, true);
    assert_int_equal(count(&l), 1);
    assert_true(has(&l, 41));
}

static void a_short_collection_leaves_the_rest(void **state)
{
    struct domain *d = domain_or_skip(state);
    uint32_t faults, dirty;
    uint8_t bits[8];
    struct log l;

    assert_int_equal(dirty_enable(d), 0);
    touch(d, 5);
    touch(d, 900);
    assert_int_equal(dirty_collect(d, bits, 64, true, &faults, &dirty), 0);
    assert_int_equal(bits[0], 1 << 5);
    assert_int_equal(dirty, 2);
    l = collect(d, true);
    assert_int_equal(count(&l), 1);
    assert_true(has(&l, 900));
}

static void without_a_bitmap_it_only_forgets(void **state)
{
    struct domain *d = domain_or_skip(state);
    uint32_t faults, dirty;
    struct log l;

    assert_int_equal(dirty_enable(d), 0);
    touch(d, 5);
    assert_int_equal(dirty_collect(d, NULL, 0, false, &faults, &dirty), 0);
    assert_int_equal(dirty, 1);
    assert_int_equal(dirty_collect(d, NULL, PAGES, true, &faults, &dirty), 0);
    assert_int_equal(dirty, 1);
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
}

static void beyond_the_guest_all_is_clean(void **state)
{
    struct domain *d = domain_or_skip(state);
    uint8_t bits[PAGES / 4];
    uint32_t faults, dirty;

    assert_int_equal(dirty_enable(d), 0);
    touch(d, PAGES - 1);
    memset(bits, 0xff, sizeof(bits));
    assert_int_equal(dirty_collect(d, bits, PAGES * 2, true, &faults, &dirty),
                     0);
    assert_int_equal(bits[PAGES / 8 - 1], 0x80);
    assert_int_equal(bits[PAGES / 8], 0);
    assert_int_equal(bits[PAGES / 4 - 1], 0);
}

static void off_and_on_again(void **state)
{
    struct domain *d = domain_or_skip(state);
    struct log l;

    assert_int_equal(dirty_enable(d), 0);
    assert_int_equal(dirty_enable(d), -EINVAL);
    touch(d, 5);
    assert_int_equal(dirty_disable(d), 0);
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
    touch(d, 6);
    assert_int_equal(dirty_enable(d), 0);
    l = collect(d, true);
    assert_int_equal(count(&l), 0);
    touch(d, 7);
    l = collect(d, true);
    assert_int_equal(count(&l), 1);
}

int main(void)
{
#define T(x) \
    { #x " (async)", x, setup_async, teardown, NULL }, \
    { #x " (sync)", x, setup_sync, teardown, NULL }
    const struct CMUnitTest tests[] = {
        T(nothing_is_dirty_at_first),
        T(reading_does_not_make_dirty),
        T(what_was_written_is_found_once),
        T(a_page_written_again_is_found_again),
        T(peek_forgets_nothing),
        T(software_marks_count_and_holes_do_not_disturb),
        T(a_gfn_populated_meanwhile_is_dirty_and_tracked),
        T(a_short_collection_leaves_the_rest),
        T(without_a_bitmap_it_only_forgets),
        T(beyond_the_guest_all_is_clean),
        T(off_and_on_again),
    };
#undef T

    return cmocka_run_group_tests(tests, NULL, NULL);
}
