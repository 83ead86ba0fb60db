/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The channels' fault plan.
 */
#include "chan_fault.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>

static atomic_bool armed;
static _Atomic uint64_t want_read, want_write, nr_read, nr_write;
static _Atomic enum chan_fault_how how_now;

void chan_fault_plan(uint64_t nth_read, uint64_t nth_write)
{
    armed = false;
    nr_read = 0;
    nr_write = 0;
    want_read = nth_read;
    want_write = nth_write;
    armed = true;
}

void chan_fault_how(enum chan_fault_how how)
{
    how_now = how;
}

uint64_t chan_fault_reads(void)
{
    return nr_read;
}

uint64_t chan_fault_writes(void)
{
    return nr_write;
}

static int hit(int closed)
{
    enum chan_fault_how how = how_now;

    switch ( how )
    {
    case CHAN_FAULT_KILL:
        raise(SIGKILL);
        break;

    case CHAN_FAULT_CLOSED:
        return closed;

    case CHAN_FAULT_RESET:
        break;
    }

    return -ECONNRESET;
}

int chan_fault_read(void)
{
    if ( !atomic_load_explicit(&armed, memory_order_relaxed) )
        return 0;

    return atomic_fetch_add(&nr_read, 1) + 1 == want_read ? hit(-ENODATA) : 0;
}

int chan_fault_write(void)
{
    if ( !atomic_load_explicit(&armed, memory_order_relaxed) )
        return 0;

    return atomic_fetch_add(&nr_write, 1) + 1 == want_write ? hit(-EPIPE) : 0;
}
