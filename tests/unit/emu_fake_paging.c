/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A host that never switches absent pages on, for units below paging.c.
 */
#include "paging.h"

void paging_mapped(struct domain *d, uint64_t first, uint64_t nr)
{
    (void)d;
    (void)first;
    (void)nr;
}

void paging_gone(struct domain *d, uint32_t e)
{
    (void)d;
    (void)e;
}

bool paging_fault(struct vcpu *v, uint64_t gfn)
{
    (void)v;
    (void)gfn;
    return false;
}

void paging_ask(struct domain *d, uint64_t gfn)
{
    (void)d;
    (void)gfn;
}

void paging_notify(struct domain *d)
{
    (void)d;
}

void paging_dropped(struct domain *d, const uint64_t *gfns, unsigned int n)
{
    (void)d;
    (void)gfns;
    (void)n;
}
