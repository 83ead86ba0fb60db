/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The rules of mem_access on an emulated host (docs/emu.md, "Denied pages"):
 * what is refused, and what access a page has.  Prints TAP.
 *
 *   emu_access DOMID          a domain of 64 MiB, running or not
 *   emu_access DOMID no-vmx   where the host has no VMX
 */
#include "tap.h"
#include "access.h"

#define ALL_NEW (~0ull)          /* the gfn that stands for the default */
#define RAM     0x4000u          /* gfns below have frames, but a few */
#define SOME    0x400u           /* of these, from here on */
#define HOLE    0x80000u         /* has none */
#define NO_KIND 50u
#define LIST    600u             /* the host takes lists in pieces of 512 */

/* ---- refusals ----------------------------------------------------------- */

/* Of each, the first reason that Xen looks at. */
static void without_ring(void)
{
    is(set_of(domid + 77, XENMEM_access_n, 0, 1), -ESRCH, "no such domain");
    is(set_of(0, XENMEM_access_n, 0, 1), -EPERM, "dom0 is no HVM domain");
    is(set(XENMEM_access_n, 0, 1), -ENODEV, "no ring");
    is(set(NO_KIND, max_gfn + 1, 1), -ENODEV, "no ring, and no such kind");
    is(get(0), -ENODEV, "nothing is said without a ring");
    is(ring_disable(), -EINVAL, "no ring to switch off");
    is(xc_monitor_resume(xch, domid) ? -errno : 0, -ENODEV,
       "no ring to have answers in");
}

static void with_ring(void)
{
    unsigned int kind;
    uint32_t port;

    is(ring_enable(&port), -EBUSY, "one ring, not two");
    is(set(XENMEM_access_n, max_gfn, 1), 0, "the last gfn is one");
    is(set(XENMEM_access_n, max_gfn, 2), -EINVAL, "beyond the last gfn");
    is(set(XENMEM_access_r, max_gfn + 1, 1), -EINVAL,
       "beyond the last gfn, and another kind");
    is(set(XENMEM_access_n, 0, 0), -EINVAL, "no gfns at all");
    is(set(NO_KIND, 0, 1), -EINVAL, "no such kind");
    for ( kind = XENMEM_access_n + 1; kind < XENMEM_access_default; kind++ )
        if ( kind != XENMEM_access_rwx )
            is(set(kind, 0, 1), -EOPNOTSUPP, "a kind that is not modelled");
    is(get(max_gfn + 1), -EINVAL, "there is no access beyond the last gfn");
    is(get(HOLE), -ESRCH, "nor of a hole");
    is(set(XENMEM_access_n, HOLE, 1), 0, "which does no harm in a range");
    is(get(HOLE), -ESRCH, "and stays a hole");
    let_go();
}

static void without_vmx(void)
{
    is(set_of(0, XENMEM_access_n, 0, 1), -EPERM, "dom0 is no HVM domain");
    is(set(XENMEM_access_n, 0, 1), -EINVAL, "no VMX, and no ring");
    ring_on();
    is(set(XENMEM_access_n, 0, 1), -EINVAL, "no VMX");
    is(get(0), -EINVAL, "so nothing is said either");
    ring_off();
}

static void log_dirty_excludes(void)
{
    is(log_dirty(true), 0, "log-dirty mode, as nothing is denied");
    is(set(XENMEM_access_n, SOME, 1), -EBUSY, "no denying in log-dirty mode");
    is(get(SOME), XENMEM_access_rwx, "it is not denied");
    is(log_dirty(false), 0, "log-dirty mode ends");
    is(set(XENMEM_access_n, SOME, 1), 0, "then it is");
    is(log_dirty(true), -EBUSY, "no log-dirty mode while one is denied");
    let_go();
    is(log_dirty(true), 0, "again when none is");
    is(log_dirty(false), 0, "and off");
}

/* ---- what access a page has --------------------------------------------- */

static int set_list(uint8_t odd, uint8_t even, unsigned int no_kind_at)
{
    uint64_t gfns[LIST];
    uint8_t access[LIST];
    unsigned int i;

    for ( i = 0; i < LIST; i++ )
    {
        gfns[i] = SOME + i;
        access[i] = i == no_kind_at ? NO_KIND : i & 1 ? odd : even;
    }

    return xc_set_mem_access_multi(xch, domid, access, gfns, LIST) ? -errno :
           0;
}

static void lists(void)
{
    const uint8_t n = XENMEM_access_n, rwx = XENMEM_access_rwx;

    pause_domain();
    is(set_list(n, n, LIST), 0, "a list is denied");
    is(denied_below(RAM), LIST, "and nothing else");
    is(set_list(n, rwx, LIST), 0, "every other page is allowed");
    is(denied_below(SOME + LIST), LIST / 2, "half of it is denied");
    is(get(SOME), XENMEM_access_rwx, "the first one is not");
    is(get(SOME + 1), XENMEM_access_n, "the second one is");
    is(set_list(rwx, rwx, 550), -EINVAL, "a list with no kind in it");
    is(denied_below(SOME + LIST), (LIST - 550) / 2, "is done up to that");
    unpause_domain();
    let_go();
}

static void populate(void)
{
    xen_pfn_t gfn = HOLE;

    need(!xc_domain_populate_physmap_exact(xch, domid, 1, 0, 0, &gfn),
         "populate");
}

static void depopulate(void)
{
    xen_pfn_t gfn = HOLE;

    need(!xc_domain_decrease_reservation_exact(xch, domid, 1, 0, &gfn),
         "depopulate");
}

static void default_access(void)
{
    need(!xc_domain_setmaxmem(xch, domid, (info().tot_pages + 16) * 4),
         "raise the limit");
    is(get(ALL_NEW), XENMEM_access_rwx, "all is allowed by default");
    populate();
    is(get(HOLE), XENMEM_access_rwx, "what is populated is");
    depopulate();
    is(set(XENMEM_access_n, ALL_NEW, 0), 0, "all is denied by default");
    is(get(ALL_NEW), XENMEM_access_n, "as the default says");
    is(log_dirty(true), -EBUSY, "no log-dirty mode, though there is no page");
    populate();
    is(get(HOLE), XENMEM_access_n, "what is populated is denied");
    is(get(SOME), XENMEM_access_rwx, "what was there is not");
    is(set(XENMEM_access_default, SOME, 1), 0, "as it were new");
    is(get(SOME), XENMEM_access_n, "it is, too");
    depopulate();
    is(get(HOLE), -ESRCH, "without a frame it has none");
    is(set(XENMEM_access_rwx, ALL_NEW, 0), 0, "the default is back");
    let_go();
    is(log_dirty(true), 0, "log-dirty mode can be had again");
    is(log_dirty(false), 0, "and off");
}

/* ---- who is not kept away ----------------------------------------------- */

static uint8_t *map_some(unsigned int n)
{
    xen_pfn_t gfns[LIST];
    int errs[LIST];
    unsigned int i;
    void *p;

    for ( i = 0; i < n; i++ )
        gfns[i] = SOME + i;
    p = xenforeignmemory_map(fmem, domid, PROT_READ | PROT_WRITE, n, gfns,
                             errs);
    need(p != NULL, "map");
    for ( i = 0; i < n; i++ )
        need(!errs[i], "map each page");

    return p;
}

static void foreign_mappings(void)
{
    const size_t len = LIST * XC_PAGE_SIZE;
    uint8_t *before, *after, *copy = malloc(len);
    const uint8_t other = 0xa5;
    size_t i;

    need(copy != NULL, "memory");
    pause_domain();
    before = map_some(LIST);
    memcpy(copy, before, len);
    deny_all();
    after = map_some(LIST);
    claim(!memcmp(before, copy, len), "who has mapped it sees it");
    claim(!memcmp(after, copy, len), "who maps denied pages sees them");
    for ( i = 0; i < len; i += XC_PAGE_SIZE )
        after[i] ^= other;
    claim((before[0] ^ copy[0]) == other, "and can write there");
    memcpy(after, copy, len);
    is(get(SOME), XENMEM_access_n, "they are denied after that");
    claim(!RING_HAS_UNCONSUMED_REQUESTS(&ring), "nobody had to be asked");
    xenforeignmemory_unmap(fmem, before, LIST);
    xenforeignmemory_unmap(fmem, after, LIST);
    free(copy);
    unpause_domain();
    let_go();
}

int main(int argc, char **argv)
{
    if ( argc < 2 )
        return 99;
    access_start(argv[1]);
    if ( argc > 2 )
        without_vmx();
    else
    {
        without_ring();
        ring_on();
        with_ring();
        log_dirty_excludes();
        lists();
        default_access();
        foreign_mappings();
        ring_off();
    }

    return access_end();
}
