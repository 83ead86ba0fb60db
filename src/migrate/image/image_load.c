/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * From the records of an image to the hypervisor: see image_load.h.
 */
#include "image_load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "describe.h"
#include "log.h"

/* Xen up to 4.13 sent it among the parameters; it is none any more. */
#define PARAM_PAE_ENABLED 4u

int image_load_refuse(struct err *e, int rc, const struct image_error *error)
{
    return err_set(e, rc, "the image is refused %s", error->text);
}

/* Take the record's body over: the reader makes itself a new one. */
static void *keep_body(struct image_load *ld)
{
    void *body = ld->reader.body;

    ld->reader.body = NULL;
    ld->reader.body_room = 0;
    return body;
}

static int begin(struct image_load *ld)
{
    int rc = ld->begin(ld->data, &ld->policy);

    if ( !rc )
        rc = restore_mem_init(&ld->mem, ld->hv, ld->err, ld->domid,
                              ld->nr_gfns);
    ld->begun = true;
    return rc;
}

static int take_pages(struct image_load *ld)
{
    bool stream = false;
    int rc = 0;

    if ( !ld->begun )                    /* version 2: no static records */
        rc = begin(ld);
    if ( !rc )
        rc = restore_mem_batch(&ld->mem, &ld->reader, &stream);
    if ( rc && stream )
        return image_load_refuse(ld->err, rc, &ld->error);
    if ( !rc && ld->placed )
        ld->placed(ld->data);
    return rc;
}

static int take_tsc(struct image_load *ld)
{
    struct image_tsc rec;
    struct hv_tsc tsc;

    memcpy(&rec, ld->reader.body, sizeof(rec));
    tsc.mode = rec.mode;
    tsc.khz = rec.khz;
    tsc.incarnation = rec.incarnation;
    tsc.nsec = rec.nsec;
    return hv_tsc_set(ld->hv, ld->err, ld->domid, &tsc);
}

static void take_params(struct image_load *ld)
{
    struct image_params hdr;
    struct image_param param;
    unsigned int i;

    static_assert(IMAGE_PARAMS_MAX <= HV_PARAMS_MAX, "params has room");
    memcpy(&hdr, ld->reader.body, sizeof(hdr));
    ld->nr_params = 0;
    for ( i = 0; i < hdr.count; i++ )
    {
        memcpy(&param, ld->reader.body + sizeof(hdr) + i * sizeof(param),
               sizeof(param));
        if ( param.index == PARAM_PAE_ENABLED )
            continue;
        ld->params[ld->nr_params].index = param.index;
        ld->params[ld->nr_params++].value = param.value;
    }
}

static int take_record(struct image_load *ld)
{
    const struct image_rhdr *rec = &ld->reader.rec;

    switch ( rec->type )
    {
    case IMAGE_CPUID_POLICY:
        ld->policy.nr_leaves = rec->length / IMAGE_LEAF_BYTES;
        ld->policy.leaves = keep_body(ld);
        return 0;

    case IMAGE_MSR_POLICY:
        ld->policy.nr_msrs = rec->length / IMAGE_MSR_BYTES;
        ld->policy.msrs = keep_body(ld);
        return 0;

    case IMAGE_STATIC_DATA_END:
        return begin(ld);

    case IMAGE_PAGE_DATA:
        return take_pages(ld);

    case IMAGE_VERIFY:
        ld->mem.verify = true;
        return 0;

    case IMAGE_TSC_INFO:
        return take_tsc(ld);

    case IMAGE_HVM_CONTEXT:
        ld->context_bytes = rec->length;
        ld->context = keep_body(ld);
        return 0;

    case IMAGE_HVM_PARAMS:
        take_params(ld);
        return 0;
    }
    return 0;                            /* END, or an optional one */
}

/* Xen's debugging mode sends all pages twice.  As stock does: a page that
 * differs is told and no more, as a device may have written to it. */
static void tell_verified(const struct image_load *ld)
{
    const struct restore_mem *m = &ld->mem;

    if ( m->differing_pages )
        LOG_ERROR(ld->logger, "domain %u: of %lu pages verified %lu differ, "
                  "the first at gfn %#lx", ld->domid,
                  (unsigned long)m->verified_pages,
                  (unsigned long)m->differing_pages,
                  (unsigned long)m->differing_gfn);
    else if ( m->verify )
        LOG_INFO(ld->logger, "domain %u: %lu pages verified", ld->domid,
                 (unsigned long)m->verified_pages);
}

/* What no domain can do without. */
static int check_rings(struct image_load *ld)
{
    uint64_t store_gfn, console_gfn;

    describe_rings(ld->params, ld->nr_params, &store_gfn, &console_gfn);
    if ( !pageset_test(&ld->mem.populated, store_gfn) || !store_gfn )
        return err_set(ld->err, -EPROTO, "the image is refused: its xenstore"
                       " page (frame %#lx) is not among its pages",
                       (unsigned long)store_gfn);
    if ( console_gfn && !pageset_test(&ld->mem.populated, console_gfn) )
        return err_set(ld->err, -EPROTO, "the image is refused: its console"
                       " page (frame %#lx) is not among its pages",
                       (unsigned long)console_gfn);
    return 0;
}

int image_load(struct image_load *ld)
{
    int rc;

    image_reader_init(&ld->reader, ld->in, ld->nr_gfns, &ld->error);
    rc = image_read_headers(&ld->reader);
    if ( rc )
        return image_load_refuse(ld->err, rc, &ld->error);

    do {
        rc = image_read_record(&ld->reader);
        if ( rc )
            return image_load_refuse(ld->err, rc, &ld->error);
        rc = take_record(ld);
        if ( rc )
            return rc;
    } while ( ld->reader.rec.type != IMAGE_END );

    tell_verified(ld);

    return check_rings(ld);
}

int image_load_params(struct image_load *ld)
{
    return hv_params_set(ld->hv, ld->err, ld->domid, ld->params,
                         ld->nr_params);
}

int image_load_context(struct image_load *ld)
{
    return hv_context_set(ld->hv, ld->err, ld->domid, ld->context,
                          ld->context_bytes);
}

void image_load_done(struct image_load *ld)
{
    image_reader_done(&ld->reader);
    restore_mem_done(&ld->mem);
    hv_policy_done(&ld->policy);
    free(ld->context);
    ld->context = NULL;
}
