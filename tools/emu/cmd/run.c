/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig-emu run: a command with the host's environment.  With --mount it also
 * gets a mount namespace in which the directories that libxl has built in
 * are this host's own, so that two hosts on one machine don't share them.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

static int fail(const char *what, const char *path)
{
    int e = errno;

    err("%s %s: %s", what, path, strerror(e));
    if ( e == EPERM )
        err("--mount needs root (CAP_SYS_ADMIN)");

    return -e;
}

static int make_dirs(const char *path)
{
    char buf[PATH_MAX], *p;

    snprintf(buf, sizeof(buf), "%s", path);
    for ( p = buf + 1; (p = strchr(p, '/')); *p++ = '/' )
    {
        *p = '\0';
        if ( mkdir(buf, 0755) && errno != EEXIST )
            return fail("cannot make", buf);
    }
    if ( mkdir(buf, 0755) && errno != EEXIST )
        return fail("cannot make", buf);

    return 0;
}

/* DIR/var/<name> over <over>, which must exist. */
static int bind_own(const struct host *h, const char *name, const char *over)
{
    char sub[64], path[HOST_PATH_MAX];
    int rc;

    snprintf(sub, sizeof(sub), "var/%s", name);
    host_path(h, sub, path);
    rc = make_dirs(path);
    if ( rc )
        return rc;
    if ( mount(path, over, NULL, MS_BIND | MS_REC, NULL) )
        return fail("cannot mount over", over);

    return 0;
}

/* One entry of the old /run, made visible in the new one. */
static int carry_over(int old, const char *name)
{
    char from[64 + NAME_MAX], to[64 + NAME_MAX], target[PATH_MAX];
    struct stat st;
    ssize_t n;
    int fd;

    if ( fstatat(old, name, &st, AT_SYMLINK_NOFOLLOW) )
        return errno == ENOENT ? 0 : -errno;
    snprintf(from, sizeof(from), "/proc/self/fd/%d/%.255s", old, name);
    snprintf(to, sizeof(to), "/run/%.255s", name);
    if ( S_ISLNK(st.st_mode) )
    {
        n = readlinkat(old, name, target, sizeof(target) - 1);
        if ( n < 0 )
            return -errno;
        target[n] = '\0';
        return symlink(target, to) ? -errno : 0;
    }
    if ( S_ISDIR(st.st_mode) )
    {
        if ( mkdir(to, 0755) )
            return -errno;
    }
    else
    {
        fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if ( fd < 0 )
            return -errno;
        close(fd);
    }

    return mount(from, to, NULL, MS_BIND | MS_REC, NULL) ? -errno : 0;
}

/*
 * /run may have no xen directory, and making one there would leave it
 * behind: so a tmpfs takes the place of /run, and shows what was in it.
 */
static int own_run(const struct host *h)
{
    struct dirent *de;
    DIR *d = NULL;
    int rc = 0, old;

    old = open("/run", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if ( old < 0 )
        return fail("cannot open", "/run");
    d = fdopendir(dup(old));
    if ( !d )
    {
        rc = fail("cannot read", "/run");
        goto out;
    }
    if ( mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") )
    {
        rc = fail("cannot mount over", "/run");
        goto out;
    }
    while ( !rc && (de = readdir(d)) )
        if ( strcmp(de->d_name, ".") && strcmp(de->d_name, "..") &&
             strcmp(de->d_name, "xen") && strcmp(de->d_name, "lock") )
        {
            rc = carry_over(old, de->d_name);
            if ( rc )
                err("cannot carry over /run/%s: %s", de->d_name,
                    strerror(-rc));
        }
    if ( !rc )
        rc = make_dirs("/run/xen");
    if ( !rc )
        rc = make_dirs("/run/lock");
    if ( !rc )
        rc = bind_own(h, "run", "/run/xen");
    if ( !rc )
        rc = bind_own(h, "lock", "/run/lock");

 out:
    if ( d )
        closedir(d);
    close(old);

    return rc;
}

static int own_mounts(const struct host *h)
{
    int rc;

    if ( unshare(CLONE_NEWNS) )
        return fail("cannot make a mount namespace for", h->dir);
    if ( mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) )
        return fail("cannot make private", "/");
    rc = bind_own(h, "lib", "/var/lib/xen");
    if ( !rc )
        rc = bind_own(h, "log", "/var/log/xen");
    if ( !rc )
        rc = own_run(h);

    return rc;
}

int verb_run(int argc, char **argv)
{
    static const struct option opts[] = {
        { "mount", no_argument, NULL, 'm' },
        { NULL, 0, NULL, 0 },
    };
    bool own = false;
    struct host h;
    int c, rc, sep;

    /* getopt would swallow the "--": the verb's own part ends there. */
    for ( sep = 1; sep < argc && strcmp(argv[sep], "--"); sep++ )
        ;
    if ( sep >= argc - 1 )
        return usage(argv[0]);
    argv[sep] = NULL;
    while ( (c = getopt_long(sep, argv, "m", opts, NULL)) != -1 )
    {
        if ( c != 'm' )
            return usage(argv[0]);
        own = true;
    }
    rc = host_from_args(&h, sep, argv, &optind, 0, false);
    if ( rc )
        return rc;
    if ( host_setenv(&h, true) || (own && own_mounts(&h)) )
        return EXIT_FAILED;
    execvp(argv[sep + 1], argv + sep + 1);
    err("cannot run %s: %s", argv[sep + 1], strerror(errno));

    return errno == ENOENT ? 127 : 126;
}
