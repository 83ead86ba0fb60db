/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The thread that is ahead of the lanes: which pages it touches.  The kernel
 * tells, as a page of anonymous memory is there from its first access on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "place_impl.h"

#define CHUNKS 6u
#define NR     (CHUNKS * CHUNK_GFNS - 100)

static struct session session;
static struct place p;
static uint8_t *mem;

static int make_place(void **state)
{
    unsigned int i;

    (void)state;
    memset(&p, 0, sizeof(p));
    p.s = &session;
    p.nr_gfns = NR;
    p.nr_chunks = CHUNKS;
    p.chunks = calloc(CHUNKS, sizeof(*p.chunks));
    mem = mmap(NULL, CHUNKS * CHUNK_GFNS * PAGE_BYTES, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if ( !p.chunks || mem == MAP_FAILED ||
         madvise(mem, CHUNKS * CHUNK_GFNS * PAGE_BYTES, MADV_NOHUGEPAGE) ||
         pageset_init(&p.want, NR) )
        return -1;
    pageset_fill(&p.want);
    for ( i = 0; i < CHUNKS; i++ )
    {
        p.chunks[i].state = CHUNK_READY;
        p.chunks[i].addr = mem + (size_t)i * CHUNK_GFNS * PAGE_BYTES;
        p.chunks[i].whole = true;
    }

    return 0;
}

static int drop_place(void **state)
{
    (void)state;
    pageset_done(&p.want);
    free(p.chunks);

    return munmap(mem, CHUNKS * CHUNK_GFNS * PAGE_BYTES);
}

/* Pages of [first, end) that have been touched. */
static size_t touched(uint64_t first, uint64_t end)
{
    unsigned char there[CHUNKS * CHUNK_GFNS];
    size_t sum = 0;
    uint64_t i;

    assert_int_equal(mincore(mem + first * PAGE_BYTES,
                             (end - first) * PAGE_BYTES, there), 0);
    for ( i = 0; i < end - first; i++ )
        sum += there[i] & 1;

    return sum;
}

static void all_beyond_the_lane(void **state)
{
    (void)state;
    place_touch_ahead(&p);
    assert_int_equal(touched(0, CHUNK_GFNS), 0);
    assert_int_equal(touched(CHUNK_GFNS, NR), NR - CHUNK_GFNS);
    assert_int_equal(touched(NR, CHUNKS * CHUNK_GFNS), 0);
}

static void not_what_lanes_have_passed(void **state)
{
    (void)state;
    p.front = 3;
    place_touch_ahead(&p);
    assert_int_equal(touched(0, 4 * CHUNK_GFNS), 0);
    assert_int_equal(touched(4 * CHUNK_GFNS, NR), NR - 4 * CHUNK_GFNS);
    p.front = CHUNKS - 1;
    place_touch_ahead(&p);
}

static void not_what_is_not_there(void **state)
{
    const uint64_t hole = 5 * CHUNK_GFNS + 70;

    (void)state;
    pageset_clear_run(&p.want, hole, 3);
    p.chunks[2].state = CHUNK_BUSY;
    p.chunks[3].whole = false;
    p.chunks[4].addr = NULL;
    place_touch_ahead(&p);
    assert_int_equal(touched(CHUNK_GFNS, 2 * CHUNK_GFNS), CHUNK_GFNS);
    assert_int_equal(touched(2 * CHUNK_GFNS, 5 * CHUNK_GFNS), 0);
    assert_int_equal(touched(hole, hole + 3), 0);
    assert_int_equal(touched(5 * CHUNK_GFNS, NR), NR - 5 * CHUNK_GFNS - 3);
}

static void it_ends_when_told(void **state)
{
    (void)state;
    p.stop = true;
    place_touch_ahead(&p);
    assert_int_equal(touched(0, NR), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_beyond_the_lane, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(not_what_lanes_have_passed,
                                        make_place, drop_place),
        cmocka_unit_test_setup_teardown(not_what_is_not_there, make_place,
                                        drop_place),
        cmocka_unit_test_setup_teardown(it_ends_when_told, make_place,
                                        drop_place),
    };

    return cmocka_run_group_tests_name("place_touch", tests, NULL, NULL);
}
