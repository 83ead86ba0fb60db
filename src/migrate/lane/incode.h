/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A lane at the destination: batches that are coded, unpacked and placed.
 *
 * What they may become is bounded before a byte of it is made, and all of
 * a batch is checked before any of it is placed.
 *
 * Thread: the lane's.
 */
#ifndef XMIG_INCODE_H
#define XMIG_INCODE_H

#include "place.h"
#include "wire_coded.h"
#include "zip.h"

/* All zeros at the start. */
struct incode
{
    struct zip_unpacker *unpackers[WIRE_CODED_METHODS];
    uint8_t *room;               /* for the material; made when needed */
    struct err *err;

    /* of the batch that is open */
    const uint8_t *data;         /* the pages of data runs, in order */
    const uint8_t *deltas;
    size_t delta_bytes;
};

/*
 * Unpack a CODED record and check it.  runs has room for WIRE_RUNS_MAX.
 *   -EPROTO, -ENOMEM
 */
int incode_open(struct incode *c, const struct wire_record *rec,
                const struct wire_pages_bounds *b, struct err *e,
                struct wire_run *runs, uint32_t *ret_round,
                uint32_t *ret_nr_runs);
/* Place it; the record is still there. */
int incode_place(const struct incode *c, struct place *p,
                 struct place_lane *l, const struct wire_run *runs,
                 uint32_t nr_runs);
void incode_done(struct incode *c);

#endif
