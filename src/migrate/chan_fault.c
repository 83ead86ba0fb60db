/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The channels' fault plan.
 */
#include "chan_fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

static atomic_bool armed;
static _Atomic uint64_t want_read, want_write, nr_read, nr_write;

void chan_fault_plan(uint64_t nth_read, uint64_t nth_write)
{
    armed = false;
    nr_read = 0;
    nr_write = 0;
    want_read = nth_read;
    want_write = nth_write;
    armed = true;
}

uint64_t chan_fault_reads(void)
{
    return nr_read;
}

uint64_t chan_fault_writes(void)
{
    return nr_write;
}

int chan_fault_read(void)
{
    if ( !atomic_load_explicit(&armed, memory_order_relaxed) )
        return 0;

    return atomic_fetch_add(&nr_read, 1) + 1 == want_read ? -ECONNRESET : 0;
}

int chan_fault_write(void)
{
    if ( !atomic_load_explicit(&armed, memory_order_relaxed) )
        return 0;

    return atomic_fetch_add(&nr_write, 1) + 1 == want_write ? -ECONNRESET : 0;
}
