/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Fault plan: fail or delay the Nth matching call, or end the host there.
 * Rules: "<what>[:<sub>] nth=<n> (fail=<errno> | delay=<ms> | kill)",
 * separated by ';' or newlines.
 */
#ifndef XMIG_EMU_FAULT_H
#define XMIG_EMU_FAULT_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_MAX_RULES 32u
#define FAULT_NAME      32u

enum fault_act { FAULT_FAIL, FAULT_DELAY, FAULT_KILL };

struct fault_rule
{
    char what[FAULT_NAME];
    char sub[FAULT_NAME];        /* empty: any */
    uint64_t nth;
    enum fault_act act;
    int value;                   /* errno, or milliseconds */
    uint64_t calls;              /* that matched so far */
    bool done;
};

struct fault_plan
{
    pthread_mutex_t lock;
    unsigned int nr;
    struct fault_rule rule[FAULT_MAX_RULES];
};

struct host;
struct conn;

void fault_init(struct fault_plan *p);
/* Add rules; none of them is added if one is wrong.  -EINVAL, -ENOSPC. */
int fault_add(struct fault_plan *p, const char *text, size_t len);
void fault_clear(struct fault_plan *p);
/* Append a line for each rule to buf; returns bytes (as snprintf). */
size_t fault_print(struct fault_plan *p, const char *who, char *buf,
                   size_t size);
/* Count a call.  True: *ret_rule is to be carried out now. */
bool fault_match(struct fault_plan *p, const char *what, const char *sub,
                 struct fault_rule *ret_rule);

/*
 * A call of a client (c NULL: a named point of the host itself).  Returns 0
 * or the -errno to fail with; may sleep, may end the process.
 */
int fault_check(struct host *h, struct conn *c, const char *what,
                const char *sub);

#endif
