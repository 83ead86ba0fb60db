/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Grant tables: the table of each domain, in frames of the host's, and the
 * maps and copies that dom0's programs make by it.
 */
#ifndef XMIG_EMU_GNTTAB_H
#define XMIG_EMU_GNTTAB_H

#include "host.h"

/* Frames of a table, all there from the start: version 1, 512 a frame. */
#define GNTTAB_FRAMES 8u

/* At creation and at destruction of a domain, dom0 included (no table). */
int gnttab_init(struct domain *d);
void gnttab_done(struct domain *d);

/* The guest's view: struct grant_entry_v1[*ret_nr_entries], or NULL. */
void *gnttab_table(struct domain *d, unsigned int *ret_nr_entries);

/*
 * XENMEM_acquire_resource of XENMEM_resource_grant_table, and add_to_physmap
 * of XENMAPSPACE_grant_table: the MFNs of nr frames from `frame` on, each
 * pinned for the caller.  -EINVAL where the domain has no such frame,
 * -EOPNOTSUPP for id != shared.
 */
int gnttab_pin_frames(struct domain *d, uint32_t id, uint64_t frame,
                      uint64_t nr, uint64_t *ret_mfns);

/* grant_table_op(op, arg, count) by a client in dom0. */
int64_t gnttab_hypercall(struct conn *c, uint64_t op, uint64_t arg_va,
                         uint64_t count);

/* EMU_GNTTAB_FIRST ... LAST; as evtchn_msg(). */
int gnttab_msg(struct conn *c, uint32_t op, uint32_t len);
/* The connection is gone: everything it has mapped is unmapped. */
void gnttab_conn_close(struct conn *c);

#endif
