/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The pages that vCPUs touch first when they go on: those that they run in,
 * of their stacks, of the tables of the CPU, and the page tables on the way
 * to each.  A post-copy sends them ahead: a vCPU would fetch them one after
 * another, with a round trip for each.
 *
 * Pure reading of the guest's memory, by way of a function.  It knows vCPUs
 * without paging and in long mode (four or five levels; AMD64 Architecture
 * Programmer's Manual, volume 2, chapter 5); of others it finds nothing.
 *
 * Thread: any.
 */
#ifndef XMIG_FIRSTPAGES_H
#define XMIG_FIRSTPAGES_H

#include "hv.h"

#define FIRSTPAGES_MAX 4096u

struct firstpages
{
    uint64_t gfns[FIRSTPAGES_MAX];       /* each once, the most urgent first */
    unsigned int nr;
};

/* The page's address, or NULL if there is none. */
typedef const uint8_t *firstpages_read(void *data, uint64_t gfn);

/* What does not fit is left out. */
void firstpages_find(const struct hv_vcpu *vcpus, unsigned int nr,
                     uint64_t nr_gfns, firstpages_read *read, void *data,
                     struct firstpages *ret);

#endif
