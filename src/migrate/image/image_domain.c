/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the hypervisor's words about a domain to the records of an image.
 */
#include "image_domain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int image_domain_head(struct image_out *out, struct hv *hv, struct err *e,
                      const struct hv_policy *policy)
{
    struct hv_host host;
    int rc = hv_host_info(hv, e, &host);

    if ( !rc )
        rc = image_write_headers(out, host.xen_version >> 16,
                                 host.xen_version & 0xffff);
    if ( !rc && policy->nr_leaves )
        rc = image_write_record(out, IMAGE_CPUID_POLICY, policy->leaves,
                                policy->nr_leaves * IMAGE_LEAF_BYTES);
    if ( !rc && policy->nr_msrs )
        rc = image_write_record(out, IMAGE_MSR_POLICY, policy->msrs,
                                policy->nr_msrs * IMAGE_MSR_BYTES);
    if ( !rc )
        rc = image_write_record(out, IMAGE_STATIC_DATA_END, NULL, 0);

    return rc;
}

int image_tail_get(struct image_tail *t, struct hv *hv, struct err *e,
                   uint32_t domid)
{
    int rc;

    memset(t, 0, sizeof(*t));
    rc = hv_tsc_get(hv, e, domid, &t->tsc);
    if ( !rc )
        rc = hv_context_get(hv, e, domid, &t->context, &t->context_bytes);
    if ( !rc && t->context_bytes > IMAGE_CONTEXT_MAX )
        rc = err_set(e, -EINVAL, "save domain %u: an HVM context of %zu "
                     "bytes, a stream holds %u", domid, t->context_bytes,
                     IMAGE_CONTEXT_MAX);
    if ( !rc )
        rc = hv_params_get(hv, e, domid, t->params, &t->nr_params);

    return rc;
}

void image_tail_done(struct image_tail *t)
{
    free(t->context);
    t->context = NULL;
}

static int write_params(const struct image_tail *t, struct image_out *out)
{
    struct
    {
        struct image_params hdr;
        struct image_param param[HV_PARAMS_MAX];
    } rec = { .hdr.count = t->nr_params };
    unsigned int i;

    static_assert(HV_PARAMS_MAX <= IMAGE_PARAMS_MAX, "the record's limit");
    for ( i = 0; i < t->nr_params; i++ )
    {
        rec.param[i].index = t->params[i].index;
        rec.param[i].value = t->params[i].value;
    }

    return image_write_record(out, IMAGE_HVM_PARAMS, &rec,
                              sizeof(rec.hdr) + i * sizeof(rec.param[0]));
}

int image_tail_write(const struct image_tail *t, struct image_out *out)
{
    struct image_tsc tsc = {
        .mode = t->tsc.mode,
        .khz = t->tsc.khz,
        .nsec = t->tsc.nsec,
        .incarnation = t->tsc.incarnation,
    };
    int rc = image_write_record(out, IMAGE_TSC_INFO, &tsc, sizeof(tsc));

    if ( !rc )
        rc = image_write_record(out, IMAGE_HVM_CONTEXT, t->context,
                                t->context_bytes);
    if ( !rc )
        rc = write_params(t, out);
    if ( !rc )
        rc = image_write_record(out, IMAGE_END, NULL, 0);

    return rc;
}
