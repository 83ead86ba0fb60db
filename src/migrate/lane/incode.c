/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Unpacking and placing coded batches: see incode.h.
 */
#include "incode.h"

#include <errno.h>
#include <stdlib.h>

#include "delta.h"

#define LENGTH_BYTES 2u          /* before each delta */

static size_t delta_length(const uint8_t *p)
{
    return p[0] | (size_t)p[1] << 8;
}

/* The material as it was before it was packed. */
static int unpack(struct incode *c, const struct wire_coded *h,
                  struct err *e, const uint8_t **ret_plain)
{
    struct zip_unpacker **u = &c->unpackers[h->method];
    int rc = 0;

    if ( h->method == ZIP_NONE )
    {
        *ret_plain = h->data;
        return 0;
    }
    if ( !c->room )
        c->room = aligned_alloc(PAGE_BYTES, WIRE_CODED_PLAIN_MAX);
    if ( !*u )
        rc = zip_unpacker_new((enum zip_method)h->method, u);
    if ( rc || !c->room )
        return err_set(e, -ENOMEM, "unpack pages: %s", err_text(-ENOMEM));
    *ret_plain = c->room;

    return zip_unpack(*u, c->room, h->plain_bytes, h->data, h->coded_bytes,
                      e);
}

/* Every delta of the runs is there, and nothing behind them. */
static int check_deltas(const struct incode *c, const struct wire_run *runs,
                        uint32_t nr_runs, struct err *e)
{
    const uint8_t *p = c->deltas, *end = p + c->delta_bytes;
    uint32_t i, k;
    size_t len;
    int rc;

    for ( i = 0; i < nr_runs; i++ )
    {
        if ( runs[i].kind != WIRE_KIND_DELTA )
            continue;
        for ( k = 0; k < runs[i].count; k++ )
        {
            if ( (size_t)(end - p) < LENGTH_BYTES )
                return err_set(e, -EPROTO, "CODED: run %u: there is nothing "
                               "for gfn %#lx", i,
                               (unsigned long)runs[i].gfn + k);
            len = delta_length(p);
            p += LENGTH_BYTES;
            if ( len > (size_t)(end - p) )
                return err_set(e, -EPROTO, "CODED: run %u: the delta of gfn "
                               "%#lx is cut off", i,
                               (unsigned long)runs[i].gfn + k);
            rc = delta_check(p, len, e);
            if ( rc )
                return rc;
            p += len;
        }
    }
    if ( p != end )
        return err_set(e, -EPROTO, "CODED: %zu bytes behind what the runs "
                       "name", (size_t)(end - p));

    return 0;
}

int incode_open(struct incode *c, const struct wire_record *rec,
                const struct wire_pages_bounds *b, struct err *e,
                struct wire_run *runs, uint32_t *ret_round,
                uint32_t *ret_nr_runs)
{
    const uint8_t *plain = NULL;
    struct wire_coded h;
    uint32_t pages;
    int rc;

    c->err = e;
    rc = wire_coded_decode(rec->body, rec->length, b, e, &h, runs, &pages);
    if ( !rc )
        rc = unpack(c, &h, e, &plain);
    if ( rc )
        return rc;
    c->data = plain;
    c->deltas = plain + (size_t)pages * PAGE_BYTES;
    c->delta_bytes = h.plain_bytes - (size_t)pages * PAGE_BYTES;
    rc = check_deltas(c, runs, h.nr_runs, e);
    if ( rc )
        return rc;
    *ret_round = h.round;
    *ret_nr_runs = h.nr_runs;

    return 0;
}

static int place_deltas(struct place *p, struct place_lane *l,
                        const struct wire_run *run, const uint8_t **at)
{
    uint32_t k;
    size_t len;
    int rc = 0;

    for ( k = 0; !rc && k < run->count; k++ )
    {
        len = delta_length(*at);
        rc = place_delta(p, l, run->gfn + k, *at + LENGTH_BYTES, len);
        *at += LENGTH_BYTES + len;
    }

    return rc;
}

int incode_place(const struct incode *c, struct place *p,
                 struct place_lane *l, const struct wire_run *runs,
                 uint32_t nr_runs)
{
    const uint8_t *data = c->data, *deltas = c->deltas;
    uint32_t i;
    int rc = 0;

    for ( i = 0; !rc && i < nr_runs; i++ )
    {
        const struct wire_run *r = &runs[i];

        if ( r->kind == WIRE_KIND_DELTA )
            rc = place_deltas(p, l, r, &deltas);
        else if ( r->kind == WIRE_KIND_DATA )
        {
            rc = place_run(p, l, r->gfn, r->count, WIRE_KIND_DATA, data);
            data += (size_t)r->count * PAGE_BYTES;
        }
        else
            rc = place_run(p, l, r->gfn, r->count, r->kind,
                           r->kind == WIRE_KIND_FILL ? &r->word : NULL);
    }

    return rc;
}

void incode_done(struct incode *c)
{
    unsigned int i;

    for ( i = 0; i < WIRE_CODED_METHODS; i++ )
        zip_unpacker_free(c->unpackers[i]);
    free(c->room);
}
