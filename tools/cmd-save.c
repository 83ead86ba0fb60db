/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig save: a domain into a file.  The file is there as a whole or not at
 * all: a failed save takes away what it made, and an older file is replaced
 * only by a finished one.
 */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd.h"

struct target
{
    const char *file;            /* as given */
    char made[PATH_MAX];         /* what we created, "" = nothing */
    bool rename;                 /* ... and is to become file */
    int fd;
};

static int sync_dir_of(const char *path)
{
    char copy[PATH_MAX];
    int fd, rc = 0;

    snprintf(copy, sizeof(copy), "%s", path);
    fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if ( fd < 0 || fsync(fd) )
        rc = -errno;
    if ( fd >= 0 )
        close(fd);
    /* Some file systems have nothing to sync here. */
    return rc == -EINVAL ? 0 : rc;
}

static int target_open(struct target *t)
{
    const char *suffix = "";
    struct stat st;

    t->fd = -1;
    t->made[0] = '\0';
    t->rename = false;
    if ( !strcmp(t->file, "-") )
    {
        t->fd = STDOUT_FILENO;
        return 0;
    }
    if ( !stat(t->file, &st) )
    {
        if ( !S_ISREG(st.st_mode) )      /* a device, a pipe */
        {
            t->fd = open(t->file, O_WRONLY | O_CLOEXEC);
            return t->fd < 0 ? -errno : 0;
        }
        t->rename = true;
        suffix = ".partial";
    }
    else if ( errno != ENOENT )
        return -errno;

    if ( snprintf(t->made, sizeof(t->made), "%s%s", t->file, suffix) >=
         (int)sizeof(t->made) )
    {
        t->made[0] = '\0';
        return -ENAMETOOLONG;
    }
    t->fd = open(t->made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if ( t->fd < 0 )
    {
        int rc = -errno;

        t->made[0] = '\0';
        return rc;
    }
    /* The name must be there, too, before the domain is destroyed. */
    return sync_dir_of(t->made);
}

/* The save has ended; returns 0 or -errno of what was left to do. */
static int target_close(struct target *t, bool ok)
{
    int rc = 0;

    if ( t->fd > STDERR_FILENO && close(t->fd) && ok )
        rc = -errno;
    t->fd = -1;
    if ( !t->made[0] )
        return rc;

    if ( !ok )
        unlink(t->made);
    else if ( t->rename )
    {
        if ( rename(t->made, t->file) )
            return -errno;
        rc = sync_dir_of(t->file);
    }
    return rc;
}

static int report(struct xmig *s, const char *domain, const char *file,
                  unsigned int flags, bool json, int rc)
{
    const struct xmig_error *err = xmig_error(s);
    const char *guest = flags & XMIG_SAVE_KEEP_PAUSED ? "is paused here" :
                        flags & XMIG_SAVE_KEEP ? "runs on here" :
                        "is in the file";
    struct xmig_stats st;
    struct json_object *obj;
    char what[512];
    /* Where the image itself goes to the standard output. */
    FILE *f = strcmp(file, "-") ? stdout : stderr;

    xmig_get_stats(s, &st);
    if ( json && f == stdout )
    {
        obj = cli_json_outcome(err, rc, &st);
        json_object_object_add(obj, "domain", json_object_new_string(domain));
        json_object_object_add(obj, "file", json_object_new_string(file));
        cli_json_print(obj);
    }
    if ( rc )
    {
        snprintf(what, sizeof(what), "save %.200s to %.200s", domain, file);
        return cli_fail(err, rc, what);
    }
    if ( !json )
    {
        fprintf(f, "%s is saved\n", domain);
        cli_table(f, &st, guest);
    }
    return EXIT_DONE;
}

/* The file is open: save, and settle what becomes of it. */
static int save(struct xmig *s, uint32_t domid, const char *domain,
                struct target *t, unsigned int flags, bool json)
{
    int rc, end, status;

    /* A limit of the file's size is an error like a full disk. */
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
    cli_cancel_on_signal(s);
    cli_progress_begin(s);
    rc = xmig_save(s, domid, t->fd, flags);
    cli_progress_end(s);

    end = target_close(t, !rc);
    if ( !rc && end )
        cli_complain("the domain is saved, but what follows failed: %s%s%s",
                     strerror(-end), t->rename ? "; it is in " : "",
                     t->rename ? t->made : "");
    status = report(s, domain, t->file, flags, json, rc);
    return !rc && end ? EXIT_NOTHING : status;
}

static int open_and_save(const char *domain, struct target *t,
                         unsigned int flags, bool json)
{
    struct xmig *s = NULL;
    uint32_t domid;
    int rc, status;

    status = cli_open(&s);
    if ( status )
        return status;
    status = cli_find(s, domain, &domid);
    if ( status )
        goto out;

    rc = target_open(t);
    if ( rc )
    {
        cli_complain("create %s: %s", t->made[0] ? t->made : t->file,
                     strerror(-rc));
        if ( rc == -EEXIST )
            fprintf(stderr, "Another save may be under way; if not, remove"
                    " %s.partial.\n", t->file);
        target_close(t, false);
        status = EXIT_SOURCE;
        goto out;
    }
    status = save(s, domid, domain, t, flags, json);

 out:
    cli_close(s);
    return status;
}

int cmd_save(const struct command *cmd, int argc, char **argv)
{
    static const struct arg_opt opts[] = {
        { 'c', NULL, false },
        { 'p', NULL, false },
        { 256, "plain", false },
        { 257, "json", false },
        { 'h', "help", false },
        { 0, NULL, false },
    };
    struct target t = { .fd = -1 };
    const char *domain = NULL;
    unsigned int flags = 0;
    bool json = false;
    struct args a;
    int opt;

    args_init(&a, cmd, argc, argv);
    while ( (opt = args_next(&a, opts)) != ARG_END )
    {
        switch ( opt )
        {
        case 'c':
            flags |= XMIG_SAVE_KEEP;
            break;
        case 'p':
            flags |= XMIG_SAVE_KEEP_PAUSED;
            break;
        case 256:
            flags |= XMIG_SAVE_PLAIN;
            break;
        case 257:
            json = true;
            break;
        case ARG_WORD:
            if ( t.file )
                return args_usual(&a, opt);
            *(domain ? &t.file : &domain) = a.value;
            break;
        default:
            return args_usual(&a, opt);
        }
    }
    if ( !t.file )
        return cli_usage(cmd, "needs a domain and a file");
    if ( !strcmp(t.file, "-") && isatty(STDOUT_FILENO) )
        return cli_usage(cmd, "a terminal is no place for a domain");

    return open_and_save(domain, &t, flags, json);
}
