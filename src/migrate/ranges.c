/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Sets of gfns as records: see ranges.h.
 */
#include "ranges.h"

#include <errno.h>
#include <stdlib.h>

/* The next ones behind run. */
static void fill(struct wire_range *ranges, struct wire_memory *m,
                 const struct pageset *ps, struct gfn_run *run)
{
    m->nr_ranges = 0;
    while ( m->nr_ranges < WIRE_MEMORY_RANGES_MAX &&
            pageset_next_run(ps, run->first + run->count, 0, run) )
        ranges[m->nr_ranges++] = (struct wire_range){ run->first,
                                                      run->count };
    m->flags = m->nr_ranges == WIRE_MEMORY_RANGES_MAX &&
               pageset_next_set(ps, run->first + run->count) < ps->nr_gfns
               ? WIRE_MEMORY_MORE : 0;
}

int ranges_send(struct conn *c, uint32_t type, const struct pageset *ps)
{
    const size_t all = WIRE_MEMORY_RANGES_MAX * sizeof(struct wire_range);
    struct wire_range *ranges = malloc(all);
    struct wire_memory m = { .ranges = ranges };
    struct gfn_run run = { 0 };
    void *buf = malloc(8 + all);
    size_t len;
    int rc = 0;

    if ( !ranges || !buf )
        rc = err_set(c->err, -ENOMEM, "send %s: %s", wire_name(type),
                     err_text(-ENOMEM));
    while ( !rc )
    {
        fill(ranges, &m, ps, &run);
        rc = wire_memory_encode(&m, buf, 8 + all, &len);
        if ( rc )
            err_set(c->err, rc, "internal error: encode %s",
                    wire_name(type));
        else
            rc = conn_send(c, type, buf, len);
        if ( !(m.flags & WIRE_MEMORY_MORE) )
            break;
    }
    free(ranges);
    free(buf);

    return rc;
}
