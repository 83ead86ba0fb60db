/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Time: uint64_t microseconds of CLOCK_MONOTONIC, everywhere.  No other file
 * reads a clock, so that a test can put its own in place.
 *
 * A deadline is a point of that time; DEADLINE_NEVER does not come.
 */
#ifndef XMIG_CLOCK_H
#define XMIG_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#define DEADLINE_NEVER UINT64_MAX

#define US_PER_MS 1000ull
#define US_PER_S  1000000ull

/* Microseconds now. */
uint64_t clock_now_us(void);

/* The calling thread's and the process's CPU time, microseconds. */
uint64_t clock_thread_cpu_us(void);
uint64_t clock_process_cpu_us(void);

/* now + us without overflow; DEADLINE_NEVER for DEADLINE_NEVER. */
uint64_t deadline_in(uint64_t us);
/* Microseconds left, 0 when it has come, UINT64_MAX for never. */
uint64_t deadline_left_us(uint64_t deadline_us);
static inline bool deadline_passed(uint64_t deadline_us)
{
    return deadline_left_us(deadline_us) == 0;
}
/* What is left, for poll(): rounded up, -1 for never. */
int deadline_poll_ms(uint64_t deadline_us);
/* What is left, for ppoll(): NULL for never, else filled *ts. */
const struct timespec *deadline_left_ts(uint64_t deadline_us,
                                        struct timespec *ts);
/*
 * The deadline itself, for pthread_cond_clockwait(.., CLOCK_MONOTONIC, ..):
 * far in the future for never.
 */
struct timespec deadline_abs_ts(uint64_t deadline_us);

/*
 * Tests: now() in place of the clock; NULL puts the real one back.  Waits
 * still pass in real time.
 */
void clock_hook_set(uint64_t (*now)(void));

#endif
