/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Build a domain from a description, step by step, and take it down again.
 * For a migration that comes in and for a restore from a file.
 *
 * Steps, in order: build_check(), build_create(), [memory of the ring pages
 * populated by the caller], build_params(), build_store(), build_complete().
 * build_undo() after a failure of any step, or later.
 *
 * A domain with a toolstack's configuration is created and given its devices
 * by the toolstack's hooks; its memory, parameters and policy are set here.
 */
#ifndef XMIG_BUILD_H
#define XMIG_BUILD_H

#include "hv.h"
#include "toolstack.h"
#include "wire.h"

struct build
{
    /* set by the caller, borrowed */
    struct hv *hv;
    struct store *store;
    const struct toolstack *toolstack;
    struct err *err;
    const struct wire_domain *domain;
    const char *name;            /* the proper one */
    const char *config;          /* the toolstack's, NULL: nobody's domain */
    struct xmig_wait wait;       /* while hooks wait; with config only */

    /* results */
    bool created;                /* domid is valid, the domain exists */
    bool claimed;                /* machine memory is claimed for it */
    bool introduced;             /* or that was tried: others know of it */
    bool attached;               /* the toolstack has done its part ... */
    struct xmig_made made;       /* ... else it has .handle */
    uint32_t domid;
    struct hv_rings rings;
};

#define BUILD_INCOMING "--incoming"

/*
 * Could it be built here?
 *   -EEXIST  a domain of the name, or of name--incoming, is here
 *   -ENOMEM  too little memory is free; names the numbers
 *   -EINVAL  the name is no name
 */
int build_check(struct build *b);
/* The domain, paused and without memory; its memory claimed; its CPU
 * policy (nr_leaves may be 0). */
int build_create(struct build *b, const struct wire_policy *policy);
/* HVM parameters, event channels, grant table seed.  The rings' pages must
 * be populated; they are cleared. */
int build_params(struct build *b, const struct hv_param *params,
                 unsigned int nr);
/* Its nodes, as name or (incoming) name--incoming; introduce it, devices. */
int build_store(struct build *b, bool incoming);
/* Memory and state are complete: devices that had to wait for that. */
int build_complete(struct build *b);
/* The claim is no longer needed. */
void build_unclaim(struct build *b);
/* What is left of the claim may have been used up for pages that are absent
 * now: claim anew what the domain still lacks. */
int build_claim_again(struct build *b);
/* Give it its proper name. */
int build_rename(struct build *b);
/* A step has failed with rc, recorded in err: if it was for want of a domain,
 * the toolstack knows better.  Returns the code. */
int build_explain(struct build *b, int rc);
/* Destroy it and remove every trace.  Mappings must be gone. */
void build_undo(struct build *b);

#endif
