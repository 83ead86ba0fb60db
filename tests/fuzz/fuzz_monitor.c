/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Requests to a monitor: whatever comes is refused with a reason or is one of
 * the four verbs with arguments within their limits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "monitor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void insist(int it_holds)
{
    if ( !it_holds )
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct monitor_request q;
    struct xmig_error rec;
    struct err e;
    unsigned int i;
    int rc;

    err_init(&e);
    rc = monitor_request_parse((const char *)data, size, &e, &q);
    err_copy(&e, &rec);
    if ( rc )
        insist((rc == -EPROTO || rc == -EINVAL || rc == -ENOMEM) &&
               rec.code == rc && rec.text[0]);
    else
    {
        insist(!rec.code && size <= MONITOR_REQUEST_MAX);
        insist(q.verb <= MONITOR_SET);
        insist(q.verb != MONITOR_WATCH || q.interval_us >= 50000);
        insist(q.interval_us <= 60000000);
        insist((q.verb == MONITOR_SET) == (q.nr > 0));
        for ( i = 0; i < q.nr; i++ )
            insist(memchr(q.settings[i].value, '\0',
                          sizeof(q.settings[i].value)) &&
                   memchr(q.settings[i].key, '\0',
                          sizeof(q.settings[i].key)));
    }
    err_done(&e);

    return 0;
}
