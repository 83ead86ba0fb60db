/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A batch that is to be coded: pages and deltas, copied out of the guest,
 * and what becomes of them.
 *
 * They are copied since the guest goes on writing: compressors do not bear
 * that, and the next delta is made against what was sent.
 *
 * Thread: the lane's; between code_pool_put() and code_pool_wait() the
 * pool's.
 */
#ifndef XMIG_CODE_JOB_H
#define XMIG_CODE_JOB_H

#include "conn.h"
#include "wire_coded.h"
#include "zip.h"

/* 256 KiB: compresses about as well as 1 MiB, and stays in the cache. */
#define JOB_PAGES       64u
#define JOB_RUNS        256u     /* of each sort */
#define JOB_DELTA_BYTES (64u << 10)

struct code_job
{
    /* while it is filled */
    uint32_t round;
    uint32_t nr_whole;           /* runs: data, zero, fill, hole */
    uint32_t nr_delta;           /* runs of deltas */
    uint32_t nr_data;            /* pages in data */
    size_t delta_bytes;
    uint64_t page_bytes;         /* of the guest: data and deltas */
    uint64_t miss_bytes;         /* of pages that the cache does not have */
    struct wire_run whole[JOB_RUNS], delta[JOB_RUNS];
    uint8_t *data;               /* pages; then room for the deltas */
    uint8_t *deltas;

    /* from the put on */
    enum zip_method method;      /* NONE: it is not compressed */
    int level;
    uint8_t *out;                /* a body of CODED */
    size_t out_bytes;            /* 0: it did not become smaller */
    uint64_t us;                 /* that it took */
    size_t plain_bytes, packed_bytes;

    /* the pool's */
    bool done;
    struct code_job *next;
};

/* -ENOMEM */
int code_job_new(struct code_job **ret_job);
void code_job_free(struct code_job *job);

/* Empty it. */
void code_job_begin(struct code_job *job, uint32_t round);
static inline bool code_job_is_empty(const struct code_job *job)
{
    return !job->nr_whole && !job->nr_delta;
}
/* Nothing more may be added. */
bool code_job_is_full(const struct code_job *job);

/* A run of one gfn without contents, or of FILL. */
void code_job_mark(struct code_job *job, uint64_t gfn, enum wire_kind kind,
                   uint32_t word, bool join);
/* Where the caller puts the page; JOB_PAGES of them. */
void *code_job_page(struct code_job *job, uint64_t gfn, bool join);
/* A delta of at most DELTA_MAX bytes that the caller has put at
 * code_job_delta_room(). */
uint8_t *code_job_delta_room(struct code_job *job);
void code_job_delta(struct code_job *job, uint64_t gfn, size_t len,
                    bool join);

/* Compress it, if method says so. */
void code_job_pack(struct code_job *job, struct zip_packer *p);
/* The packed bytes it would have at another level, and the time. */
size_t code_job_try(const struct code_job *job, struct zip_packer *p,
                    int level, void *room, uint64_t *ret_us);
/* Send what has become of it. */
int code_job_send(struct code_job *job, struct conn *conn);

#endif
