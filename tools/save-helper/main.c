/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-save-helper: takes the place of libxl's save helper, so that xmig's
 * engine moves a domain's memory and state under an unmodified libxl.
 *
 * What the engine does not carry goes to the stock helper.  That is decided
 * by the arguments and by the domain, which at a restore libxl has created
 * already, before the first byte of the stream: so nothing that was read has
 * to be given back.
 */
#include <errno.h>
#include <stdio.h>

#include "args.h"
#include "callout.h"
#include "domain.h"
#include "settings.h"
#include "stock.h"
#include "xmig.h"

/* Before the conversation, or where it can't be ended in order: libxl takes
 * the exit status for it. */
static int give_up(const char *why)
{
    callout_log(XTL_ERROR, -1, "xmig", why);
    return 1;
}

/* Why the engine does not do this; NULL: it does. */
static const char *why_stock(struct xmig *s, const struct args *a)
{
    if ( a->stream_type )
        return "a checkpointed stream (Remus, COLO) is not carried";
    if ( a->save && a->flags & ~ARGS_LIVE )
        return "a stream with Xen's own checks (--debug) is not carried";
    if ( xmig_image_carried(s, a->domid) == -EINVAL )
        return xmig_error(s)->text;
    return NULL;
}

/* 1: it is the stock helper's. */
static int run(const struct args *a, const struct settings *settings,
               char *why, size_t size)
{
    const char *reason;
    struct xmig *s;
    int rc;

    rc = xmig_open(callout_logger(), &s);
    if ( rc )
    {
        snprintf(why, size, "xmig can't reach the hypervisor or xenstore");
        return rc;
    }
    rc = settings_apply(settings, s, why, size);
    if ( rc )
        goto out;
    reason = why_stock(s, a);
    if ( reason )
    {
        snprintf(why, size, "%s", reason);
        rc = 1;
        goto out;
    }

    rc = a->save ? domain_save(s, a) : domain_restore(s, a);
    callout_complete(rc ? -1 : 0, -rc);
    rc = 0;

 out:
    xmig_close(s);
    return rc;
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
    if ( !rc )
        rc = run(&args, &settings, why, sizeof(why));
    if ( rc == 1 )
        rc = stock_exec(settings_get(&settings, SETTINGS_STOCK), argv, why);
    else if ( rc )
        give_up(why);
    settings_done(&settings);
    return rc ? 1 : 0;
}
