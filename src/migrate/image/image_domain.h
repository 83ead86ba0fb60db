/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's records in an image stream but for its pages: what stands in
 * front of them and what stands behind.
 */
#ifndef XMIG_IMAGE_DOMAIN_H
#define XMIG_IMAGE_DOMAIN_H

#include "hv.h"
#include "image_write.h"

/* Headers, CPU policy, STATIC_DATA_END. */
int image_domain_head(struct image_out *out, struct hv *hv, struct err *e,
                      const struct hv_policy *policy);

/* What is behind the pages; it can be gathered while these are sent. */
struct image_tail
{
    struct hv_tsc tsc;
    void *context;               /* malloc'ed */
    size_t context_bytes;
    struct hv_param params[HV_PARAMS_MAX];
    unsigned int nr_params;
};

/* The domain is suspended. */
int image_tail_get(struct image_tail *t, struct hv *hv, struct err *e,
                   uint32_t domid);
/* TSC, context, parameters, END. */
int image_tail_write(const struct image_tail *t, struct image_out *out);
void image_tail_done(struct image_tail *t);

#endif
