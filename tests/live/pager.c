/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The seam of absent pages (hv_pager.h) on a host: all the memory of a running
 * guest is taken away and given back, by faults and by a push at once.  The
 * guest judges what it gets.  Prints TAP.
 *
 *   pager DOMID paging|access [FAULTS]
 *                            a running domain that keeps writing to memory;
 *                            the push begins after so many faults (200)
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "clock.h"
#include "hv.h"
#include "hv_pager.h"
#include "tap.h"

#define WINDOW    2048u
#define PUSH      64u

static struct hv *hv;
static uint32_t domid;
static enum hv_faults by;
static uint64_t nr_gfns;
static struct pageset ram, absent;
static uint8_t *copy;            /* of all gfns, sparse */

static struct hv_pager *pager;
static struct hv_pager_state state;
static struct hv_placer *placer;
static atomic_uint faults, pushed, lost, drops;
static atomic_bool push_now, push_done;
static unsigned int min_faults = 200;

static void *page(uint64_t gfn)
{
    return copy + gfn * PAGE_BYTES;
}

/* ---- Taking away ------------------------------------------------------- */

static void copy_out(void)
{
    uint64_t first, n, i;
    int errs[WINDOW];
    void *win;

    for ( first = 0; first < nr_gfns; first += n )
    {
        n = nr_gfns - first < WINDOW ? nr_gfns - first : WINDOW;
        for ( i = 0; i < n && !pageset_test(&ram, first + i); i++ )
            continue;
        if ( i == n )
            continue;
        if ( hv_map_range(hv, &err, domid, false, first, n, errs, &win) )
            exit(99);
        for ( i = 0; i < n; i++ )
            if ( !errs[i] )
                memcpy(page(first + i), (uint8_t *)win + i * PAGE_BYTES,
                       PAGE_BYTES);
        hv_unmap(hv, win, n);
    }
}

static void refusals(void)
{
    struct hv_pager *other = NULL;

    claim(hv_pager_probe(hv, &err, by, HV_NO_DOMAIN) == 0, "the host can");
    claim(hv_pager_probe(hv, &err, by, domid) == 0, "the domain can");
    claim(hv_pager_probe(hv, &err, by, domid + 77) < 0,
          "a domain that is not there can't");
    claim(hv_pager_open(hv, &err, by, domid, nr_gfns, &state, &pager) == 0,
          "there is a ring");
    claim(hv_pager_open(hv, &err, by, domid, nr_gfns, NULL, &other) < 0 &&
          said("already"), "but no second one, and it says why");
    claim(hv_pager_hold(hv, &err, domid, &state, &other) == 0,
          "who wants to take over holds the ring");
    claim(hv_pager_take(other, &err) == -EBUSY,
          "and does not get it while its owner lives");
    hv_pager_leave(other);
    claim(hv_pager_seal(pager, &err) == 0, "the ring is sealed");
    claim(hv_pager_hold(hv, &err, domid, &state, &other) == -ENOENT,
          "then nobody can hold it any more");
}

/* What lies in the frames that are still there is not what is placed. */
static void spoil(void)
{
    struct gfn_run run = { 0 };
    void *win;

    while ( by == HV_FAULTS_ACCESS &&
            pageset_next_run(&absent, run.first + run.count, WINDOW, &run) )
    {
        if ( hv_map_range(hv, &err, domid, true, run.first, run.count, NULL,
                          &win) )
            exit(99);
        memset(win, 0xa5, run.count * PAGE_BYTES);
        hv_unmap(hv, win, run.count);
    }
}

static void take_away(void)
{
    struct hv_evicted ev = { 0 };
    struct hv_domain before, after;
    uint64_t win_gfn, all = 0;
    void *win = NULL;
    int errs[1], rc;

    if ( hv_page_types(hv, &err, domid, 0, nr_gfns, &ram, NULL) ||
         hv_domain_info(hv, &err, domid, &before) )
        exit(99);
    copy_out();
    /* One that is held mapped must stay. */
    win_gfn = 0x400;
    if ( hv_map(hv, &err, domid, false, &win_gfn, 1, errs, &win) )
        exit(99);
    rc = hv_placer_evict(placer, &err, 0, nr_gfns, &ram, &absent, &ev);
    claim(!rc, "memory is taken away: %" PRIu64 " pages, kept %" PRIu64,
          ev.absent, ev.kept);
    claim(ev.absent == absent.count && ev.absent + ev.kept == ram.count,
          "each page is counted");
    if ( by == HV_FAULTS_PAGING )
        claim(!pageset_test(&absent, win_gfn) && ev.kept < 64,
              "what is mapped stays");
    else
        claim(pageset_test(&absent, win_gfn) && !ev.kept &&
              !memcmp(win, page(win_gfn), PAGE_BYTES),
              "who has mapped it sees it all the same");
    hv_unmap(hv, win, 1);
    if ( hv_domain_info(hv, &err, domid, &after) )
        exit(99);
    if ( by == HV_FAULTS_PAGING )
        claim(after.paged_pages == ev.absent &&
              after.tot_pages + ev.absent == before.tot_pages,
              "its memory is the host's again");
    else
        claim(after.tot_pages == before.tot_pages, "its memory is there");
    claim(!hv_absent_pages(hv, &err, domid, &all) && all == ev.absent,
          "all may know how much is absent");
    /* By access it would be found again: nothing of it may be left. */
    spoil();
    claim(hv_pager_close(pager, &err) == -EBUSY && said("still absent"),
          "the ring can't be left with absent pages");
}

/* ---- Giving back ------------------------------------------------------- */

static void *push(void *arg)
{
    uint64_t gfns[PUSH], gfn;
    struct hv_placer *pl;
    unsigned int n = 0, i;
    int errs[PUSH];

    (void)arg;
    if ( hv_placer_open(pager, NULL, PUSH, &pl) )
        exit(99);
    while ( !atomic_load(&push_now) )
        poll(NULL, 0, 1);
    for ( gfn = 0; gfn <= nr_gfns; gfn++ )
    {
        if ( gfn < nr_gfns && pageset_test(&absent, gfn) )
        {
            memcpy(hv_placer_page(pl, n), page(gfn), PAGE_BYTES);
            gfns[n++] = gfn;
        }
        if ( n < PUSH && gfn < nr_gfns )
            continue;
        if ( hv_placer_place(pl, NULL, 0, gfns, n, errs) )
            exit(99);
        for ( i = 0; i < n; i++ )
            atomic_fetch_add(errs[i] ? &lost : &pushed, 1);
        for ( i = 0; i < n; i++ )
            if ( errs[i] && errs[i] != -EEXIST )
                exit(99);
        n = 0;
    }
    hv_placer_close(pl);
    atomic_store(&push_done, true);

    return NULL;
}

static void serve(const struct hv_pager_request *rq)
{
    int one = 0, rc;

    if ( rq->drop )
    {
        atomic_fetch_add(&drops, 1);
        rc = hv_pager_answer(pager, &err, rq, 1);
    }
    else
    {
        memcpy(hv_placer_page(placer, 0), page(rq->gfn), PAGE_BYTES);
        rc = hv_placer_serve(placer, pager, &err, 0, &rq->gfn, 1, &one, rq,
                             1);
        atomic_fetch_add(one ? &lost : &faults, 1);
    }
    if ( rc || (one && one != -EEXIST) )
        exit(99);
}

static void give_back(void)
{
    struct pollfd pfd = { .fd = hv_pager_fd(pager), .events = POLLIN };
    struct hv_pager_request rq;
    uint64_t until = clock_now_us() + 60 * US_PER_S;
    pthread_t thread;
    int rc;

    if ( pthread_create(&thread, NULL, push, NULL) )
        exit(99);
    hv_unpause(hv, &err, domid);
    while ( !atomic_load(&push_done) && clock_now_us() < until )
    {
        poll(&pfd, 1, 10);
        while ( !(rc = hv_pager_next(pager, &err, &rq)) )
            serve(&rq);
        if ( rc != -EAGAIN )
            break;
        if ( atomic_load(&faults) >= min_faults )
            atomic_store(&push_now, true);
    }
    claim(atomic_load(&push_done), "all of it is back");
    pthread_join(thread, NULL);
    while ( !hv_pager_next(pager, &err, &rq) )
        serve(&rq);
    printf("# %u by faults, %u pushed, %u came second, %u given up\n",
           atomic_load(&faults), atomic_load(&pushed), atomic_load(&lost),
           atomic_load(&drops));
    claim(atomic_load(&faults) >= min_faults, "the guest waited for pages");
    claim(atomic_load(&faults) + atomic_load(&pushed) +
          atomic_load(&drops) == absent.count,
          "each page was placed exactly once");
}

/* Until all of its vCPUs wait. */
static void stand_still(void)
{
    uint64_t until = clock_now_us() + 10 * US_PER_S, before;
    struct hv_domain d = { 0 };

    do {
        before = d.cpu_ns;
        poll(NULL, 0, 20);
        if ( hv_domain_info(hv, &err, domid, &d) )
            exit(99);
    } while ( d.cpu_ns != before && clock_now_us() < until );
    claim(d.cpu_ns == before, "and stands still");
}

/* All of it is taken away once more, and placed before anybody looks at the
 * ring: whoever waits then is let go with it. */
static void unread(void)
{
    struct pollfd pfd = { .fd = hv_pager_fd(pager), .events = POLLIN };
    uint64_t gfn;
    int rc = 0;

    if ( hv_pause(hv, &err, domid) )
        exit(99);
    copy_out();
    if ( hv_placer_evict(placer, &err, 0, nr_gfns, &ram, &absent, NULL) ||
         hv_unpause(hv, &err, domid) )
        exit(99);
    claim(poll(&pfd, 1, 10000) == 1, "the guest asks");
    stand_still();
    for ( gfn = 0; !rc && gfn < nr_gfns; gfn++ )
        if ( pageset_test(&absent, gfn) )
            rc = hv_placer_put(placer, &err, gfn, page(gfn));
    claim(!rc, "all of it is back, and nobody has answered");
}

static void afterwards(void)
{
    uint64_t gfn = 0x500;
    struct hv_domain d;

    claim(hv_placer_put(placer, &err, gfn, page(gfn)) == -EEXIST,
          "a page that is there is not placed");
    claim(!hv_placer_look(placer, &err, 0, nr_gfns, &absent) &&
          !absent.count, "nothing is absent");
    claim(!hv_domain_info(hv, &err, domid, &d) && !d.paged_pages,
          "as the hypervisor says, too");
    hv_placer_close(placer);
    claim(hv_pager_close(pager, &err) == 0, "the ring is left");
}

int main(int argc, char **argv)
{
    err_init(&err);
    if ( argc < 3 || argc > 4 )
        return 99;
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    by = strcmp(argv[2], "access") ? HV_FAULTS_PAGING : HV_FAULTS_ACCESS;
    if ( argc > 3 )
        min_faults = (unsigned int)strtoul(argv[3], NULL, 0);
    if ( hv_open(NULL, &err, &hv) || hv_pause(hv, &err, domid) ||
         hv_nr_gfns(hv, &err, domid, &nr_gfns) ||
         pageset_init(&ram, nr_gfns) || pageset_init(&absent, nr_gfns) )
        return 99;
    copy = mmap(NULL, nr_gfns * PAGE_BYTES, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if ( copy == MAP_FAILED )
        return 99;
    refusals();
    claim(hv_placer_open(pager, &err, 1, &placer) == 0,
          "there is a placer");
    take_away();
    give_back();
    unread();
    afterwards();
    hv_close(hv);

    return tap_done();
}
