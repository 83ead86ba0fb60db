/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-save-helper: takes the place of libxl's save helper, so that xmig's
 * engine moves a domain's memory and state under an unmodified libxl.
 *
 * What the engine does not carry goes to the stock helper; that is decided
 * before the first byte of the stream.
 */
#include <stdio.h>

#include "args.h"
#include "callout.h"
#include "settings.h"
#include "stock.h"

/* Before the conversation, or where it can't be ended in order: libxl takes
 * the exit status for it. */
static int give_up(const char *why)
{
    callout_log(XTL_ERROR, -1, "xmig", why);
    return 1;
}

int main(int argc, char **argv)
{
    struct settings settings = { 0 };
    char why[600];
    struct args args;
    int rc;

    (void)argc;
    rc = args_parse(argv, &args, why, sizeof(why));
    if ( rc )
    {
        fprintf(stderr, "xmig-save-helper: %s\n", why);
        return 1;
    }
    callout_init(0, 1);

    rc = settings_load(&settings, why, sizeof(why));
    if ( rc )
        return give_up(why);

    stock_exec(settings_get(&settings, SETTINGS_STOCK), argv,
               "the engine does not do this yet");
    settings_done(&settings);
    return 1;
}
