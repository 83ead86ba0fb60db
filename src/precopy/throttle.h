/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Slowing the guest's vCPUs down by a number of percent of what they use.
 */
#ifndef XMIG_PRECOPY_THROTTLE_H
#define XMIG_PRECOPY_THROTTLE_H

#include "session.h"

struct throttle
{
    uint64_t cpu_ns, at_us;      /* when last looked at */
    unsigned int used_percent;   /* of one CPU, last round, unhindered */
    unsigned int percent;        /* it is slowed down by; 0 = not */
    bool held;                   /* there is something to be put back */
    bool failed;                 /* it can't be done, which has been said */
};

/* -EOPNOTSUPP: it can't be done here. */
int throttle_probe(struct session *s);
/* A round has ended: how much of the CPUs did it use? */
void throttle_look(struct throttle *t, struct session *s);
/* Does nothing if it is so already.  Not 0: it can't be done. */
int throttle_set(struct throttle *t, struct session *s, unsigned int percent);
/* It runs freely again. */
void throttle_end(struct throttle *t, struct session *s);

#endif
