/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Uses of version 1 grant entries; see gnttab_entry.h.
 */
#include <stddef.h>
#include <xenctrl.h>
#include <xen/grant_table.h>

#include "gnttab_entry.h"

/* Flags and domid are changed together, as Xen does: one 32-bit word. */
_Static_assert(sizeof(grant_entry_v1_t) == 8 &&
               offsetof(grant_entry_v1_t, domid) == 2, "entry layout");

static uint32_t *word_of(struct grant_table *t, uint32_t ref)
{
    return (uint32_t *)&((grant_entry_v1_t *)t->entries)[ref];
}

/* Sets bits while the entry grants domid what it asks for. */
static int16_t claim(struct grant_table *t, uint32_t ref, uint32_t domid,
                     bool write)
{
    uint32_t *word = word_of(t, ref), old, new;

    old = __atomic_load_n(word, __ATOMIC_ACQUIRE);
    do {
        if ( (old & GTF_type_mask) != GTF_permit_access )
            return GNTST_bad_gntref;
        if ( old >> 16 != domid || (write && (old & GTF_readonly)) )
            return GNTST_permission_denied;
        new = old | GTF_reading | (write ? GTF_writing : 0);
    } while ( !__atomic_compare_exchange_n(word, &old, new, false,
                                           __ATOMIC_ACQ_REL,
                                           __ATOMIC_ACQUIRE) );

    return GNTST_okay;
}

int16_t gnttab_entry_begin(struct grant_table *t, uint32_t ref,
                           uint32_t domid, bool write, bool *ret_first)
{
    struct grant_active *a;
    bool first;
    int16_t st;

    if ( ref >= t->nr )
        return GNTST_bad_gntref;
    a = &t->active[ref];
    first = !grant_in_use(a);
    if ( first )
    {
        st = claim(t, ref, domid, write);
        if ( st != GNTST_okay )
            return st;
        a->gfn = __atomic_load_n(
            &((grant_entry_v1_t *)t->entries)[ref].frame, __ATOMIC_ACQUIRE);
        a->user_domid = domid;
    }
    else
    {
        /* What counts is what was granted when the first use began. */
        if ( a->user_domid != domid )
            return GNTST_permission_denied;
        if ( write && !a->writers )
        {
            st = claim(t, ref, domid, true);
            if ( st != GNTST_okay )
                return st;
        }
    }
    if ( write )
        a->writers++;
    else
        a->readers++;
    *ret_first = first;

    return GNTST_okay;
}

void gnttab_entry_end(struct grant_table *t, uint32_t ref, bool write)
{
    struct grant_active *a = &t->active[ref];
    uint32_t clear = 0;

    if ( write )
        a->writers--;
    else
        a->readers--;
    if ( write && !a->writers )
        clear |= GTF_writing;
    if ( !grant_in_use(a) )
        clear |= GTF_reading;
    if ( clear )
        __atomic_and_fetch(word_of(t, ref), ~clear, __ATOMIC_ACQ_REL);
}
