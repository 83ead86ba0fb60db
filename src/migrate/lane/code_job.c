/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Batches that are coded: see code_job.h.
 */
#include "code_job.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "delta.h"
#include "pages.h"

#define LENGTH_BYTES 2u          /* before each delta */
#define DATA_ROOM  (JOB_PAGES * PAGE_BYTES + JOB_DELTA_BYTES)
#define OUT_ROOM   (WIRE_CODED_HEAD_BYTES + 2 * JOB_RUNS * WIRE_RUN_BYTES + \
                    DATA_ROOM + 8)

int code_job_new(struct code_job **ret_job)
{
    struct code_job *job = calloc(1, sizeof(*job));

    if ( job )
    {
        job->data = aligned_alloc(PAGE_BYTES, DATA_ROOM);
        job->deltas = malloc(JOB_DELTA_BYTES);
        job->out = malloc(OUT_ROOM);
    }
    if ( !job || !job->data || !job->deltas || !job->out )
    {
        code_job_free(job);
        return -ENOMEM;
    }
    *ret_job = job;

    return 0;
}

void code_job_free(struct code_job *job)
{
    if ( !job )
        return;
    free(job->data);
    free(job->deltas);
    free(job->out);
    free(job);
}

/* ---- Filling ------------------------------------------------------------ */

void code_job_begin(struct code_job *job, uint32_t round)
{
    job->round = round;
    job->nr_whole = job->nr_delta = job->nr_data = 0;
    job->delta_bytes = 0;
    job->page_bytes = job->miss_bytes = 0;
    job->out_bytes = job->plain_bytes = job->packed_bytes = 0;
    job->us = 0;
}

bool code_job_is_full(const struct code_job *job)
{
    return job->nr_data == JOB_PAGES || job->nr_whole == JOB_RUNS ||
           job->nr_delta == JOB_RUNS ||
           job->delta_bytes + LENGTH_BYTES + DELTA_MAX > JOB_DELTA_BYTES;
}

static void add_run(struct wire_run *runs, uint32_t *nr, uint64_t gfn,
                    enum wire_kind kind, uint32_t word, bool join)
{
    struct wire_run *last = *nr ? &runs[*nr - 1] : NULL;

    if ( join && last && last->kind == kind && last->word == word &&
         last->gfn + last->count == gfn )
        last->count++;
    else
        runs[(*nr)++] = (struct wire_run){
            .gfn = gfn, .count = 1, .kind = kind, .word = word,
        };
}

void code_job_mark(struct code_job *job, uint64_t gfn, enum wire_kind kind,
                   uint32_t word, bool join)
{
    add_run(job->whole, &job->nr_whole, gfn, kind, word, join);
}

void *code_job_page(struct code_job *job, uint64_t gfn, bool join)
{
    add_run(job->whole, &job->nr_whole, gfn, WIRE_KIND_DATA, 0, join);
    job->page_bytes += PAGE_BYTES;

    return job->data + (size_t)job->nr_data++ * PAGE_BYTES;
}

uint8_t *code_job_delta_room(struct code_job *job)
{
    return job->deltas + job->delta_bytes + LENGTH_BYTES;
}

void code_job_delta(struct code_job *job, uint64_t gfn, size_t len,
                    bool join)
{
    uint8_t *p = job->deltas + job->delta_bytes;

    add_run(job->delta, &job->nr_delta, gfn, WIRE_KIND_DELTA, 0, join);
    p[0] = (uint8_t)len;
    p[1] = (uint8_t)(len >> 8);
    job->delta_bytes += LENGTH_BYTES + len;
    job->page_bytes += PAGE_BYTES;
}

/* ---- Packing ------------------------------------------------------------ */

static size_t data_bytes(const struct code_job *job)
{
    return (size_t)job->nr_data * PAGE_BYTES;
}

/* Head and runs around what is packed already. */
static void frame(struct code_job *job, const struct wire_run *runs,
                  uint32_t nr_runs, enum zip_method method, size_t plain,
                  size_t packed)
{
    struct wire_coded head = {
        .round = job->round,
        .nr_runs = nr_runs,
        .method = method,
        .plain_bytes = (uint32_t)plain,
        .coded_bytes = (uint32_t)packed,
    };

    if ( wire_coded_encode(&head, runs, job->out, OUT_ROOM,
                           &job->out_bytes) )
        job->out_bytes = 0;
}

void code_job_pack(struct code_job *job, struct zip_packer *p)
{
    struct wire_run runs[2 * JOB_RUNS];
    uint32_t nr = job->nr_whole + job->nr_delta;
    size_t data = data_bytes(job), plain = data + job->delta_bytes, n;
    uint64_t begin_us;

    job->plain_bytes = plain;
    if ( job->method == ZIP_NONE || !plain )
        return;
    begin_us = clock_now_us();
    memcpy(job->data + data, job->deltas, job->delta_bytes);
    /* For less than a sixteenth it is not worth unpacking. */
    n = zip_pack(p, job->level, job->out + wire_coded_meta_bytes(nr),
                 plain - plain / 16, job->data, plain);
    job->us = clock_now_us() - begin_us;
    if ( !n )
        return;
    job->packed_bytes = n;
    memcpy(runs, job->whole, job->nr_whole * sizeof(*runs));
    memcpy(runs + job->nr_whole, job->delta, job->nr_delta * sizeof(*runs));
    frame(job, runs, nr, job->method, plain, n);
}

size_t code_job_try(const struct code_job *job, struct zip_packer *p,
                    int level, void *room, uint64_t *ret_us)
{
    uint64_t begin_us = clock_now_us();
    size_t n = zip_pack(p, level, room, job->plain_bytes, job->data,
                        job->plain_bytes);

    *ret_us = clock_now_us() - begin_us;

    return n ? n : job->plain_bytes;
}

/* ---- Sending ------------------------------------------------------------ */

/* The pages as they are, in a batch that is not coded. */
static int send_whole(struct code_job *job, struct conn *conn)
{
    struct iovec iov = { job->data, data_bytes(job) };
    struct wire_pages_head head = {
        .round = job->round,
        .nr_runs = job->nr_whole,
        .nr_data = job->nr_data,
    };
    uint8_t meta[WIRE_PAGES_HEAD_BYTES + JOB_RUNS * WIRE_RUN_BYTES];
    size_t len;
    int rc;

    rc = wire_pages_encode(&head, job->whole, meta, sizeof(meta), &len);
    if ( rc )
        return err_set(conn->err, rc, "internal error: a batch of %u runs "
                       "can't be encoded", job->nr_whole);

    return conn_send_pages(conn, meta, len, &iov, job->nr_data ? 1 : 0,
                           job->nr_data);
}

int code_job_send(struct code_job *job, struct conn *conn)
{
    int rc = 0;

    if ( job->out_bytes )
        return conn_send(conn, WIRE_CODED, job->out, job->out_bytes);
    if ( job->nr_whole )
        rc = send_whole(job, conn);
    if ( rc || !job->nr_delta )
        return rc;
    memcpy(job->out + wire_coded_meta_bytes(job->nr_delta), job->deltas,
           job->delta_bytes);
    frame(job, job->delta, job->nr_delta, ZIP_NONE, job->delta_bytes,
          job->delta_bytes);
    if ( !job->out_bytes )
        return err_set(conn->err, -EINVAL, "internal error: %u deltas can't "
                       "be encoded", job->nr_delta);

    return conn_send(conn, WIRE_CODED, job->out, job->out_bytes);
}
