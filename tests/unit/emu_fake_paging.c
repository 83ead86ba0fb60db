/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host that never keeps pages from its guest, for units below paging.c and
 * watch.c.
 */
#include <errno.h>

#include "paging.h"
#include "touch.h"
#include "vm_event.h"
#include "watch.h"

void watch_mapped(struct domain *d, uint64_t first, uint64_t nr)
{
    (void)d;
    (void)first;
    (void)nr;
}

int watch_map(struct domain *d, uint64_t first, uint64_t nr, uint64_t mfn)
{
    (void)d;
    (void)first;
    (void)nr;
    (void)mfn;
    return -ENOSYS;
}

void paging_gone(struct domain *d, uint32_t e)
{
    (void)d;
    (void)e;
}

bool guest_touch(struct vcpu *v, const struct touch *t)
{
    (void)v;
    (void)t;
    return false;
}

void paging_ask(struct domain *d, uint64_t gfn)
{
    (void)d;
    (void)gfn;
}

void vm_event_notify(struct domain *d)
{
    (void)d;
}

void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n)
{
    (void)d;
    (void)gfns;
    (void)n;
}
