/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * last_word PORT DOMID: a post-copy whose engine at the source does not look
 * at anything once the guest runs at the destination, until a line comes on
 * standard input; "split" on standard output says that it has begun.  The
 * push goes on meanwhile, and the destination closes what it needs no more.
 */
#include <stdio.h>
#include <stdlib.h>

#include "xmig.h"
#include "xmig_steer.h"

static void on_progress(void *data, const struct xmig_stats *now)
{
    bool *stopped = data;

    if ( now->phase != XMIG_PHASE_DRAIN || *stopped )
        return;
    *stopped = true;
    puts("split");
    fflush(stdout);
    while ( getchar() > '\n' )
        continue;
}

int main(int argc, char **argv)
{
    const char *emu = getenv("XMIG_EMU");
    const struct xmig_error *err;
    bool stopped = false;
    struct xmig *s;
    char dir[4096];
    int rc;

    if ( argc != 3 || xmig_open(NULL, &s) )
        return 99;
    snprintf(dir, sizeof(dir), "%s/xmig", emu ? emu : "");
    xmig_set_progress(s, on_progress, &stopped);
    rc = xmig_set_state_dir(s, dir);
    if ( !rc )
        rc = xmig_option_set(s, "postcopy", "now");
    if ( !rc )
        rc = xmig_send(s, (uint32_t)strtoul(argv[2], NULL, 10), "127.0.0.1",
                       (uint16_t)strtoul(argv[1], NULL, 10));
    err = xmig_error(s);
    printf("rc %d guest %d stopped %d: %s\n", rc, err->guest, stopped,
           err->text);
    rc = rc || err->guest != XMIG_GUEST_AT_DESTINATION || !stopped;
    xmig_close(s);

    return rc;
}
