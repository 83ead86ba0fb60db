/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The cap on a domain's CPU time: see cpucap.h.
 */
#include "cpucap.h"

#include <errno.h>
#include <stdio.h>

#define NOTE "/tool/xmig/cap-%s"

int cpucap_hold(struct hv *hv, struct store *st, struct err *e,
                uint32_t domid, unsigned int percent)
{
    char uuid[IDENT_TEXT], text[16];
    struct hv_domain info;
    unsigned int own;
    uint64_t noted;
    int rc;

    rc = hv_domain_info(hv, e, domid, &info);
    if ( rc )
        return rc;
    ident_text(info.uuid, uuid);
    if ( !store_read_u64(st, NULL, &noted, NOTE, uuid) )
        own = (unsigned int)noted;
    else
    {
        rc = hv_cpu_cap_get(hv, e, domid, &own);
        if ( rc )
            return rc;
        snprintf(text, sizeof(text), "%u", own);
        rc = store_write(st, e, text, NOTE, uuid);
        if ( rc )
            return rc;
    }
    if ( own && percent > own )
        percent = own;

    return hv_cpu_cap_set(hv, e, domid, percent ? percent : 1);
}

int cpucap_release(struct hv *hv, struct store *st, struct err *e,
                   uint32_t domid, const uint8_t uuid[IDENT_BYTES])
{
    char text[IDENT_TEXT];
    struct hv_domain info;
    uint64_t own;
    int rc;

    ident_text(uuid, text);
    rc = store_read_u64(st, NULL, &own, NOTE, text);
    if ( rc == -ENOENT )
        return 0;
    if ( rc )
        return err_set(e, rc, "read the CPU cap of domain %u: %s", domid,
                       err_text(rc));
    rc = hv_domain_info(hv, NULL, domid, &info);
    if ( !rc && ident_equal(info.uuid, uuid) )
        rc = hv_cpu_cap_set(hv, e, domid, (unsigned int)own);
    else if ( !rc || rc == -ENOENT )
        rc = 0;
    if ( !rc )
        rc = store_rm(st, e, NOTE, text);

    return rc;
}
