/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A tracer of what a program asks the hypervisor for: see trace.c.
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdint.h>

/* One line in the making. */
struct trace_line
{
    char text[512];
    unsigned int used;
    /* of getpageframeinfo3: Xen moves handle and count on when it pauses */
    const uint64_t *types;
    uint64_t nr_types;
};

void trace_add(struct trace_line *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * What hypercall op with these arguments asks for: before the call.  A
 * multicall is told as the one call that libxenctrl wraps in it.
 */
void trace_ask(struct trace_line *l, unsigned int op, const uint64_t args[5]);
/* What it answered, behind what trace_ask() told; rc is its result or
 * -errno. */
void trace_answer(struct trace_line *l, unsigned int op,
                  const uint64_t args[5], long rc);

#endif
