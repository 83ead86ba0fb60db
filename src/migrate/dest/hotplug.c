/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Hotplug scripts: see hotplug.h.  Called, and told of the outcome, as libxl
 * does: by arguments, environment and the backend's nodes.
 */
#include "hotplug.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chan.h"
#include "clock.h"

/* Each: the backend, then its script. */
#define HOTPLUG_US  (40 * US_PER_S)
#define INIT_WAIT   2u               /* XenbusStateInitWait */
#define ENV_MAX     64

struct vif
{
    uint32_t domid;
    const char *nr;
    char back[64];               /* below /local/domain/0 */
};

/* Until dom0's kernel has made the interface. */
static int await_backend(struct store *st, struct err *e, const struct vif *v)
{
    uint64_t until_us = deadline_in(HOTPLUG_US), state = 0;
    struct store_watch *w = NULL;
    int rc;

    rc = store_watch_open(e, &w);
    if ( !rc )
        rc = store_watch_add(w, e, "/local/domain/0/%s/state", v->back);
    while ( !rc )
    {
        if ( !store_read_u64(st, NULL, &state, "/local/domain/0/%s/state",
                             v->back) && state >= INIT_WAIT )
            break;
        rc = store_watch_wait(w, until_us, NULL, NULL);
        if ( rc )
            err_set(e, rc, "domain %u: the backend of its vif %s does not "
                    "begin (state %lu): %s", v->domid, v->nr,
                    (unsigned long)state, err_text(rc));
    }
    store_watch_close(w);

    return rc;
}

/* Ours, and what libxl adds for a script. */
static int start(const char *script, const struct vif *v, pid_t *ret_pid)
{
    char path[80], name[48], scr[160];
    char *argv[] = { (char *)script, (char *)"online",
                     (char *)"type_if=vif", NULL };
    char *env[ENV_MAX + 8];
    posix_spawn_file_actions_t fa;
    unsigned int n = 0, i;
    int r;

    snprintf(path, sizeof(path), "XENBUS_PATH=%s", v->back);
    snprintf(name, sizeof(name), "vif=vif%u.%.8s", v->domid, v->nr);
    snprintf(scr, sizeof(scr), "script=%.128s", script);
    env[n++] = path;
    env[n++] = name;
    env[n++] = scr;
    env[n++] = (char *)"XENBUS_TYPE=vif";
    env[n++] = (char *)"XENBUS_BASE_PATH=backend";
    for ( i = 0; environ && environ[i] && n < ENV_MAX; i++ )
        env[n++] = environ[i];
    env[n] = NULL;

    posix_spawn_file_actions_init(&fa);
    r = posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDWR, 0);
    for ( i = 1; !r && i <= 2; i++ )
        r = posix_spawn_file_actions_adddup2(&fa, 0, (int)i);
    if ( !r )
        r = posix_spawn_file_actions_addclosefrom_np(&fa, 3);
    if ( !r )
        r = posix_spawn(ret_pid, script, &fa, NULL, argv, env);
    posix_spawn_file_actions_destroy(&fa);

    return -r;
}

/* It ends, or is ended; *ret_status as waitpid() has it. */
static int await_end(pid_t pid, int *ret_status)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), rc;

    rc = fd < 0 ? -errno
                : cancel_poll(NULL, fd, POLLIN, deadline_in(HOTPLUG_US));
    if ( fd >= 0 )
        close(fd);
    if ( rc )
        kill(pid, SIGKILL);
    while ( waitpid(pid, ret_status, 0) < 0 && errno == EINTR )
        ;

    return rc;
}

/* What the script has written to the backend's nodes. */
static int judge(struct store *st, struct err *e, const struct vif *v,
                 const char *script, int status)
{
    char *said = NULL, *words = NULL;
    int rc = 0;

    if ( store_read(st, NULL, &said, "/local/domain/0/%s/hotplug-status",
                    v->back) || strcmp(said, "connected") )
    {
        if ( store_read(st, NULL, &words, "/local/domain/0/%s/hotplug-error",
                        v->back) )
            words = NULL;
        rc = err_set(e, -EIO, "domain %u: \"%s online\" for its vif %s has "
                     "not connected it: %.160s (exit status %d)", v->domid,
                     script, v->nr, words ? words : "it says nothing",
                     WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    free(said);
    free(words);

    return rc;
}

static int hotplug(struct store *st, struct err *e, const struct vif *v)
{
    char *script;
    int status = 0, rc;
    pid_t pid;

    if ( store_read(st, NULL, &script, "/local/domain/0/%s/script",
                    v->back) )
        return 0;
    if ( access(script, X_OK) )
        rc = err_set(e, -ENOENT, "domain %u: the script %.128s of its vif %s "
                     "is not here", v->domid, script, v->nr);
    else
        rc = await_backend(st, e, v);
    if ( rc )
        goto out;
    rc = start(script, v, &pid);
    if ( !rc )
        rc = await_end(pid, &status);
    if ( rc )
        err_set(e, rc, "domain %u: run \"%s online\" for its vif %s: %s",
                v->domid, script, v->nr, err_text(rc));
    else
        rc = judge(st, e, v, script, status);

out:
    free(script);

    return rc;
}

int hotplug_vifs(struct store *st, struct err *e, uint32_t domid)
{
    struct vif v = { .domid = domid };
    unsigned int nr, i;
    char **names;
    int rc;

    rc = store_ls(st, e, &names, &nr, "/local/domain/0/backend/vif/%u",
                  domid);
    if ( rc || !nr )
        return rc;
    for ( i = 0; !rc && i < nr; i++ )
    {
        v.nr = names[i];
        snprintf(v.back, sizeof(v.back), "backend/vif/%u/%.16s", domid,
                 names[i]);
        rc = hotplug(st, e, &v);
    }
    free(names);

    return rc;
}
