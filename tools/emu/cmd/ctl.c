/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Talking to the host process itself: text in, text out.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "lib/emu_conn.h"

#define MAX_TEXT 65536u

int ctl_talk(const struct host *h, uint32_t op, const char *text)
{
    struct emu_part part = { text, text ? strlen(text) : 0 };
    static char answer[MAX_TEXT + 1];
    struct emu_conn conn;
    size_t len = 0;
    unsigned int i;
    int64_t r;

    r = emu_connect(&conn, EMU_KIND_CTL, 0);
    if ( r )
    {
        err("host %s does not answer: %s", h->dir, strerror(-r));
        return r;
    }
    r = emu_call(&conn, op, &part, text ? 1 : 0, answer, MAX_TEXT, &len,
                 NULL, 0, NULL);
    for ( i = 0; i < conn.nr_fds; i++ )
        close(conn.fds[i]);
    emu_disconnect(&conn);
    if ( len > MAX_TEXT )
        len = MAX_TEXT;
    if ( r == -EINVAL && text )
        err("\"%s\" is no fault rule; they read: <what>[:<sub>] nth=<n> "
            "(fail=<errno> | delay=<ms> | kill)", text);
    else if ( r < 0 )
        err("host %s refuses: %s", h->dir, strerror(-r));
    fwrite(answer, 1, len, r < 0 ? stderr : stdout);

    return r < 0 ? r : 0;
}

