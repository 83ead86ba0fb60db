/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu: starts and stops emulated Xen hosts and their domains.  This
 * file is the table of verbs; each verb has a file of its own.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cmd.h"

static const struct verb verbs[] = {
    { "start", "start [--memory MIB] [--untouched] [--no-vmx]"
      " [--dirty-log async|sync] [--switch SOCKET] DIR",
      "start a host whose files live in DIR", verb_start },
    { "stop", "stop [DIR]", "stop a host and its domains", verb_stop },
    { "create", "create [--paused] [DIR] CONFIG",
      "create a domain; prints its domid", verb_create },
    { "destroy", "destroy [DIR] DOMAIN", "destroy a domain", verb_destroy },
    { "list", "list [DIR]", "list the domains of a host", verb_list },
    { "console", "console [DIR] DOMAIN", "print a domain's console log",
      verb_console },
    { "wait", "wait [--node PATH[=PATTERN] | --node PATH --change |"
      " --shutdown | --gone] [--timeout SECONDS] [DIR] DOMAIN",
      "wait for a xenstore node under the domain, or for its end",
      verb_wait },
    { "fault", "fault [DIR] RULE | --list [DIR] | --clear [DIR]",
      "install, list or clear the fault rules for all clients", verb_fault },
    { "status", "status [DIR]", "print what the host says about itself",
      verb_status },
    { "env", "env [DIR]", "print the environment of the host's clients",
      verb_env },
    { "run", "run [--mount] [DIR] -- COMMAND...",
      "run a command as a client of the host", verb_run },
};

#define NR_VERBS (sizeof(verbs) / sizeof(verbs[0]))

void err(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("xmig-emu: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

int usage(const char *verb)
{
    size_t i;

    for ( i = 0; i < NR_VERBS; i++ )
        if ( !strcmp(verbs[i].name, verb) )
            fprintf(stderr, "usage: xmig-emu %s\n", verbs[i].usage);

    return EXIT_USAGE;
}

uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int parse_u64(const char *s, uint64_t max, uint64_t *ret_v)
{
    unsigned long long v;
    char *end;

    if ( *s < '0' || *s > '9' )
        return -EINVAL;
    errno = 0;
    v = strtoull(s, &end, 10);
    if ( errno || *end || v > max )
        return -EINVAL;
    *ret_v = v;

    return 0;
}

static void help(FILE *f)
{
    size_t i;

    fputs("usage: xmig-emu VERB [OPTIONS] [DIR] [ARGUMENTS]\n\n"
          "Emulated Xen hosts on a machine without Xen.  DIR is the host's\n"
          "directory; where it is left out, $XMIG_EMU names it.\n\n", f);
    for ( i = 0; i < NR_VERBS; i++ )
        fprintf(f, "  %s\n        %s\n", verbs[i].usage, verbs[i].help);
}

int main(int argc, char **argv)
{
    size_t i;

    if ( argc < 2 )
    {
        help(stderr);
        return EXIT_USAGE;
    }
    if ( !strcmp(argv[1], "help") || !strcmp(argv[1], "--help") )
    {
        help(stdout);
        return EXIT_OK;
    }
    for ( i = 0; i < NR_VERBS; i++ )
        if ( !strcmp(argv[1], verbs[i].name) )
            return verbs[i].run(argc - 1, argv + 1);

    err("no verb \"%s\"; \"xmig-emu help\" lists them", argv[1]);

    return EXIT_USAGE;
}
