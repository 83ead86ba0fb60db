/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hypercalls of dom0's programs.  Each handler returns what the hypercall
 * does: >= 0 or -errno.  va is the address of the argument structure in the
 * client.
 */
#ifndef XMIG_EMU_HYPERCALL_H
#define XMIG_EMU_HYPERCALL_H

#include "host.h"

int64_t hypercall(struct conn *c, const struct emu_call *call);

int64_t do_domctl(struct conn *c, uint64_t va);
int64_t do_sysctl(struct conn *c, uint64_t va);
int64_t do_memory_op(struct conn *c, uint64_t sub, uint64_t va);
int64_t do_hvm_op(struct conn *c, uint64_t sub, uint64_t va);

/* Not modelled: says so in the log. */
int64_t unmodelled(struct conn *c, const char *what, uint64_t sub);

/* names.c: what the fault plan and the log call a sub-op; NULL if unknown. */
const char *hypercall_name(uint64_t nr);
const char *domctl_name(uint32_t cmd);
const char *sysctl_name(uint32_t cmd);
const char *memory_op_name(uint64_t sub);
const char *hvm_op_name(uint64_t sub);
const char *sched_op_name(uint64_t sub);
const char *evtchn_op_name(uint64_t sub);
const char *shadow_op_name(uint32_t op);
const char *paging_op_name(uint32_t op);
const char *access_op_name(uint32_t op);
const char *vm_event_op_name(uint32_t op);

#endif
