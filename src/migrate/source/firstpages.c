/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Which pages vCPUs touch first: see firstpages.h.
 */
#include "firstpages.h"

#include <string.h>

#define CR0_PG     (1ull << 31)
#define CR4_LA57   (1ull << 12)
#define EFER_LMA   (1ull << 10)

#define PTE_PRESENT 1ull
#define PTE_LARGE   (1ull << 7)
#define PTE_GFN(e)  (((e) & 0x000ffffffffff000ull) >> PAGE_BITS)

/* A kernel's stack, as Linux has it: aligned to its size, it grows down. */
#define STACK_BYTES 16384u
/* What Linux has for each CPU, in its kernel's image.  It registers a part of
 * it anew with Xen when it goes on, and that fails for an absent page. */
#define PERCPU_BYTES (256u << 10)
#define IS_KERNEL(addr) ((addr) >> 63)

struct finder
{
    uint64_t nr_gfns;
    firstpages_read *read;
    void *data;
    struct firstpages *found;
};

static void add(struct finder *f, uint64_t gfn)
{
    struct firstpages *p = f->found;
    unsigned int i;

    if ( gfn >= f->nr_gfns || p->nr == FIRSTPAGES_MAX )
        return;
    for ( i = 0; i < p->nr; i++ )
        if ( p->gfns[i] == gfn )
            return;
    p->gfns[p->nr++] = gfn;
}

/* Entry index of the table in gfn; 0 is none that is present. */
static uint64_t entry(struct finder *f, uint64_t gfn, unsigned int index)
{
    const uint8_t *page = gfn < f->nr_gfns ? f->read(f->data, gfn) : NULL;
    uint64_t e = 0;

    if ( page )
        memcpy(&e, page + index * sizeof(e), sizeof(e));

    return e & PTE_PRESENT ? e : 0;
}

/* The tables on the way to it, and the page. */
static void walk(struct finder *f, const struct hv_vcpu *v, uint64_t addr)
{
    unsigned int level = v->cr4 & CR4_LA57 ? 5 : 4, shift;
    uint64_t gfn = PTE_GFN(v->cr3), e;

    for ( ; level; level-- )
    {
        shift = PAGE_BITS + 9 * (level - 1);
        add(f, gfn);
        e = entry(f, gfn, (addr >> shift) & 511);
        if ( !e )
            return;
        gfn = PTE_GFN(e);
        if ( (level == 2 || level == 3) && (e & PTE_LARGE) )
        {
            /* Low bits of a large page's entry are not address. */
            gfn &= ~((1ull << (shift - PAGE_BITS)) - 1);
            gfn |= (addr & ((1ull << shift) - 1)) >> PAGE_BITS;
            break;
        }
    }
    add(f, gfn);
}

static void look(struct finder *f, const struct hv_vcpu *v, uint64_t addr)
{
    if ( !(v->cr0 & CR0_PG) )
        add(f, addr >> PAGE_BITS);
    else if ( v->efer & EFER_LMA )
        walk(f, v, addr);
}

void firstpages_find(const struct hv_vcpu *vcpus, unsigned int nr,
                     uint64_t nr_gfns, firstpages_read *read, void *data,
                     struct firstpages *ret)
{
    struct finder f = { nr_gfns, read, data, ret };
    const struct hv_vcpu *v;
    uint64_t addr, off;
    unsigned int i;

    ret->nr = 0;
    for ( v = vcpus; v < vcpus + nr; v++ )
    {
        look(&f, v, v->rip);
        for ( addr = v->rsp; ; addr += PAGE_BYTES )
        {
            look(&f, v, addr);
            if ( (addr | (PAGE_BYTES - 1)) % STACK_BYTES == STACK_BYTES - 1 )
                break;
        }
        for ( i = 0; i < HV_VCPU_TABLES; i++ )
            if ( v->tables[i] )
                look(&f, v, v->tables[i]);
        for ( i = 0; i < HV_VCPU_GS; i++ )
            for ( off = 0; IS_KERNEL(v->tables[i]) && off < PERCPU_BYTES;
                  off += PAGE_BYTES )
                look(&f, v, v->tables[i] + off);
    }
}
