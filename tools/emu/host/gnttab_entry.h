/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The protocol of one version 1 grant table: who may use an entry, and the
 * GTF_reading and GTF_writing bits that keep the granting domain from taking
 * it back.  Knows no memory but the table.  The caller locks; the granting
 * domain does not, so entries are only touched by atomic instructions.
 */
#ifndef XMIG_EMU_GNTTAB_ENTRY_H
#define XMIG_EMU_GNTTAB_ENTRY_H

#include <stdbool.h>
#include <stdint.h>

/* What is in use, kept outside the guest's reach. */
struct grant_active
{
    uint32_t readers, writers;   /* uses that only read; that may write */
    uint32_t user_domid;         /* while in use */
    uint64_t gfn;                /* while in use: what was granted then */
    uint64_t mfn;
};

struct grant_table
{
    void *entries;               /* struct grant_entry_v1[nr] */
    unsigned int nr;
    struct grant_active *active; /* [nr] */
};

static inline bool grant_in_use(const struct grant_active *a)
{
    return a->readers || a->writers;
}

/*
 * Begin to use an entry for domid.  Returns GNTST_okay, GNTST_bad_gntref or
 * GNTST_permission_denied.  *ret_first: nobody used it before, so gfn in the
 * active entry is fresh and the caller must fill in mfn (or end the use).
 */
int16_t gnttab_entry_begin(struct grant_table *t, uint32_t ref,
                           uint32_t domid, bool write, bool *ret_first);
void gnttab_entry_end(struct grant_table *t, uint32_t ref, bool write);

#endif
