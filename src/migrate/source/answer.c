/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The responder of a post-copy: sends what the vCPUs will touch first, before
 * they run; reads what they wait for and sends it at once; then, as long as
 * nobody else waits, neighbours.
 */
#include "push.h"

#include <errno.h>
#include <poll.h>

#include "wire_fault.h"

/* Neighbours go in pieces, so that a fault that comes meanwhile does not wait
 * for long behind them. */
#define PIECE_PAGES 4u
/* They are not sent when so much is unsent before them. */
#define QUEUE_BYTES (32u << 10)
/* Neighbours at first. */
#define AHEAD_FIRST 2u
/* That go ahead in one record. */
#define FIRST_PAGES 64u

static int send_run(struct push *p, uint64_t gfn, uint32_t count,
                    enum wire_kind kind, const uint8_t *page)
{
    struct wire_run run = { .gfn = gfn, .count = count, .kind = kind };
    struct wire_pages_head head = {
        .round = p->round,
        .nr_runs = 1,
        .nr_data = kind == WIRE_KIND_DATA ? count : 0,
    };
    struct iovec iov = { (void *)page, (size_t)count * PAGE_BYTES };
    uint8_t meta[WIRE_PAGES_HEAD_BYTES + WIRE_RUN_BYTES];
    size_t len;
    int rc = wire_pages_encode(&head, &run, meta, sizeof(meta), &len);

    if ( rc )
        return err_set(&p->answer_err, rc, "internal error: an answer can't "
                       "be encoded");

    return conn_send_pages(p->cfg.faults, meta, len, &iov, head.nr_data != 0,
                           head.nr_data);
}

/* What it goes as, and is counted as. */
static enum wire_kind kind_of(struct push *p, const uint8_t *page)
{
    if ( !page )
    {
        p->holes++;
        return WIRE_KIND_HOLE;
    }
    if ( (p->s->caps & WIRE_CAP_ZERO) && page_is_zero(page) )
    {
        p->zero++;
        return WIRE_KIND_ZERO;
    }
    p->normal++;

    return WIRE_KIND_DATA;
}

static int send_page(struct push *p, uint64_t gfn)
{
    const uint8_t *page;
    int rc = holdmap_page(p->map, &p->answer_err, gfn, &page);

    return rc ? rc : send_run(p, gfn, 1, kind_of(p, page), page);
}

static int answer(struct push *p, uint64_t gfn, bool idle)
{
    p->requests += !idle;
    if ( claimset_take(&p->left, gfn) )
        p->demanded++;
    /* What is under way on the network a second one could not overtake, and
     * of what is not there is little.  On a long link much is under way, and
     * waits for what was lost before it. */
    else if ( !idle && !p->far )
        return 0;
    else
        p->duplicates++;

    return send_page(p, gfn);
}

/* More of them as long as the faults go upwards. */
static void adapt(struct push *p, uint64_t gfn)
{
    bool onwards = gfn > p->last_fault &&
                   gfn - p->last_fault <= 2ull * p->ahead + 2;

    p->ahead = onwards ? p->ahead * 2 : p->ahead / 2;
    if ( p->ahead < 1 )
        p->ahead = 1;
    if ( p->ahead > p->cfg.neighbours )
        p->ahead = p->cfg.neighbours;
    p->last_fault = gfn;
}

static bool somebody_waits(struct push *p)
{
    struct pollfd pfd = { .fd = chan_fd(p->cfg.faults->chan),
                          .events = POLLIN };

    return poll(&pfd, 1, 0) > 0;
}

/* A piece of neighbours from gfn on, of one run. */
static int send_piece(struct push *p, uint64_t gfn, uint64_t end,
                      uint64_t *ret_next)
{
    const uint8_t *page, *first = NULL;
    uint64_t from = gfn;
    int rc = 0;

    while ( gfn < end && gfn - from < PIECE_PAGES )
    {
        rc = holdmap_page(p->map, &p->answer_err, gfn, &page);
        if ( rc || !page || !claimset_take(&p->left, gfn) )
            break;
        first = first ? first : page;
        gfn++;
    }
    *ret_next = gfn;
    p->neighbours += gfn - from;
    p->normal += gfn - from;
    if ( rc || gfn == from )
        return rc;

    return send_run(p, from, (uint32_t)(gfn - from), WIRE_KIND_DATA, first);
}

static int send_neighbours(struct push *p, uint64_t gfn)
{
    uint64_t from = gfn + 1, end = (gfn | (CHUNK_GFNS - 1)) + 1, next;
    int rc = 0;

    if ( end > p->left.nr_gfns )
        end = p->left.nr_gfns;
    if ( end > from + p->ahead )
        end = from + p->ahead;
    while ( !rc && from < end && !somebody_waits(p) &&
            chan_bytes_unsent(p->cfg.faults->chan) < QUEUE_BYTES )
    {
        rc = send_piece(p, from, end, &next);
        if ( next == from )
            break;
        from = next;
    }

    return rc;
}

static int take_faults(struct push *p)
{
    struct wire_record rec;
    struct wire_fault f;
    bool waited = false;
    uint32_t i;
    int rc;

    rc = conn_recv(p->cfg.faults, &rec);
    if ( rc )
        return rc;
    if ( rec.type == WIRE_ERROR )
        return conn_peer_error(p->cfg.faults, &rec);
    if ( rec.type != WIRE_FAULT_REC )
        return err_set(&p->answer_err, -EPROTO, "the destination may not "
                       "send %s on the fault connection",
                       wire_name(rec.type));
    rc = wire_fault_decode(rec.body, rec.length, p->left.nr_gfns,
                           &p->answer_err, &f);
    if ( rc )
        return rc;

    for ( i = 0; !rc && i < f.nr; i++ )
    {
        rc = answer(p, f.want[i].gfn, f.want[i].idle);
        if ( f.want[i].idle )
            continue;
        waited = true;
        if ( p->cfg.neighbours )
            adapt(p, f.want[i].gfn);
        prepage_fault(&p->order, f.want[i].gfn);
    }
    if ( !rc && waited && p->cfg.neighbours )
        rc = send_neighbours(p, f.want[f.nr - 1].gfn);

    return rc;
}

/* What can't be mapped now fails again where it matters. */
static const uint8_t *read_page(void *data, uint64_t gfn)
{
    struct push *p = data;
    const uint8_t *page;

    if ( glance_page(&p->glance, gfn, &page) )
        holdmap_page(p->map, NULL, gfn, &page);

    return page;
}

/* Pages that go ahead, in one record: nobody waits for the first of them
 * alone. */
struct first_batch
{
    struct wire_run runs[FIRST_PAGES];
    struct iovec iov[FIRST_PAGES];
    unsigned int nr, nr_data;
};

static int send_batch(struct push *p, struct first_batch *b)
{
    struct wire_pages_head head = {
        .round = p->round, .nr_runs = b->nr, .nr_data = b->nr_data,
    };
    uint8_t meta[WIRE_PAGES_HEAD_BYTES + FIRST_PAGES * WIRE_RUN_BYTES];
    size_t len;
    int rc;

    if ( !b->nr )
        return 0;
    rc = wire_pages_encode(&head, b->runs, meta, sizeof(meta), &len);
    if ( rc )
        return err_set(&p->answer_err, rc, "internal error: what goes ahead "
                       "can't be encoded");
    rc = conn_send_pages(p->cfg.faults, meta, len, b->iov, b->nr_data,
                         b->nr_data);
    b->nr = b->nr_data = 0;

    return rc;
}

static int add_first(struct push *p, struct first_batch *b, uint64_t gfn)
{
    const uint8_t *page = read_page(p, gfn);
    enum wire_kind kind;

    if ( !page || !claimset_take(&p->left, gfn) )
        return 0;
    kind = kind_of(p, page);
    if ( kind == WIRE_KIND_DATA )
        b->iov[b->nr_data++] = (struct iovec){ (void *)page, PAGE_BYTES };
    b->runs[b->nr++] = (struct wire_run){ .gfn = gfn, .count = 1,
                                          .kind = kind };
    p->first++;

    return b->nr == FIRST_PAGES ? send_batch(p, b) : 0;
}

static int send_first(struct push *p)
{
    struct firstpages *first = &p->ahead_of_all;
    struct first_batch batch = { .nr = 0 };
    unsigned int i;
    int rc = 0;

    glance_open(&p->glance, p->s->hv, p->s->domid, p->left.nr_gfns);
    firstpages_find(p->vcpus, p->nr_vcpus, p->left.nr_gfns, read_page, p,
                    first);
    for ( i = 0; !rc && i < first->nr; i++ )
    {
        rc = cancel_check(p->s->stop);
        if ( !rc )
            rc = add_first(p, &batch, first->gfns[i]);
    }
    if ( !rc )
        rc = send_batch(p, &batch);
    /* That was all: the guest may run. */
    if ( !rc )
        rc = conn_send_empty(p->cfg.faults, WIRE_ALIVE);
    glance_close(&p->glance);

    return rc;
}

void *push_answer_main(void *arg)
{
    struct push *p = arg;
    int rc = 0;

    if ( push_wait(p, &p->suspended) )
        rc = send_first(p);
    push_flag(p, &p->gone_ahead);
    if ( !rc && !push_wait(p, &p->answers) )
        return NULL;
    p->ahead = AHEAD_FIRST < p->cfg.neighbours ? AHEAD_FIRST
                                               : p->cfg.neighbours;
    while ( !rc )
        rc = take_faults(p);
    /* The session's end stops it. */
    if ( !cancel_check(p->s->stop) )
        push_fail(p, rc);

    return NULL;
}
