/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The clock and deadlines.
 */
#include "clock.h"

#include <stddef.h>

/* Far enough for "never", near enough for every time type. */
#define NEVER_S (100ll * 365 * 24 * 3600)

static uint64_t (*_Atomic hook)(void);

void clock_hook_set(uint64_t (*now)(void))
{
    hook = now;
}

static uint64_t read_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);

    return (uint64_t)ts.tv_sec * US_PER_S + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t clock_now_us(void)
{
    uint64_t (*now)(void) = hook;

    return now ? now() : read_us(CLOCK_MONOTONIC);
}

uint64_t clock_thread_cpu_us(void)
{
    return read_us(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t clock_process_cpu_us(void)
{
    return read_us(CLOCK_PROCESS_CPUTIME_ID);
}

uint64_t deadline_in(uint64_t us)
{
    uint64_t now = clock_now_us();

    return us >= DEADLINE_NEVER - now ? DEADLINE_NEVER : now + us;
}

uint64_t deadline_left_us(uint64_t deadline_us)
{
    uint64_t now;

    if ( deadline_us == DEADLINE_NEVER )
        return UINT64_MAX;
    now = clock_now_us();

    return deadline_us > now ? deadline_us - now : 0;
}

int deadline_poll_ms(uint64_t deadline_us)
{
    uint64_t left = deadline_left_us(deadline_us);

    if ( left == UINT64_MAX )
        return -1;
    if ( left > 1000000000ull * US_PER_MS )
        return 1000000000;

    return (int)((left + US_PER_MS - 1) / US_PER_MS);
}

const struct timespec *deadline_left_ts(uint64_t deadline_us,
                                        struct timespec *ts)
{
    uint64_t left = deadline_left_us(deadline_us);

    if ( left == UINT64_MAX )
        return NULL;
    ts->tv_sec = (time_t)(left / US_PER_S);
    ts->tv_nsec = (long)(left % US_PER_S) * 1000;

    return ts;
}

struct timespec deadline_abs_ts(uint64_t deadline_us)
{
    struct timespec ts;
    uint64_t at = deadline_us;

    if ( at / US_PER_S > NEVER_S )
        at = NEVER_S * US_PER_S;
    ts.tv_sec = (time_t)(at / US_PER_S);
    ts.tv_nsec = (long)(at % US_PER_S) * 1000;

    return ts;
}
