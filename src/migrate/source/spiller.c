/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The thread that writes a spill: see spiller.h.
 */
#include "spiller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "holdmap.h"

struct spiller
{
    /* set at the start, then read-only */
    struct session *s;
    char *dir;
    pthread_t thread;
    bool made;
    struct pageset left;
    struct holdmap *map;

    struct spill_writer *out;    /* the thread's, once it runs */
    struct err err;
    _Atomic bool quit;
    _Atomic uint64_t durable;    /* pages */
    _Atomic int state;           /* enum xmig_spill */
};

static void give_up(struct spiller *sp, int rc)
{
    struct xmig_error rec;

    err_copy(&sp->err, &rec);
    LOG_WARN(sp->s->logger, "%s; the migration goes on without a spill: the "
             "guest needs this host until all of it is there",
             rec.code ? rec.text : err_text(rc));
    sp->state = XMIG_SPILL_FAILED;
}

struct spiller *spiller_open(struct session *s, const char *dir)
{
    struct spiller *sp = calloc(1, sizeof(*sp));
    int rc = -ENOMEM;

    if ( !sp )
    {
        LOG_WARN(s->logger, "no memory for a spill");
        return NULL;
    }
    err_init(&sp->err);
    sp->s = s;
    sp->dir = strdup(dir);
    sp->state = XMIG_SPILL_WRITING;
    if ( sp->dir )
        rc = spill_create(dir, s->id, s->nr_gfns, &sp->err, &sp->out);
    if ( rc )
        give_up(sp, rc);

    return sp;
}

/* ---- The thread --------------------------------------------------------- */

static int write_page(struct spiller *sp, uint64_t gfn)
{
    const uint8_t *page;
    int rc = holdmap_page(sp->map, &sp->err, gfn, &page);

    if ( !rc )
        rc = spill_put(sp->out, &sp->err, gfn, page ? WIRE_KIND_DATA
                                                    : WIRE_KIND_HOLE, page);
    sp->durable = spill_durable(sp->out);

    return rc;
}

static int write_all(struct spiller *sp)
{
    uint64_t chunk = (sp->left.nr_gfns + CHUNK_GFNS - 1) / CHUNK_GFNS;
    uint64_t gfn, end;
    int rc = 0;

    while ( !rc && chunk-- )
    {
        end = (chunk + 1) * CHUNK_GFNS;
        if ( end > sp->left.nr_gfns )
            end = sp->left.nr_gfns;
        for ( gfn = chunk * CHUNK_GFNS; !rc && gfn < end && !sp->quit;
              gfn++ )
            if ( pageset_test(&sp->left, gfn) )
                rc = write_page(sp, gfn);
    }
    if ( !rc && !sp->quit )
        rc = spill_finish(sp->out, &sp->err);
    sp->durable = spill_durable(sp->out);

    return rc;
}

static void *spiller_main(void *arg)
{
    struct spiller *sp = arg;
    int rc = write_all(sp);

    if ( rc )
        give_up(sp, rc);
    else if ( !sp->quit )
    {
        sp->state = XMIG_SPILL_WHOLE;
        LOG_INFO(sp->s->logger, "the spill in %s is whole: %lu pages",
                 sp->dir, (unsigned long)sp->durable);
    }

    return NULL;
}

/* ---- Engine's thread ---------------------------------------------------- */

void spiller_start(struct spiller *sp, const struct pageset *left)
{
    struct session *s = sp->s;
    int rc;

    if ( sp->state != XMIG_SPILL_WRITING || sp->made )
        return;
    rc = pageset_init(&sp->left, left->nr_gfns);
    if ( !rc )
    {
        pageset_copy(&sp->left, left);
        rc = holdmap_open(s->hv, &sp->err, s->domid, s->nr_gfns, &sp->map);
    }
    if ( !rc )
    {
        rc = -pthread_create(&sp->thread, NULL, spiller_main, sp);
        sp->made = !rc;
    }
    if ( rc )
        give_up(sp, rc);
}

void spiller_figures(struct spiller *sp, struct xmig_stats *now)
{
    if ( !sp )
        return;
    now->postcopy_spilled = sp->durable;
    now->postcopy_spill = (enum xmig_spill)sp->state;
}

void spiller_wait(struct spiller *sp)
{
    if ( sp && sp->made )
        pthread_join(sp->thread, NULL);
    if ( sp )
        sp->made = false;
}

void spiller_close(struct spiller *sp, bool keep)
{
    if ( !sp )
        return;
    sp->quit = true;
    spiller_wait(sp);
    if ( sp->out && !keep && spill_remove(sp->dir, sp->s->id, &sp->err) )
        LOG_WARN(sp->s->logger, "%s", sp->err.rec.text);
    spill_close(sp->out);
    holdmap_close(sp->map);
    pageset_done(&sp->left);
    err_done(&sp->err);
    free(sp->dir);
    free(sp);
}
