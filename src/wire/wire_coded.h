/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CODED (docs/stream.md 2.5): a batch of which the pages are compressed or
 * told as changes.  As wire.h; what the coded bytes mean is not known here.
 */
#ifndef XMIG_WIRE_CODED_H
#define XMIG_WIRE_CODED_H

#include "wire.h"

struct wire_coded
{
    uint32_t round;
    uint32_t nr_runs;            /* 1 ... WIRE_RUNS_MAX */
    uint32_t method;             /* 0 as it is, 1 zlib, 2 zstd */
    uint32_t plain_bytes;        /* of the material */
    uint32_t coded_bytes;        /* here */
    uint32_t reserved[3];
    /* behind the fixed part and the runs; aligned to 16 as body is */
    const uint8_t *data;
};

#define WIRE_CODED_HEAD_BYTES 32u
#define WIRE_CODED_PLAIN_MAX  (1u << 20)
#define WIRE_CODED_METHODS    3u
#define WIRE_CODED_MAX (WIRE_CODED_HEAD_BYTES + \
                        WIRE_RUNS_MAX * WIRE_RUN_BYTES + WIRE_CODED_PLAIN_MAX)

/* Where the coded bytes begin. */
static inline size_t wire_coded_meta_bytes(uint32_t nr_runs)
{
    return WIRE_CODED_HEAD_BYTES + (size_t)nr_runs * WIRE_RUN_BYTES;
}

/*
 * Head, runs and padding into buf, around the coded bytes, which are there
 * already (wire_coded_meta_bytes()); data is not looked at.
 */
int wire_coded_encode(const struct wire_coded *c, const struct wire_run *runs,
                      void *buf, size_t room, size_t *ret_len);
/*
 * runs has room for WIRE_RUNS_MAX.  *ret_data_pages: pages of the data runs,
 * with which the material begins.
 */
int wire_coded_decode(const void *body, size_t len,
                      const struct wire_pages_bounds *b, struct err *e,
                      struct wire_coded *ret, struct wire_run *runs,
                      uint32_t *ret_data_pages);

#endif
