/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Taking an image stream into a domain: pages are placed as they come, state
 * is kept for when the caller is ready to load it.
 */
#ifndef XMIG_IMAGE_LOAD_H
#define XMIG_IMAGE_LOAD_H

#include "hv.h"
#include "restore_mem.h"

struct image_load
{
    /* set by the caller, borrowed */
    struct xentoollog_logger *logger;
    struct hv *hv;
    struct err *err;
    struct image_in *in;
    uint64_t nr_gfns;            /* every gfn is below it */
    /*
     * What the domain needs before it gets memory has been read: it must
     * exist with this CPU policy (no leaves, no MSRs: the image has none)
     * when the call returns, and domid be set.
     */
    int (*begin)(void *data, const struct hv_policy *policy);
    /* A batch of pages has been placed; may be NULL. */
    void (*placed)(void *data);
    void *data;
    uint32_t domid;

    /* results */
    struct restore_mem mem;
    struct hv_policy policy;
    struct hv_param params[HV_PARAMS_MAX];
    unsigned int nr_params;
    void *context;
    size_t context_bytes;

    /* own */
    bool begun;
    struct image_reader reader;
    struct image_error error;
};

/* From the image's header to END, and not a byte further.  TSC is set. */
int image_load(struct image_load *ld);
/* Parameters (the rings' pages are cleared) and then context; the memory is
 * there. */
int image_load_params(struct image_load *ld);
int image_load_context(struct image_load *ld);
void image_load_done(struct image_load *ld);

/* The place in the stream and what the reader complained of, as the error. */
int image_load_refuse(struct err *e, int rc, const struct image_error *error);

#endif
