/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The balloon, in two independent halves.
 *
 * The driver follows memory/target (KiB) as Linux's does: it gives free
 * frames up, or takes given-up ones back, and tries again later when it gets
 * stuck.  The offset between what the toolstack calls the guest's memory
 * and the pages it really has is learnt from memory/static-max at the start.
 *
 * The self-driven half is for tests: balloon=SIZE pages of the check table go
 * out and come back every balloon-period, and are written anew each time.
 * Whoever kept an old mapping of such a frame, or missed that a gfn came
 * back, is found out.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include "check.h"
#include "internal.h"
#include "xenbus.h"

#define BATCH          16u       /* frames in a step */
#define DEFAULT_US     100000u
#define RETRY_FIRST_US 1000000u
#define RETRY_MAX_US   32000000u

enum { READ_STATIC_MAX, READ_TARGET };
enum { TIMER_RETRY, TIMER_SELF };

struct balloon
{
    /* driver */
    uint64_t nr_out;             /* frames given up */
    uint64_t want_out;
    uint64_t static_max_pages;   /* 0: not known yet */
    uint64_t retry_us;           /* 0: not stuck */
    uint32_t out_head;           /* frame index + 1 */
    uint32_t stuck;              /* waits for the timer */
    /* self-driven */
    uint64_t period_us;
    uint64_t cursor;
    uint32_t self_out;           /* direction of the pass: 1 out, 0 in */
    uint32_t self_busy;          /* a pass is under way */
};

const char *const balloon_options[] =
{
    "balloon", "balloon-period", NULL,
};

static struct balloon *balloon_get(const struct guest_env *env)
{
    return guest_page(env, KERNEL_BALLOON_GFN);
}

/* ---- memory/target ----------------------------------------------------- */

static void retry_later(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);

    b->retry_us = b->retry_us ? b->retry_us * 2 : RETRY_FIRST_US;
    if ( b->retry_us > RETRY_MAX_US )
        b->retry_us = RETRY_MAX_US;
    b->stuck = !timer_set(env, FN_balloon_on_timer, TIMER_RETRY,
                          guest_now_us(env) + b->retry_us);
}

void balloon_on_watch(struct guest_env *env, uint32_t arg,
                      const struct xenbus_msg *msg)
{
    struct balloon *b = balloon_get(env);

    (void)arg;
    (void)msg;
    if ( !b->static_max_pages )
        xenbus_read(env, 0, "memory/static-max", FN_balloon_on_read,
                    READ_STATIC_MAX);
    xenbus_read(env, 0, "memory/target", FN_balloon_on_read, READ_TARGET);
}

void balloon_on_read(struct guest_env *env, uint32_t arg,
                     const struct xenbus_msg *msg)
{
    struct balloon *b = balloon_get(env);
    uint64_t pages;

    if ( msg->error )
        return;                  /* no such node: stay as we are */
    pages = strtoull(msg->data, NULL, 10) / (GUEST_PAGE_SIZE / 1024);
    if ( arg == READ_STATIC_MAX )
    {
        b->static_max_pages = pages;
        return;
    }
    if ( !b->static_max_pages )
        b->static_max_pages = pages;
    b->want_out = pages < b->static_max_pages ? b->static_max_pages - pages
                                              : 0;
    b->retry_us = 0;
    b->stuck = 0;
}

static void give_up_some(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);
    struct kernel *k = kernel_get(env);
    uint64_t gfns[BATCH];
    unsigned int n = 0, i;
    int rc = 0;

    while ( n < BATCH && b->nr_out + n < b->want_out )
    {
        rc = frame_alloc(env, 0, &gfns[n]);
        if ( rc )
            break;
        n++;
    }
    if ( n && env->hv->decrease_reservation(env, gfns, n) )
    {
        /* Refused, which is rare; the lock is never held for long. */
        for ( i = 0; i < n; i++ )
            while ( frame_free(env, gfns[i]) == -EAGAIN )
                ;
        n = 0;
        rc = -ENOMEM;
    }
    for ( i = 0; i < n; i++ )
    {
        struct frame *f = frame_get(env, gfns[i]);

        f->kind = FRAME_BALLOON;
        f->next = b->out_head;
        b->out_head = frame_index_of_gfn(k, gfns[i]) + 1;
        b->nr_out++;
    }
    if ( rc == -ENOMEM )
        retry_later(env);
}

static void take_back_some(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);
    struct kernel *k = kernel_get(env);
    uint64_t gfns[BATCH];
    uint32_t at = b->out_head;
    unsigned int n, i;
    int done;

    for ( n = 0; n < BATCH && at && b->nr_out - n > b->want_out; n++ )
    {
        gfns[n] = frame_gfn_of_index(k, at - 1);
        at = frame_get(env, gfns[n])->next;
    }
    done = env->hv->populate_physmap(env, gfns, n);
    for ( i = 0; done > 0 && i < (unsigned int)done; i++ )
    {
        uint32_t next = frame_get(env, gfns[i])->next;

        if ( frame_free(env, gfns[i]) )
        {
            /* The lock was busy: the frame is back, only not yet free. */
            env->hv->decrease_reservation(env, gfns + i, done - i);
            return;
        }
        b->out_head = next;
        b->nr_out--;
    }
    if ( done < (int)n )
        retry_later(env);
}

/* ---- self-driven ------------------------------------------------------- */

int balloon_plan(struct guest_env *env, uint64_t *ret_pages)
{
    const char *cmdline = kernel_get(env)->cmdline;
    struct balloon *b = balloon_get(env);
    uint64_t bytes = 0;
    int rc = cmdline_bytes(cmdline, "balloon", &bytes);

    if ( rc && rc != -ENOENT )
        return rc;
    b->period_us = DEFAULT_US;
    rc = cmdline_us(cmdline, "balloon-period", &b->period_us);
    if ( rc && rc != -ENOENT )
        return rc;
    *ret_pages = bytes / GUEST_PAGE_SIZE;
    return 0;
}

static void self_later(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);

    timer_set(env, FN_balloon_on_timer, TIMER_SELF,
              guest_now_us(env) + b->period_us);
}

/* One batch of the pass under way. */
static void self_some(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);
    uint64_t gfns[BATCH];
    uint64_t nr = check_nr_balloon(env);
    int n, done, i;

    for ( n = 0; n < (int)BATCH && b->cursor + n < nr; n++ )
    {
        gfns[n] = check_balloon_gfn(env, b->cursor + n);
        /* A page that is given up unseen is never judged: do it now. */
        if ( b->self_out && !check_balloon_out(env, b->cursor + n) )
            return;
    }
    done = n;
    if ( b->self_out )
    {
        int rc = env->hv->decrease_reservation(env, gfns, n);

        if ( rc )
        {
            kernel_bad(env, "balloon: giving up %d frames: error %d", n, -rc);
            return;
        }
    }
    else
        done = env->hv->populate_physmap(env, gfns, n);

    for ( i = 0; !b->self_out && i < done; i++ )
        if ( !check_balloon_in(env, b->cursor + i) )
            return;
    if ( done > 0 )
        b->cursor += done;
    if ( done < n )              /* no memory now: again next period */
        b->self_busy = 0;
    else if ( b->cursor == nr )
    {
        b->self_busy = 0;
        b->self_out = !b->self_out;
        b->cursor = 0;
    }
    if ( !b->self_busy )
        self_later(env);
}

/* ---- both -------------------------------------------------------------- */

void balloon_on_timer(struct guest_env *env, uint32_t arg,
                      const struct xenbus_msg *msg)
{
    struct balloon *b = balloon_get(env);

    (void)msg;
    if ( arg == TIMER_RETRY )
        b->stuck = 0;
    else
        b->self_busy = 1;
}

void balloon_init(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);

    if ( xenbus_watch(env, "memory/target", FN_balloon_on_watch, 0) )
        kernel_log(env, "balloon: can't watch memory/target");
    b->self_out = 1;
    if ( check_nr_balloon(env) )
        self_later(env);
}

uint64_t balloon_nr_out(const struct guest_env *env)
{
    return balloon_get(env)->nr_out;
}

bool balloon_poll(struct guest_env *env)
{
    struct balloon *b = balloon_get(env);

    if ( b->self_busy )
        self_some(env);
    if ( !b->stuck && b->nr_out < b->want_out )
        give_up_some(env);
    else if ( !b->stuck && b->nr_out > b->want_out )
        take_back_some(env);
    return b->self_busy || (!b->stuck && b->nr_out != b->want_out);
}
