/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Where things are: the directory of a host, and the programs and libraries
 * beside this one (build tree) or in ../lib/xmig/emu (installed).
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

/* sun_path holds 108 bytes and the longest socket name is in xenstored. */
#define HOST_DIR_MAX 88

static int find_base(struct host *h)
{
    static const char *const places[] = { "", "/../lib/xmig/emu" };
    char exe[PATH_MAX], path[PATH_MAX + 64], real[PATH_MAX], *slash;
    ssize_t n;
    size_t i;

    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if ( n < 0 )
        return -errno;
    exe[n] = '\0';
    slash = strrchr(exe, '/');
    if ( slash )
        *slash = '\0';

    for ( i = 0; i < sizeof(places) / sizeof(places[0]); i++ )
    {
        snprintf(path, sizeof(path), "%s%s/xmig-emu-host", exe, places[i]);
        if ( access(path, X_OK) || !realpath(path, real) )
            continue;
        *strrchr(real, '/') = '\0';
        if ( strlen(real) >= sizeof(h->base) )
            return -ENAMETOOLONG;
        memcpy(h->base, real, strlen(real) + 1);
        snprintf(h->libdir, sizeof(h->libdir), "%s/lib", h->base);
        return 0;
    }
    err("xmig-emu-host is neither in %s nor in %s/../lib/xmig/emu", exe, exe);

    return -ENOENT;
}

int host_from_dir(struct host *h, const char *dir)
{
    char real[PATH_MAX];

    memset(h, 0, sizeof(*h));
    if ( !realpath(dir, real) )
    {
        int e = errno;

        err("no host directory %s: %s", dir, strerror(e));
        return -e;
    }
    if ( strlen(real) > HOST_DIR_MAX )
    {
        err("host directory %s is too long for its sockets: %zu characters, "
            "%d can be used", real, strlen(real), HOST_DIR_MAX);
        return -ENAMETOOLONG;
    }
    memcpy(h->dir, real, strlen(real) + 1);

    return find_base(h);
}

int host_from_args(struct host *h, int argc, char **argv, int *ind, int nr,
                   bool more)
{
    const char *env = getenv("XMIG_EMU");
    int left = argc - *ind;

    if ( left > nr )
    {
        if ( !more && left > nr + 1 )
            return usage(argv[0]);
        return host_from_dir(h, argv[(*ind)++]) ? EXIT_FAILED : 0;
    }
    if ( left < nr )
        return usage(argv[0]);
    if ( !env || !*env )
    {
        err("which host? Name its directory, or set XMIG_EMU");
        return usage(argv[0]);
    }

    return host_from_dir(h, env) ? EXIT_FAILED : 0;
}

int host_alone(struct host *h, int argc, char **argv)
{
    static const struct option none[] = { { NULL, 0, NULL, 0 } };

    if ( getopt_long(argc, argv, "", none, NULL) != -1 )
        return usage(argv[0]);

    return host_from_args(h, argc, argv, &optind, 0, false);
}

const char *host_path(const struct host *h, const char *name,
                      char buf[HOST_PATH_MAX])
{
    snprintf(buf, HOST_PATH_MAX, "%s/%s", h->dir, name);

    return buf;
}

int host_setenv(const struct host *h, bool with_libs)
{
    const char *old = getenv("LD_LIBRARY_PATH");
    char path[HOST_PATH_MAX], *libs = NULL;
    int rc = -ENOMEM;

    if ( setenv("XMIG_EMU", h->dir, 1) ||
         setenv("XENSTORED_PATH", host_path(h, "xenstored.sock", path), 1) ||
         setenv("XENSTORED_RUNDIR", host_path(h, "xenstored", path), 1) )
        goto out;
    if ( with_libs )
    {
        bool have = old && *old;

        /* Idempotent, as hosts start things that start things. */
        if ( have && !strncmp(old, h->libdir, strlen(h->libdir)) &&
             (old[strlen(h->libdir)] == ':' || !old[strlen(h->libdir)]) )
            libs = strdup(old);
        else if ( asprintf(&libs, "%s%s%s", h->libdir, have ? ":" : "",
                           have ? old : "") < 0 )
            libs = NULL;
        if ( !libs || setenv("LD_LIBRARY_PATH", libs, 1) )
            goto out;
    }
    rc = 0;

 out:
    free(libs);
    if ( rc )
        err("out of memory");

    return rc;
}
