/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The guest's frame allocator.
 *
 * LINK: tools/emu/guest/frames.c
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernel.h"

#define LOW  600u
#define HIGH 300u
#define HIGH_GFN 0x400u
#define BOOT 0x30u

static struct guest_env env;

static int boot(void **state)
{
    struct kernel *k;

    (void)state;
    env.nr_gfns = HIGH_GFN + HIGH;
    env.mem = aligned_alloc(GUEST_PAGE_SIZE, env.nr_gfns * GUEST_PAGE_SIZE);
    assert_non_null(env.mem);
    memset(env.mem, 0xc2, env.nr_gfns * GUEST_PAGE_SIZE);
    k = kernel_get(&env);
    memset(k, 0, sizeof(*k));
    k->ram_pages = LOW + HIGH;
    k->low_pages = LOW;
    k->high_gfn = HIGH_GFN;
    k->boot_gfn = BOOT;
    k->frames_gfn = KERNEL_END_GFN;
    k->reserved_end = KERNEL_END_GFN + frames_desc_pages(k->ram_pages);
    frames_add_range(&env, 500, LOW + HIGH);
    frames_add_range(&env, 0, 500);
    return 0;
}

static int end(void **state)
{
    (void)state;
    free(env.mem);
    return 0;
}

static void each_frame_is_given_once(void **state)
{
    struct kernel *k = kernel_get(&env);
    uint8_t seen[HIGH_GFN + HIGH] = { 0 };
    /* But for the boot page, the shared info page and the kernel's. */
    uint64_t total = LOW + HIGH - 2 - (k->reserved_end - KERNEL_GFN);
    uint64_t gfn, last = 0, n = 0;
    int rc;

    (void)state;
    assert_int_equal(frames_nr_free(&env), total);
    while ( !(rc = frame_alloc(&env, 3, &gfn)) )
    {
        assert_true(gfn < LOW || (gfn >= HIGH_GFN && gfn < HIGH_GFN + HIGH));
        assert_int_not_equal(gfn, BOOT);
        assert_int_not_equal(gfn, SHARED_INFO_GFN);
        assert_false(gfn >= KERNEL_GFN && gfn < k->reserved_end);
        assert_false(seen[gfn]);
        assert_true(n == 0 || gfn > last);      /* ascending at first */
        assert_int_equal(frame_get(&env, gfn)->kind, FRAME_USED);
        assert_int_equal(frame_get(&env, gfn)->owner, 3);
        seen[gfn] = 1;
        last = gfn;
        n++;
    }
    assert_int_equal(rc, -ENOMEM);
    assert_int_equal(n, total);
    assert_int_equal(last, HIGH_GFN + HIGH - 1);
    assert_int_equal(frames_nr_free(&env), 0);
}

static void freed_frame_comes_back(void **state)
{
    uint64_t a, b, c;

    (void)state;
    assert_int_equal(frame_alloc(&env, 1, &a), 0);
    assert_int_equal(frame_alloc(&env, 1, &b), 0);
    assert_int_equal(frame_free(&env, a), 0);
    assert_int_equal(frame_get(&env, a)->kind, FRAME_FREE);
    assert_int_equal(frame_alloc(&env, 1, &c), 0);
    assert_int_equal(c, a);
}

static void wrong_frees_are_refused(void **state)
{
    uint64_t a;

    (void)state;
    assert_int_equal(frame_alloc(&env, 1, &a), 0);
    assert_int_equal(frame_free(&env, a), 0);
    assert_int_equal(frame_free(&env, a), -EINVAL);         /* twice */
    assert_int_equal(frame_free(&env, KERNEL_GFN), -EINVAL);
    assert_int_equal(frame_free(&env, LOW), -EINVAL);       /* the hole */
    assert_int_equal(frame_free(&env, HIGH_GFN + HIGH), -EINVAL);
    assert_null(frame_get(&env, LOW));
    assert_null(frame_get(&env, HIGH_GFN + HIGH));
}

static void held_lock_is_told_not_waited_for(void **state)
{
    uint64_t a, b;

    (void)state;
    assert_int_equal(frame_alloc(&env, 1, &a), 0);
    kernel_get(&env)->frames_lock = 1;
    assert_int_equal(frame_alloc(&env, 1, &b), -EAGAIN);
    assert_int_equal(frame_free(&env, a), -EAGAIN);
    kernel_get(&env)->frames_lock = 0;
    assert_int_equal(frame_free(&env, a), 0);
}

static void *take_and_give(void *arg)
{
    unsigned int i;

    for ( i = 0; i < 20000; i++ )
    {
        uint64_t gfn;
        int rc;

        do
            rc = frame_alloc(&env, 1, &gfn);
        while ( rc == -EAGAIN );
        if ( rc )
            return arg;
        *(uint64_t *)guest_page(&env, gfn) = i;
        do
            rc = frame_free(&env, gfn);
        while ( rc == -EAGAIN );
        if ( rc )
            return arg;
    }
    return NULL;
}

static void vcpus_share_it(void **state)
{
    uint64_t before = frames_nr_free(&env);
    pthread_t thread[3];
    unsigned int i;
    void *failed;

    (void)state;
    for ( i = 0; i < 3; i++ )
        assert_int_equal(pthread_create(&thread[i], NULL, take_and_give,
                                        thread), 0);
    for ( i = 0; i < 3; i++ )
    {
        assert_int_equal(pthread_join(thread[i], &failed), 0);
        assert_null(failed);
    }
    assert_int_equal(frames_nr_free(&env), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, boot, end)

int main(void)
{
    const struct CMUnitTest tests[] =
    {
        TEST(each_frame_is_given_once),
        TEST(freed_frame_comes_back),
        TEST(wrong_frees_are_refused),
        TEST(held_lock_is_told_not_waited_for),
        TEST(vcpus_share_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
