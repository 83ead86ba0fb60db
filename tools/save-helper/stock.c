/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Finding libxl's own save helper, and becoming it.
 *
 * It belongs to the libxl that runs us: a toolstack program of Xen's has it
 * in its own directory (/usr/lib/xen-4.17/bin/xl).  For others (libvirtd) the
 * directories where distributions put it are looked at.
 */
#include "stock.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "callout.h"

#define NAME "libxl-save-helper"

static const char *const places[] = {
    "/usr/lib/xen-*/bin/" NAME,
    "/usr/lib/xen/bin/" NAME,
    "/usr/libexec/xen/bin/" NAME,
    "/usr/lib64/xen/bin/" NAME,
    "/usr/local/lib/xen/bin/" NAME,
};

static int beside_parent(char path[PATH_MAX])
{
    char exe[PATH_MAX], link[40], *slash;
    ssize_t n;

    snprintf(link, sizeof(link), "/proc/%d/exe", (int)getppid());
    n = readlink(link, exe, sizeof(exe) - 1);
    if ( n < 0 )
        return -errno;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if ( !slash )
        return -ENOENT;
    *slash = '\0';
    n = snprintf(path, PATH_MAX, "%s/" NAME, exe);
    return n < PATH_MAX && !access(path, X_OK) ? 0 : -ENOENT;
}

/* Of several versions the newest, as far as names tell. */
static int in_places(char path[PATH_MAX])
{
    unsigned int i;
    int rc = -ENOENT;
    glob_t g;

    for ( i = 0; rc && i < sizeof(places) / sizeof(places[0]); i++ )
    {
        if ( glob(places[i], 0, NULL, &g) )
            continue;
        while ( rc && g.gl_pathc-- )
            if ( strlen(g.gl_pathv[g.gl_pathc]) < PATH_MAX &&
                 !access(g.gl_pathv[g.gl_pathc], X_OK) )
            {
                snprintf(path, PATH_MAX, "%s", g.gl_pathv[g.gl_pathc]);
                rc = 0;
            }
        globfree(&g);
    }
    return rc;
}

int stock_exec(const char *path, char **argv, const char *why)
{
    char found[PATH_MAX], text[PATH_MAX + 600];
    int rc;

    if ( !path && beside_parent(found) && in_places(found) )
    {
        snprintf(text, sizeof(text), "%s, and the stock " NAME " is not to"
                 " be found (set stock-helper)", why);
        callout_log(XTL_ERROR, -1, "xmig", text);
        return -ENOENT;
    }
    if ( !path )
        path = found;
    snprintf(text, sizeof(text), "%s: %s does it", why, path);
    callout_log(XTL_INFO, -1, "xmig", text);

    argv[0] = (char *)path;
    execv(path, argv);
    rc = -errno;
    snprintf(text, sizeof(text), "run %s: %s", path, strerror(-rc));
    callout_log(XTL_ERROR, -1, "xmig", text);
    return rc;
}
