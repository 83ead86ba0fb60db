/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Between sched.c and sched_fault.c.
 */
#ifndef XMIG_EMU_SCHED_PRIV_H
#define XMIG_EMU_SCHED_PRIV_H

#include "host.h"

/* What crash_jmp brings instead of a signal when the step was given up. */
#define LEAVE_STEP 1000

/* sched_lock held. */
bool vcpu_runnable(const struct vcpu *v);
/* If nothing steps any more, a shutdown is complete.  No lock held. */
void sched_finish_shutdown(struct domain *d);

#endif
