/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The toolstack seam: what is done to a domain by the program's hooks
 * (xmig_set_toolstack()) where they manage it, and by hypervisor and
 * xenstore alone ("bare") where nobody does.
 *
 * Thread: any, as far as the hooks allow it.
 */
#ifndef XMIG_TOOLSTACK_H
#define XMIG_TOOLSTACK_H

#include "hv.h"
#include "store.h"
#include "xmig.h"

struct toolstack
{
    struct hv *hv;               /* borrowed, all of it */
    struct store *store;
    const struct xmig_toolstack *hooks;  /* NULL: none */
    void *data;
};

bool toolstack_manages(const struct toolstack *t, uint32_t domid);

/*
 * May the domain be moved?  *ret_config is the hooks' description,
 * malloc'ed, NULL for one that is bare.
 *   -EINVAL  not of a kind that is carried, or managed by somebody whose
 *            hooks are missing
 */
int toolstack_describe(const struct toolstack *t, struct err *e,
                       uint32_t domid, char **ret_config);
int toolstack_rename(const struct toolstack *t, struct err *e, uint32_t domid,
                     const char *name);
/* The domain and its nodes; one that is gone leaves its nodes to remove. */
int toolstack_destroy(const struct toolstack *t, struct err *e,
                      uint32_t domid);

/* ---- A managed domain that comes in; hooks are there ------------------- */

int toolstack_create(const struct toolstack *t, struct err *e,
                     const char *config, const char *name,
                     const struct xmig_wait *wait, struct xmig_made *ret);
int toolstack_attach(const struct toolstack *t, struct err *e, void *handle,
                     uint64_t store_gfn, uint64_t console_gfn,
                     const struct xmig_wait *wait);
/* 0, or what it had failed of by itself. */
int toolstack_discard(const struct toolstack *t, struct err *e, void *handle);
/* A domain runs here; also for those that nobody manages. */
void toolstack_running(const struct toolstack *t, uint32_t domid);

#endif
