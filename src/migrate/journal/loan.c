/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Settings of a domain that are changed for a while: see loan.h.
 */
#include "loan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define NOTE "/tool/xmig/%s-%s"

/* Below what any domain has. */
#define HELD_KIB 4u

static int cap_get(struct hv *hv, struct err *e, uint32_t domid,
                   uint64_t *ret)
{
    unsigned int cap;
    int rc = hv_cpu_cap_get(hv, e, domid, &cap);

    if ( !rc )
        *ret = cap;

    return rc;
}

static int cap_set(struct hv *hv, struct err *e, uint32_t domid, uint64_t own)
{
    return hv_cpu_cap_set(hv, e, domid, (unsigned int)own);
}

static int max_mem_get(struct hv *hv, struct err *e, uint32_t domid,
                       uint64_t *ret_kib)
{
    struct hv_domain info;
    int rc = hv_domain_info(hv, e, domid, &info);

    if ( !rc )
        *ret_kib = info.max_pages == UINT64_MAX ? UINT64_MAX >> 12
                                                : info.max_pages * 4;

    return rc;
}

static const struct
{
    const char *note, *what;
    int (*get)(struct hv *hv, struct err *e, uint32_t domid, uint64_t *ret);
    int (*set)(struct hv *hv, struct err *e, uint32_t domid, uint64_t own);
} loans[LOANS] = {
    [LOAN_CAP] = { "cap", "CPU cap", cap_get, cap_set },
    [LOAN_MAX_MEM] = { "max-mem", "memory limit", max_mem_get,
                       hv_set_max_mem },
};

/* What it has of its own, noted from here on. */
static int note(struct hv *hv, struct store *st, struct err *e,
                uint32_t domid, enum loan loan, uint64_t *ret_own)
{
    char uuid[IDENT_TEXT], text[24];
    struct hv_domain info;
    uint64_t own;
    int rc;

    rc = hv_domain_info(hv, e, domid, &info);
    if ( rc )
        return rc;
    ident_text(info.uuid, uuid);
    rc = store_read_u64(st, NULL, &own, NOTE, loans[loan].note, uuid);
    if ( rc == -ENOENT )
    {
        rc = loans[loan].get(hv, e, domid, &own);
        if ( rc )
            return rc;
        snprintf(text, sizeof(text), "%" PRIu64, own);
        rc = store_write(st, e, text, NOTE, loans[loan].note, uuid);
    }
    else if ( rc )
        rc = err_set(e, rc, "read the %s of domain %u: %s", loans[loan].what,
                     domid, err_text(rc));
    if ( !rc )
        *ret_own = own;

    return rc;
}

int loan_cap(struct hv *hv, struct store *st, struct err *e, uint32_t domid,
             unsigned int percent)
{
    uint64_t own;
    int rc = note(hv, st, e, domid, LOAN_CAP, &own);

    if ( rc )
        return rc;
    if ( own && percent > own )
        percent = (unsigned int)own;

    return hv_cpu_cap_set(hv, e, domid, percent ? percent : 1);
}

int loan_max_mem(struct hv *hv, struct store *st, struct err *e,
                 uint32_t domid)
{
    uint64_t own;
    int rc = note(hv, st, e, domid, LOAN_MAX_MEM, &own);

    return rc ? rc : hv_set_max_mem(hv, e, domid, HELD_KIB);
}

int loan_return(struct hv *hv, struct store *st, struct err *e,
                uint32_t domid, const uint8_t uuid[IDENT_BYTES],
                enum loan loan)
{
    char text[IDENT_TEXT];
    struct hv_domain info;
    uint64_t own;
    int rc;

    ident_text(uuid, text);
    rc = store_read_u64(st, NULL, &own, NOTE, loans[loan].note, text);
    if ( rc == -ENOENT )
        return 0;
    if ( rc )
        return err_set(e, rc, "read the %s of domain %u: %s",
                       loans[loan].what, domid, err_text(rc));
    rc = hv_domain_info(hv, NULL, domid, &info);
    if ( !rc && ident_equal(info.uuid, uuid) )
        rc = loans[loan].set(hv, e, domid, own);
    else if ( !rc || rc == -ENOENT )
        rc = 0;
    if ( !rc )
        rc = store_rm(st, e, NOTE, loans[loan].note, text);

    return rc;
}

int loan_return_all(struct hv *hv, struct store *st, struct err *e,
                    uint32_t domid, const uint8_t uuid[IDENT_BYTES])
{
    int rc = 0, r, i;

    for ( i = 0; i < LOANS; i++ )
    {
        r = loan_return(hv, st, e, domid, uuid, (enum loan)i);
        rc = rc ? rc : r;
    }

    return rc;
}
