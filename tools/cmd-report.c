/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig report: one picture of a migration, from the log of its events.
 */
#include <errno.h>
#include <string.h>

#include "cmd.h"
#include "report.h"

static int fail(const char *what, const char *path, int rc,
                unsigned long line)
{
    if ( rc == -EINVAL )
        cli_complain("%s: line %lu is not of a log of xmig migrate "
                     "--log-json", path, line);
    else if ( rc == -ENODATA )
        cli_complain("%s: there is nothing in it to draw", path);
    else
        cli_complain("%s %s: %s", what, path, strerror(-rc));
    return EXIT_NOTHING;
}

static int draw(const char *log, const char *out)
{
    FILE *f = strcmp(log, "-") ? fopen(log, "re") : stdin;
    struct report r;
    unsigned long line;
    int rc;

    if ( !f )
        return fail("read", log, -errno, 0);
    rc = report_read(f, &r, &line);
    if ( f != stdin )
        fclose(f);
    if ( rc )
    {
        report_done(&r);
        return fail("read", log, rc, line);
    }

    f = out ? fopen(out, "we") : stdout;
    rc = f ? report_draw(f, &r) : -errno;
    report_done(&r);
    if ( !rc && ferror(f) )
        rc = -EIO;
    if ( f && out && fclose(f) && !rc )
        rc = -errno;
    return rc ? fail("write", out ? out : "the picture", rc, 0) : EXIT_DONE;
}

int cmd_report(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'o', "output", true },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    const char *log = NULL, *out = NULL;
    struct args a;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        if ( opt == 'o' )
            out = a.value;
        else if ( opt == ARG_WORD && !log )
            log = a.value;
        else
            return args_usual(&a, opt);
    }
    if ( !log )
        return cli_usage(cmd, "needs a log");

    return draw(log, out);
}
