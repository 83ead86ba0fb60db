/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A vCPU touches a page that has no page-table entry.
 */
#ifndef XMIG_EMU_TOUCH_H
#define XMIG_EMU_TOUCH_H

#include "host.h"

struct touch
{
    uint64_t gfn;
    uint32_t offset;             /* in the page */
    bool write;
};

enum touched
{
    TOUCH_AGAIN,                 /* it will go well now */
    TOUCH_ASKED,                 /* wait until the request is answered */
    TOUCH_FULL,                  /* wait for room in the ring */
    TOUCH_CRASH,
};

/*
 * The guest's thread touched a page and got a signal.  True: try again.
 * May leave the step by a jump (vcpu_fault_end()).
 */
bool guest_touch(struct vcpu *v, const struct touch *t);

#endif
