/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Old decisions: the journal of a migration that was armed and ABANDONED
 * stays, as its source may still ask, perhaps after days.  One that has its
 * answer does not say so; so the oldest go when there are many.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"

struct old
{
    uint8_t id[IDENT_BYTES];
    struct timespec changed;
};

static int newest_first(const void *pa, const void *pb)
{
    const struct timespec *a = &((const struct old *)pa)->changed;
    const struct timespec *b = &((const struct old *)pb)->changed;

    if ( a->tv_sec != b->tv_sec )
        return a->tv_sec < b->tv_sec ? 1 : -1;

    return a->tv_nsec < b->tv_nsec ? 1 : a->tv_nsec > b->tv_nsec ? -1 : 0;
}

/* Unless somebody has it in hand, or it is another by now. */
static void remove_one(const char *dir, const uint8_t id[IDENT_BYTES])
{
    struct journal *j;

    if ( journal_open(dir, id, JOURNAL_DESTINATION, NULL, &j) )
        return;
    if ( !journal_claim(j, NULL) && journal_state(j) == JOURNAL_ABANDONED )
        journal_remove(j, NULL);
    journal_close(j);
}

int journal_prune(const char *dir, size_t keep, struct err *e)
{
    struct journal_entry *list = NULL;
    struct old *old = NULL;
    size_t nr, nr_old = 0, i;
    int rc;

    rc = journal_list(dir, false, e, &list, &nr);
    if ( rc || nr <= keep )
        goto out;
    old = calloc(nr, sizeof(*old));
    if ( !old )
    {
        rc = err_set(e, -ENOMEM, "prune the journals in %s: %s", dir,
                     err_text(-ENOMEM));
        goto out;
    }
    for ( i = 0; i < nr; i++ )
        if ( !list[i].error && list[i].info.role == JOURNAL_DESTINATION &&
             list[i].state == JOURNAL_ABANDONED )
        {
            old[nr_old].changed = list[i].changed;
            memcpy(old[nr_old++].id, list[i].info.id, IDENT_BYTES);
        }
    qsort(old, nr_old, sizeof(*old), newest_first);
    for ( i = keep; i < nr_old; i++ )
        remove_one(dir, old[i].id);

 out:
    free(old);
    free(list);

    return rc;
}
