/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Failures for a human: what was attempted and went wrong, where the guest
 * is now, what to do; and for a script, the exit status.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "cmd.h"

void cli_complain(const char *fmt, ...)
{
    va_list ap;

    fputs("xmig: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

const char *cli_guest_sentence(enum xmig_guest guest)
{
    switch ( guest )
    {
    case XMIG_GUEST_NONE:
        return "No guest is concerned.";
    case XMIG_GUEST_AT_SOURCE:
        return "The guest runs on at the source.";
    case XMIG_GUEST_AT_DESTINATION:
        return "The guest runs at the destination.";
    case XMIG_GUEST_SPLIT:
        return "The guest runs at the destination, but part of its memory is"
               " still at the source: keep both hosts up.";
    case XMIG_GUEST_IN_DOUBT:
        return "The guest is in doubt: the copy at the source is paused, and"
               " whether the destination has started it is not known.";
    case XMIG_GUEST_LOST:
        return "The guest is lost: no copy of it can run any more.";
    }
    return "";
}

static const char *advice(const struct xmig_error *err, int rc)
{
    if ( err && err->guest == XMIG_GUEST_IN_DOUBT )
        return "Run \"xmig recover\" here once the destination can be"
               " reached; if it is off for good, \"xmig recover"
               " --fenced\".";
    switch ( -rc )
    {
    case ECONNREFUSED:
        return "Is \"xmig receive\" running there, and on that port?";
    case EHOSTUNREACH:
    case ENETUNREACH:
        return "Check the name of the host and the network.";
    case ENOTCONN:
        return "An \"xmig receive\" that listens there is reached with"
               " HOST:PORT.";
    case ENOPKG:
        return "Is xmig installed there, and in the PATH of a shell that is"
               " not interactive?";
    case EADDRINUSE:
        return "Another \"xmig receive\" may be running; --port chooses"
               " another port.";
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return "Make room, or choose another place.";
    case ENOTUNIQ:
        return "Use the domain's number instead of its name; \"xmig list\""
               " shows both.";
    case EACCES:
    case EPERM:
        return "Run it as root.";
    }
    return NULL;
}

int cli_status(const struct xmig_error *err, int rc)
{
    if ( !rc )
        return EXIT_DONE;

    switch ( err ? err->guest : XMIG_GUEST_NONE )
    {
    case XMIG_GUEST_NONE:
        break;
    case XMIG_GUEST_AT_SOURCE:
        return EXIT_SOURCE;
    case XMIG_GUEST_AT_DESTINATION:
        return EXIT_DESTINATION;
    case XMIG_GUEST_SPLIT:
        return EXIT_SPLIT;
    case XMIG_GUEST_IN_DOUBT:
        return EXIT_DOUBT;
    case XMIG_GUEST_LOST:
        return EXIT_LOST;
    }
    return EXIT_NOTHING;
}

int cli_fail(const struct xmig_error *err, int rc, const char *what)
{
    const char *text = err && err->text[0] ? err->text : strerror(-rc);
    const char *todo = advice(err, rc);

    cli_complain("%s: %s", what, text);
    if ( err && err->guest != XMIG_GUEST_NONE )
        fprintf(stderr, "%s\n", cli_guest_sentence(err->guest));
    if ( todo )
        fprintf(stderr, "%s\n", todo);

    return cli_status(err, rc);
}
