/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The domain that is described to the other end: a real one of this host,
 * which is only looked at.
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer.h"
#include "store.h"

void subject_init(struct peer *p)
{
    struct toolstack t = { 0 };
    struct store *st = NULL;
    uint64_t nr;
    int rc;

    rc = hv_open(NULL, &p->err, &p->hv);
    if ( !rc )
        rc = store_open(&p->err, &st);
    t.hv = p->hv;
    t.store = st;
    if ( !rc )
        rc = describe(&t, &p->err, p->domid, &p->desc);
    if ( !rc )
    {
        store_close(st);
        nr = p->desc.domain.nr_gfns;
        rc = pageset_init(&p->present, nr);
        if ( !rc )
            rc = hv_page_types(p->hv, &p->err, p->domid, 0, nr, &p->present,
                               NULL);
    }
    if ( !rc )
        rc = hv_tsc_get(p->hv, &p->err, p->domid, &p->tsc);
    if ( !rc )
        rc = hv_context_get(p->hv, &p->err, p->domid, &p->context,
                            &p->context_len);
    if ( rc )
        bad_script("domain %u: %s", p->domid, p->err.rec.text);
    /* What is told is another domain. */
    ident_random(p->desc.domain.uuid);
    snprintf(p->desc.domain.name, sizeof(p->desc.domain.name), "evil");
    p->desc.domain.populated_pages = p->present.count;
}

void subject_done(struct peer *p)
{
    if ( !p->hv )
        return;
    free(p->context);
    pageset_done(&p->present);
    describe_done(&p->desc);
    hv_close(p->hv);
}
