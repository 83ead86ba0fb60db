/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain as the other end must know it to build its like: the bodies of
 * DOMAIN, POLICY and STATE(params), gathered from hypervisor and xenstore.
 */
#ifndef XMIG_DESCRIBE_H
#define XMIG_DESCRIBE_H

#include "hv.h"
#include "toolstack.h"
#include "wire.h"

struct description
{
    struct wire_domain domain;   /* .pairs point into pairs_buf; nr_lanes 1 */
    char *pairs_buf;
    char *config;                /* the toolstack's; NULL: nobody manages it */
    struct hv_policy policy;
    struct hv_param params[HV_PARAMS_MAX];
    unsigned int nr_params;
};

/*
 * Refuses, too, what is not carried (hv_carried(), toolstack_describe()) and
 * what is dying.
 *   -EINVAL  not of a kind that is carried; says which
 *   -ENOENT  no such domain
 * desc must be freed with describe_done() after a success.
 */
int describe(const struct toolstack *t, struct err *e, uint32_t domid,
             struct description *ret);
void describe_done(struct description *desc);

/* The body of DOMAIN; *ret_body is malloc'ed. */
int describe_domain_body(const struct description *desc, struct err *e,
                         void **ret_body, size_t *ret_len);

/* The gfns of the rings among the params, 0 where there is none. */
void describe_rings(const struct hv_param *params, unsigned int nr,
                    uint64_t *ret_store_gfn, uint64_t *ret_console_gfn);

#endif
