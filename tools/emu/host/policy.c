/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CPU policies: the host's, merging, and the check of what a guest may have.
 * Pure functions.
 */
#include <errno.h>
#include <string.h>

#include "policy.h"

#define ANY          XEN_CPUID_INPUT_UNUSED
#define LAST_BASIC   0xdu
#define LAST_SUBLEAF 63u
#define LAST_EXTD    0x80000021u
#define MSR_PLATFORM_INFO 0xceu
#define MSR_ARCH_CAPS     0x10au
#define CPUID_FAULTING    (1ull << 31)

/*
 * Every leaf up to the limits, empty ones too: a toolstack writes a policy
 * back into a buffer of the size it came in.
 */
static const xen_cpuid_leaf_t host_leaves[] = {
    /* leaf, subleaf, eax, ebx, ecx, edx */
    { 0x0, ANY, 0xd, 0x68747541, 0x444d4163, 0x69746e65 }, /* AuthenticAMD */
    { 0x1, ANY, 0x00830f10, 0x00040800, 0xf6d83203, 0x178bfbff },
    { 0x2, ANY, 0, 0, 0, 0 },
    { 0x3, ANY, 0, 0, 0, 0 },
    { 0x4, 0x0, 0, 0, 0, 0 },
    { 0x5, ANY, 0, 0, 0, 0 },
    { 0x6, ANY, 0, 0, 0, 0 },
    { 0x7, 0x0, 0, 0x219c01a9, 0x00400004, 0 },
    { 0x8, ANY, 0, 0, 0, 0 },
    { 0x9, ANY, 0, 0, 0, 0 },
    { 0xa, ANY, 0, 0, 0, 0 },
    { 0xb, 0x0, 0, 0, 0, 0 },
    { 0xc, ANY, 0, 0, 0, 0 },
    { 0xd, 0x0, 0x7, 0x340, 0x340, 0 },
    { 0xd, 0x1, 0x7, 0, 0, 0 },
    { 0xd, 0x2, 0x100, 0x240, 0, 0 },
    { 0x40000000, ANY, 0, 0, 0, 0 },
    { 0x40000100, ANY, 0, 0, 0, 0 },
    { 0x80000000, ANY, 0x80000008, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, ANY, 0x00830f10, 0, 0x000001f3, 0x2fd3fbff },
    { 0x80000002, ANY, 0x67696d78, 0x756d6520, 0x6574616c, 0x50432064 },
    { 0x80000003, ANY, 0x00000055, 0, 0, 0 },
    { 0x80000004, ANY, 0, 0, 0, 0 },
    { 0x80000005, ANY, 0, 0, 0, 0 },
    { 0x80000006, ANY, 0, 0, 0, 0 },
    { 0x80000007, ANY, 0, 0, 0, 0x100 },
    { 0x80000008, ANY, 0x00003030, 0x00001000, 0, 0 },
};

static const xen_msr_entry_t host_msrs[] = {
    { .idx = MSR_PLATFORM_INFO, .val = CPUID_FAULTING },
    { .idx = MSR_ARCH_CAPS, .val = 0 },
};

/* Registers that hold feature bits: a guest's must be in the host's. */
static const struct
{
    uint32_t leaf, subleaf;
    uint32_t mask[4];            /* eax ebx ecx edx */
} feature_regs[] = {
    { 0x1, ANY, { 0, 0, ~0u, ~0u } },
    { 0x7, 0x0, { 0, ~0u, ~0u, ~0u } },
    { 0x7, 0x1, { ~0u, ~0u, ~0u, ~0u } },
    { 0xd, 0x1, { ~0u, 0, 0, 0 } },
    { 0x80000001, ANY, { 0, 0, ~0u, ~0u } },
    { 0x80000008, ANY, { 0, ~0u, 0, 0 } },
};

/* Bits that guests see whatever the CPU has: OSXSAVE, hypervisor, APIC. */
#define ALWAYS_1C ((1u << 27) | (1u << 31))
#define ALWAYS_1D (1u << 9)

void policy_host(struct policy *p)
{
    memset(p, 0, sizeof(*p));
    p->nr_leaves = sizeof(host_leaves) / sizeof(host_leaves[0]);
    p->nr_msrs = sizeof(host_msrs) / sizeof(host_msrs[0]);
    memcpy(p->leaf, host_leaves, sizeof(host_leaves));
    memcpy(p->msr, host_msrs, sizeof(host_msrs));
}

static const xen_cpuid_leaf_t *find(const xen_cpuid_leaf_t *leaf,
                                    uint32_t nr, uint32_t l, uint32_t s)
{
    uint32_t i;

    for ( i = 0; i < nr; i++ )
        if ( leaf[i].leaf == l && leaf[i].subleaf == s )
            return &leaf[i];
    return NULL;
}

static const xen_cpuid_leaf_t *host_leaf(uint32_t l, uint32_t s)
{
    return find(host_leaves, sizeof(host_leaves) / sizeof(host_leaves[0]),
                l, s);
}

static int leaf_known(const xen_cpuid_leaf_t *l)
{
    if ( l->subleaf != ANY && l->subleaf > LAST_SUBLEAF )
        return 0;
    return l->leaf <= LAST_BASIC ||
           (l->leaf >= 0x40000000 && l->leaf <= 0x400001ff) ||
           (l->leaf >= 0x80000000 && l->leaf <= LAST_EXTD);
}

static int leaf_fits(const xen_cpuid_leaf_t *l)
{
    static const xen_cpuid_leaf_t none;
    const xen_cpuid_leaf_t *h = host_leaf(l->leaf, l->subleaf);
    unsigned int i;

    if ( !h )
        h = &none;
    if ( l->leaf == 0 || l->leaf == 0x80000000 )
        return l->a <= h->a &&
               ((l->b == h->b && l->c == h->c && l->d == h->d) ||
                (l->leaf && !l->b && !l->c && !l->d));
    for ( i = 0; i < sizeof(feature_regs) / sizeof(feature_regs[0]); i++ )
    {
        const uint32_t *m = feature_regs[i].mask;
        uint32_t more_c = l->leaf == 1 ? ALWAYS_1C : 0;
        uint32_t more_d = l->leaf == 1 ? ALWAYS_1D : 0;

        if ( feature_regs[i].leaf == l->leaf &&
             feature_regs[i].subleaf == l->subleaf )
            return !(l->a & m[0] & ~h->a) && !(l->b & m[1] & ~h->b) &&
                   !(l->c & m[2] & ~(h->c | more_c)) &&
                   !(l->d & m[3] & ~(h->d | more_d));
    }
    return 1;
}

static int check_msr(const xen_msr_entry_t *m)
{
    if ( m->idx == MSR_PLATFORM_INFO )
        return m->flags || (m->val & ~CPUID_FAULTING) ? -EINVAL : 0;
    if ( m->idx == MSR_ARCH_CAPS )
        return m->flags || m->val ? -EINVAL : 0;
    return -ERANGE;
}

static int put_leaf(struct policy *p, const xen_cpuid_leaf_t *l)
{
    xen_cpuid_leaf_t *at = (xen_cpuid_leaf_t *)
        find(p->leaf, p->nr_leaves, l->leaf, l->subleaf);

    if ( !at )
    {
        if ( p->nr_leaves == POLICY_MAX_LEAVES )
            return -ENOBUFS;
        at = &p->leaf[p->nr_leaves++];
    }
    *at = *l;
    return 0;
}

static int put_msr(struct policy *p, const xen_msr_entry_t *m)
{
    uint32_t i;

    for ( i = 0; i < p->nr_msrs && p->msr[i].idx != m->idx; i++ )
        continue;
    if ( i == POLICY_MAX_MSRS )
        return -ENOBUFS;
    if ( i == p->nr_msrs )
        p->nr_msrs++;
    p->msr[i] = *m;
    return 0;
}

int policy_merge(struct policy *p, const xen_cpuid_leaf_t *leaf,
                 uint32_t nr_leaves, const xen_msr_entry_t *msr,
                 uint32_t nr_msrs, uint32_t *ret_leaf,
                 uint32_t *ret_subleaf, uint32_t *ret_msr)
{
    struct policy new = *p;
    uint32_t i;
    int rc;

    for ( i = 0; i < nr_leaves; i++ )
    {
        rc = leaf_known(&leaf[i]) ? 0 : -ERANGE;
        if ( !rc && !leaf_fits(&leaf[i]) )
            rc = -EINVAL;
        if ( !rc )
            rc = put_leaf(&new, &leaf[i]);
        if ( rc )
        {
            *ret_leaf = leaf[i].leaf;
            *ret_subleaf = leaf[i].subleaf;
            return rc;
        }
    }
    for ( i = 0; i < nr_msrs; i++ )
    {
        rc = check_msr(&msr[i]);
        if ( !rc )
            rc = put_msr(&new, &msr[i]);
        if ( rc )
        {
            *ret_msr = msr[i].idx;
            return rc;
        }
    }
    *p = new;
    return 0;
}

void policy_features(const struct policy *p,
                     uint32_t fs[POLICY_FEATURE_WORDS])
{
    static const struct
    {
        uint32_t leaf, subleaf;
        unsigned int reg;        /* 0: eax ... 3: edx */
    } word[] = {
        { 0x1, ANY, 3 }, { 0x1, ANY, 2 },
        { 0x80000001, ANY, 3 }, { 0x80000001, ANY, 2 },
        { 0xd, 1, 0 }, { 0x7, 0, 1 }, { 0x7, 0, 2 },
        { 0x80000007, ANY, 3 }, { 0x80000008, ANY, 1 },
        { 0x7, 0, 3 }, { 0x7, 1, 0 }, { 0x80000021, ANY, 0 },
        { 0x7, 1, 1 }, { 0x7, 2, 3 }, { 0x7, 1, 2 }, { 0x7, 1, 3 },
    };
    unsigned int i;

    for ( i = 0; i < POLICY_FEATURE_WORDS; i++ )
    {
        const xen_cpuid_leaf_t *l = find(p->leaf, p->nr_leaves, word[i].leaf,
                                         word[i].subleaf);
        uint32_t reg[4] = { 0 };

        if ( l )
        {
            reg[0] = l->a;
            reg[1] = l->b;
            reg[2] = l->c;
            reg[3] = l->d;
        }
        fs[i] = reg[word[i].reg];
    }
}
