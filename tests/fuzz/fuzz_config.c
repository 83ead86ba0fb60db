/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A domain's description in libxl's JSON, which comes with files of "xl save"
 * from anywhere.  Not xl.cfg's syntax: that is the operator's own, and libxlu,
 * which parses it, ends the process where a string is torn.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(int it_holds)
{
    if ( !it_holds )
        abort();
}

/* What is accepted can be said on the wire, and is accepted there. */
static void look(struct config *c)
{
    static uint64_t buf[(1u << 17) / 8];
    struct wire_domain again;
    struct xmig_error rec;
    size_t len;
    struct err e;

    err_init(&e);
    insist(memchr(c->domain.name, '\0', sizeof(c->domain.name)) != NULL);
    if ( !wire_domain_encode(&c->domain, buf, sizeof(buf), &len) )
        (void)wire_domain_decode(buf, len, &e, &again);
    err_copy(&e, &rec);
    err_done(&e);
    config_done(c);
}

static void reason(int rc, struct err *e)
{
    struct xmig_error rec;

    err_copy(e, &rec);
    insist(rc < 0 && rec.code == rc && rec.text[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct err e;
    char *text;
    int rc;

    if ( size > 65536 )
        return 0;
    text = malloc(size + 1);
    if ( !text )
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';

    err_init(&e);
    rc = config_read_json(text, &e, &c);
    if ( rc )
        reason(rc, &e);
    else
        look(&c);
    err_done(&e);
    free(text);

    return 0;
}
