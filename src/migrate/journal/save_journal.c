/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The journal of a save: see save_journal.h.  It is a source's that has no
 * peer to ask: until WRITTEN the guest is this host's, and behind it, the
 * file's.
 */
#include "save_journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "recover.h"

static int fill(struct session *s, const struct description *desc,
                struct journal_info *info)
{
    int rc = session_host(s);

    if ( !rc )
        rc = ident_random(info->id);
    if ( rc )
        return rc;
    memcpy(info->uuid, desc->domain.uuid, sizeof(info->uuid));
    memcpy(info->boot, s->boot, sizeof(info->boot));
    snprintf(info->name, sizeof(info->name), "%s", desc->domain.name);

    return 0;
}

int save_journal_begin(struct xmig *x, uint32_t domid,
                       const struct description *desc,
                       struct journal **ret_j)
{
    struct journal_info info = { .role = JOURNAL_SOURCE, .domid = domid };
    struct journal *j = NULL;
    struct session s;
    int rc;

    session_init(&s, x, true);
    s.err = &x->err;
    s.stop = &x->stop;
    s.stats = &x->stats;
    s.domid = domid;
    rc = fill(&s, desc, &info);
    if ( !rc )
        rc = recover_check_free(&s, info.uuid);
    if ( !rc )
        rc = journal_create(s.state_dir, &info, s.err, &j);
    if ( !rc )
        rc = journal_claim(j, s.err);
    if ( !rc )
        rc = journal_append(j, JOURNAL_PREPARING, false, s.err);
    if ( rc )
    {
        journal_close(j);
        return rc;
    }
    *ret_j = j;

    return 0;
}

int save_journal_suspending(struct journal *j, struct err *e)
{
    return journal_append(j, JOURNAL_SUSPENDING, false, e);
}

int save_journal_written(struct journal *j, struct err *e)
{
    return journal_append(j, JOURNAL_WRITTEN, true, e);
}

void save_journal_end(struct journal *j, bool gone, bool suspended,
                      bool asked)
{
    if ( !j )
        return;
    if ( asked && !suspended && !gone )
        journal_append(j, JOURNAL_WITHDRAWN, true, NULL);
    else if ( !suspended &&
              !journal_append(j, gone ? JOURNAL_DONE : JOURNAL_RESUMED, true,
                              NULL) )
        journal_remove(j, NULL);
    journal_close(j);
}
