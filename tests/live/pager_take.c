/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The owner of a ring of absent pages is killed with requests unanswered; a
 * holder takes the ring over, and the guest goes on.  Before, the ring's
 * contents are spoiled, which the owner must notice.  Prints TAP.
 *
 *   pager_take DOMID paging|access
 *                         a running domain that keeps writing to its memory
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "hv.h"
#include "hv_pager.h"
#include "tap.h"

#define FIRST 0x800u             /* of the guest's own memory */
#define COUNT 0x1000u

struct shared
{
    struct hv_pager_state state;
    uint8_t page[COUNT][PAGE_BYTES];
};

static struct shared *sh;
static struct hv *hv;
static uint32_t domid;
static enum hv_faults by;
static struct pageset absent;

/* Let the other process know, or wait until it does. */
static void say(int fd)
{
    must(write(fd, "x", 1) != 1);
}

static void wait_for(int fd)
{
    char c;

    must(read(fd, &c, 1) != 1);
}

/* The next request, waiting up to ten seconds. */
static int next(struct hv_pager *p, struct hv_pager_request *rq)
{
    struct pollfd pfd = { .fd = hv_pager_fd(p), .events = POLLIN };
    uint64_t until = clock_now_us() + 10 * (uint64_t)US_PER_S;
    int rc;

    while ( (rc = hv_pager_next(p, &err, rq)) == -EAGAIN &&
            clock_now_us() < until )
        poll(&pfd, 1, 100);

    return rc;
}

/* Takes memory away, has the guest ask for some of it, and is killed. */
static void owner(int in, int out)
{
    struct hv_pager_request rq;
    struct hv_placer *pl;
    struct hv_pager *p;
    struct hv_evicted ev;
    void *win;

    must(hv_open(NULL, &err, &hv));
    must(hv_pause(hv, &err, domid));
    must(hv_pager_open(hv, &err, by, domid, FIRST + COUNT, &sh->state, &p));
    must(hv_map_range(hv, &err, domid, false, FIRST, COUNT, NULL, &win));
    memcpy(sh->page, win, sizeof(sh->page));
    hv_unmap(hv, win, COUNT);
    must(hv_placer_open(p, &err, 1, &pl));
    must(hv_placer_evict(pl, &err, FIRST, COUNT, NULL, &absent, &ev));
    say(out);
    wait_for(in);
    must(hv_pager_seal(p, &err));
    must(hv_unpause(hv, &err, domid));
    /* One is answered, and one is not. */
    must(next(p, &rq));
    memcpy(hv_placer_page(pl, 0), sh->page[rq.gfn - FIRST], PAGE_BYTES);
    must(hv_placer_serve(pl, p, &err, 0, &rq.gfn, 1, NULL, &rq, 1));
    must(next(p, &rq));
    raise(SIGKILL);
}

static void give_back(struct hv_pager *p, struct hv_placer *pl)
{
    struct hv_pager_request rq;
    unsigned int served = 0;
    uint64_t gfn;
    int rc;

    while ( served < 50 && !next(p, &rq) )
    {
        memcpy(hv_placer_page(pl, 0), sh->page[rq.gfn - FIRST], PAGE_BYTES);
        must(hv_placer_serve(pl, p, &err, 0, &rq.gfn, 1, NULL, &rq, 1));
        served++;
    }
    claim(served == 50, "the new owner is asked by the guest");
    for ( gfn = FIRST; gfn < FIRST + COUNT; gfn++ )
        if ( pageset_test(&absent, gfn) )
        {
            rc = hv_placer_put(pl, &err, gfn, sh->page[gfn - FIRST]);
            must(rc == -EEXIST ? 0 : rc);
        }
    while ( !hv_pager_next(p, &err, &rq) )
        must(hv_pager_answer(p, &err, &rq, 1));
}

/* The host learns of a process's death a moment after its parent does. */
static int take_over(struct hv_pager *p)
{
    uint64_t until_us = clock_now_us() + 20 * US_PER_S;
    int rc;

    do {
        err_reset(&err);
        rc = hv_pager_take(p, &err);
    } while ( rc == -EBUSY && clock_now_us() < until_us );

    return rc;
}

static void holder(int in, int out, pid_t pid)
{
    struct hv_placer *pl;
    struct hv_pager *p = NULL;
    int status = 0;

    wait_for(in);
    must(hv_open(NULL, &err, &hv));
    must(hv_pager_hold(hv, &err, domid, &sh->state, &p));
    say(out);
    waitpid(pid, &status, 0);
    claim(WIFSIGNALED(status), "the owner is killed while requests wait");
    claim(take_over(p) == 0, "the holder takes the ring over");
    must(hv_placer_open(p, &err, 1, &pl));
    must(hv_placer_look(pl, &err, FIRST, COUNT, &absent));
    claim(absent.count > COUNT / 2 && absent.count < COUNT,
          "it finds out what is absent");
    give_back(p, pl);
    must(hv_placer_look(pl, &err, FIRST, COUNT, &absent));
    claim(!absent.count, "nothing is absent in the end");
    hv_placer_close(pl);
    claim(hv_pager_close(p, &err) == 0, "the ring is left");
    hv_close(hv);
}

/* A ring whose contents nobody could have meant. */
static void spoiled(void)
{
    struct hv_pager_request rq;
    struct hv_pager *p;
    uint64_t gfn = by == HV_FAULTS_ACCESS ? 0xfeff9 : 0xfeff8;
    uint32_t *ring;
    void *win;

    must(hv_open(NULL, &err, &hv));
    must(hv_pause(hv, &err, domid));
    must(hv_pager_open(hv, &err, by, domid, FIRST + COUNT, NULL, &p));
    must(hv_map(hv, &err, domid, true, &gfn, 1, NULL, &win));
    ring = win;
    ring[0] = 1;                 /* a request, of zeros */
    claim(hv_pager_next(p, &err, &rq) == -EPROTO,
          "a request without version is refused");
    ring[0] = 0x80000000u;       /* more than there is room for */
    claim(hv_pager_next(p, &err, &rq) == -EPROTO,
          "more requests than places are refused");
    ring[0] = 0;
    claim(hv_pager_next(p, &err, &rq) == -EAGAIN,
          "an empty ring has no request");
    hv_unmap(hv, win, 1);
    claim(hv_pager_close(p, &err) == 0, "the ring can be left");
    must(hv_unpause(hv, &err, domid));
    hv_close(hv);
    hv = NULL;
}

int main(int argc, char **argv)
{
    int down[2], up[2];
    pid_t pid;

    err_init(&err);
    if ( argc != 3 || pipe(down) || pipe(up) ||
         pageset_init(&absent, FIRST + COUNT) )
        return 99;
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    by = strcmp(argv[2], "access") ? HV_FAULTS_PAGING : HV_FAULTS_ACCESS;
    sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
              MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if ( sh == MAP_FAILED )
        return 99;
    spoiled();
    pid = fork();
    if ( !pid )
    {
        owner(down[0], up[1]);
        _exit(99);
    }
    holder(up[0], down[1], pid);

    return tap_done();
}
