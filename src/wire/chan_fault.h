/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fault plan of the channels, for tests that link the static library: the
 * Nth read or write (of all channels of the process, counted from 1) fails.
 * Compiled in always, inert unless a plan is set.  Not exported.
 */
#ifndef XMIG_CHAN_FAULT_H
#define XMIG_CHAN_FAULT_H

#include <stdint.h>

enum chan_fault_how
{
    CHAN_FAULT_RESET,            /* -ECONNRESET */
    CHAN_FAULT_CLOSED,           /* the peer has closed: -ENODATA, -EPIPE */
    CHAN_FAULT_KILL,             /* the process ends there, by SIGKILL */
};

/*
 * 0 = none.  A read or write that is hit finds the connection broken, and it
 * is broken for good, as a real one would be.
 */
void chan_fault_plan(uint64_t nth_read, uint64_t nth_write);
/* What happens to the call that is hit; before the plan is set. */
void chan_fault_how(enum chan_fault_how how);
/* Calls since the plan was set. */
uint64_t chan_fault_reads(void);
uint64_t chan_fault_writes(void);

/* For chan.c: 0, or an error when this call is the one. */
int chan_fault_read(void);
int chan_fault_write(void);

#endif
