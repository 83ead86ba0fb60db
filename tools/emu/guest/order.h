/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * In which order pages are visited.  State is plain data for guest pages.
 */
#ifndef XMIG_EMU_GUEST_ORDER_H
#define XMIG_EMU_GUEST_ORDER_H

#include <stdint.h>

enum order_kind
{
    ORDER_SEQUENTIAL,
    ORDER_RANDOM,                /* uniform */
    ORDER_ZIPF,                  /* exponent 1: the k-th hottest ~ 1/k */
    ORDER_HOT,                   /* 7 of 8 to a sixteenth of them */
};

struct order
{
    uint64_t n;                  /* indices 0 ... n-1, n > 0 */
    uint64_t cursor;
    uint64_t random;
    uint32_t kind;
    uint32_t pad;
    uint64_t log2_n1;            /* log2(n + 1), 32.32 */
};

/* 0, or -EINVAL for an unknown name. */
int order_parse(const char *name, enum order_kind *ret_kind);
void order_init(struct order *o, enum order_kind kind, uint64_t n,
                uint64_t seed);
uint64_t order_next(struct order *o);

#endif
