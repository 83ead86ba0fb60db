/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-link: two network namespaces joined by a line with delay, rate, queue
 * and losses (docs/link.md).  This file: the commands.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "control.h"
#include "serve.h"
#include "tun.h"

static void usage(FILE *f)
{
    fputs("usage: xmig-link start DIR [--delay MS] [--rate MBIT] "
          "[--queue MS] [--loss PERCENT] [--mtu BYTES]\n"
          "       xmig-link set DIR [here.|there.]KEY=VALUE...\n"
          "       xmig-link show DIR\n"
          "       xmig-link run DIR here|there -- COMMAND...\n"
          "       xmig-link stop DIR\n", f);
}

static int bad_usage(void)
{
    usage(stderr);

    return 2;
}

static int start(int argc, char **argv)
{
    static const struct option longs[] = {
        { "delay", required_argument, NULL, 'd' },
        { "rate", required_argument, NULL, 'r' },
        { "queue", required_argument, NULL, 'q' },
        { "loss", required_argument, NULL, 'l' },
        { "mtu", required_argument, NULL, 'm' },
        { 0 },
    };
    struct serve v = { .mtu = 1500 };
    char *end;
    int c;

    serve_init(&v);
    while ( (c = getopt_long(argc, argv, "", longs, NULL)) != -1 )
    {
        const struct option *o = longs;

        while ( o->name && o->val != c )
            o++;
        if ( !o->name )
            return bad_usage();
        if ( c == 'm' )
        {
            v.mtu = (unsigned int)strtoul(optarg, &end, 10);
            if ( *end || v.mtu < 576 || v.mtu > 65521 )
            {
                fprintf(stderr, "xmig-link: --mtu %s: a number from 576 to "
                        "65521\n", optarg);
                return 2;
            }
        }
        else if ( !serve_set(&v, o->name, optarg) )
        {
            fprintf(stderr, "xmig-link: --%s %s: not in range\n", o->name,
                    optarg);
            return 2;
        }
    }
    if ( optind + 1 != argc )
        return bad_usage();
    v.dir = argv[optind];

    return serve_start(&v);
}

/* Sends "set a=b c=d" or the like, prints the answer. */
static int ask(int argc, char **argv, const char *verb)
{
    char line[CONTROL_LINE_MAX];
    size_t len;
    int i;

    len = (size_t)snprintf(line, sizeof(line), "%s", verb);
    for ( i = 2; i < argc && len < sizeof(line); i++ )
        len += (size_t)snprintf(line + len, sizeof(line) - len, " %s",
                                argv[i]);
    if ( len >= sizeof(line) || strpbrk(line, "\n") )
        return bad_usage();

    return control_ask(argv[1], line);
}

static int run(char **argv)
{
    char name[CONTROL_NAME_MAX];
    int rc;

    rc = control_netns(argv[1], argv[2], name);
    if ( !rc )
        rc = tun_enter(name);
    if ( rc )
    {
        fprintf(stderr, "xmig-link: enter \"%s\" of %s: %s\n", argv[2],
                argv[1], strerror(-rc));
        return 1;
    }
    execvp(argv[4], argv + 4);
    fprintf(stderr, "xmig-link: %s: %s\n", argv[4], strerror(errno));

    return 127;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    argv++;
    argc--;
    if ( !strcmp(what, "start") )
        return start(argc, argv);
    if ( !strcmp(what, "set") && argc > 2 )
        return ask(argc, argv, "set");
    if ( !strcmp(what, "show") && argc == 2 )
        return ask(argc, argv, "show");
    if ( !strcmp(what, "stop") && argc == 2 )
        return control_stop(argv[1]);
    if ( !strcmp(what, "run") && argc > 4 && !strcmp(argv[3], "--") )
        return run(argv);
    if ( !strcmp(what, "--help") )
    {
        usage(stdout);
        return 0;
    }

    return bad_usage();
}
