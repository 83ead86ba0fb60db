/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * How fast pages become absent and present again, on whatever Xen there is.
 * Prints lines "way pages us us-per-page".
 *
 *   absent DOMID FIRST COUNT      a paused domain; its gfns [FIRST, FIRST +
 *                                 COUNT) have frames, whose contents are lost
 *
 * Ways: a hypercall for each step (as xenpaging does), a multicall for each
 * page, a multicall for each 512 pages; placing singly and 64 at once; making
 * holes absent.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xenctrl.h>

#include "clock.h"
#include "hv.h"
#include "hv_pager.h"

#define PLACE 64u

static struct hv *hv;
static struct err err;
static xc_interface *xch;
static uint32_t domid;
static uint64_t first, count;
static struct hv_placer *pl;
static struct pageset absent;

static int fail(const char *what)
{
    struct xmig_error rec;

    err_copy(&err, &rec);
    fprintf(stderr, "absent: %s: %s\n", what, rec.text);
    exit(1);
}

static void tell(const char *way, uint64_t pages, uint64_t us)
{
    printf("%-12s %8" PRIu64 " %10" PRIu64 " %8.3f\n", way, pages, us,
           pages ? (double)us / (double)pages : 0.0);
    fflush(stdout);
}

/* All of it present again. */
static void place_all(const char *way, unsigned int at_once)
{
    uint64_t gfns[PLACE], g, done = 0, begin = clock_now_us();
    unsigned int n = 0;

    memset(hv_placer_page(pl, 0), 0, PLACE * PAGE_BYTES);
    for ( g = first; g < first + count; g++ )
    {
        if ( pageset_test(&absent, g) )
            gfns[n++] = g;
        if ( n < at_once && g + 1 < first + count )
            continue;
        if ( hv_placer_place(pl, &err, 0, gfns, n, NULL) )
            fail("place");
        done += n;
        n = 0;
    }
    tell(way, done, clock_now_us() - begin);
    pageset_zero(&absent);
}

static void singly(void)
{
    uint64_t g, done = 0, begin = clock_now_us();

    for ( g = first; g < first + count; g++ )
        if ( !xc_mem_paging_nominate(xch, domid, g) &&
             !xc_mem_paging_evict(xch, domid, g) )
        {
            pageset_set(&absent, g);
            done++;
        }
    tell("single", done, clock_now_us() - begin);
}

static void evict(const char *way, uint64_t at_once)
{
    uint64_t g, n, done = 0, begin = clock_now_us();
    struct hv_evicted ev;

    for ( g = first; g < first + count; g += n )
    {
        n = at_once < first + count - g ? at_once : first + count - g;
        if ( hv_placer_evict(pl, &err, g, n, NULL, &absent, &ev) )
            fail("evict");
        done += ev.absent;
    }
    tell(way, done, clock_now_us() - begin);
}

static void make(void)
{
    struct hv_evicted ev;
    uint64_t begin;

    if ( hv_depopulate(hv, &err, domid, first, count) )
        fail("give up");
    begin = clock_now_us();
    if ( hv_placer_make(pl, &err, first, count, NULL, &absent, &ev) )
        fail("make absent");
    tell("make", ev.absent, clock_now_us() - begin);
}

int main(int argc, char **argv)
{
    struct hv_pager *pager;

    err_init(&err);
    if ( argc != 4 )
        return 2;
    domid = (uint32_t)strtoul(argv[1], NULL, 0);
    first = strtoull(argv[2], NULL, 0);
    count = strtoull(argv[3], NULL, 0);
    xch = xc_interface_open(NULL, NULL, 0);
    if ( !xch || hv_open(NULL, &err, &hv) ||
         hv_pager_open(hv, &err, HV_FAULTS_PAGING, domid, first + count,
                       NULL, &pager) ||
         hv_placer_open(pager, &err, PLACE, &pl) ||
         pageset_init(&absent, first + count) )
        fail("open");
    singly();
    place_all("place", 1);
    evict("pair", 1);
    place_all("place-64", PLACE);
    evict("chunk", count);
    place_all("place-64", PLACE);
    make();
    place_all("place-64", PLACE);
    hv_placer_close(pl);
    if ( hv_pager_close(pager, &err) )
        fail("close");
    hv_close(hv);
    xc_interface_close(xch);

    return 0;
}
