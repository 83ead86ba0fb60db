/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * CPU policies: CPUID leaves and MSRs.  The emulated hosts' CPU is one
 * plausible AMD processor.
 */
#ifndef XMIG_EMU_POLICY_H
#define XMIG_EMU_POLICY_H

#include <stdint.h>
#include <xenctrl.h>

#define POLICY_MAX_LEAVES 160u
#define POLICY_MAX_MSRS   2u

struct policy
{
    uint32_t nr_leaves, nr_msrs;
    xen_cpuid_leaf_t leaf[POLICY_MAX_LEAVES];
    xen_msr_entry_t msr[POLICY_MAX_MSRS];
};

/* What the host's CPU can do: the most a guest can be given. */
void policy_host(struct policy *p);

/*
 * Merge leaves and MSRs into p, if the result is one that a guest can have on
 * this host.  -ERANGE: unknown leaf or MSR; -EINVAL: the host can't do that.
 * *ret_leaf, *ret_subleaf and *ret_msr name the culprit (else untouched).
 */
int policy_merge(struct policy *p, const xen_cpuid_leaf_t *leaf,
                 uint32_t nr_leaves, const xen_msr_entry_t *msr,
                 uint32_t nr_msrs, uint32_t *ret_leaf,
                 uint32_t *ret_subleaf, uint32_t *ret_msr);

/* Words of Xen's feature set. */
#define POLICY_FEATURE_WORDS 16u
void policy_features(const struct policy *p,
                     uint32_t fs[POLICY_FEATURE_WORDS]);

#endif
