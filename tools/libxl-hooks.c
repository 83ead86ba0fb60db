/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The hooks themselves: see libxl-hooks.h.  Each has a libxl context of its
 * own, as they come from several threads.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <libxl_utils.h>
#include <xenstore.h>

#include "libxl-hooks.h"

static struct create_opts opts;
static bool no_watch;

bool libxl_manages(uint32_t domid)
{
    struct xs_handle *xs = xs_open(0);
    char path[32], *value = NULL;
    unsigned int len;

    snprintf(path, sizeof(path), "/libxl/%u/type", domid);
    if ( xs )
        value = xs_read(xs, XBT_NULL, path, &len);
    free(value);
    xs_close(xs);

    return value;
}

static bool manages(void *data, uint32_t domid)
{
    (void)data;

    return libxl_manages(domid);
}

static int describe(void *data, uint32_t domid, char **ret_config, char *why,
                    size_t room)
{
    libxl_domain_config cfg;
    struct call c;
    char *json;
    int rc;

    (void)data;
    rc = call_open(&c, opts.logger);
    if ( rc )
        return rc;
    libxl_domain_config_init(&cfg);
    rc = call_result(&c, libxl_retrieve_domain_configuration(c.ctx, domid,
                                                             &cfg, NULL),
                     why, room);
    if ( !rc )
        rc = config_carried(&cfg, why, room);
    if ( !rc )
    {
        json = libxl_domain_config_to_json(c.ctx, &cfg);
        if ( json )
            *ret_config = json;
        else
            rc = -ENOMEM;
    }
    libxl_domain_config_dispose(&cfg);
    call_close(&c);

    return rc;
}

static int rename_domain(void *data, uint32_t domid, const char *name,
                         char *why, size_t room)
{
    struct call c;
    int rc;

    (void)data;
    rc = call_open(&c, opts.logger);
    if ( rc )
        return rc;
    rc = call_result(&c, libxl_domain_rename(c.ctx, domid, NULL, name), why,
                     room);
    call_close(&c);

    return rc;
}

static int destroy(void *data, uint32_t domid, char *why, size_t room)
{
    struct call c;
    int rc;

    (void)data;
    rc = call_open(&c, opts.logger);
    if ( rc )
        return rc;
    rc = call_result(&c, libxl_domain_destroy(c.ctx, domid, NULL), why, room);
    call_close(&c);

    return rc;
}

static int create(void *data, const char *config, const char *name,
                  const struct xmig_wait *wait, struct xmig_made *ret,
                  char *why, size_t room)
{
    (void)data;

    return libxl_create(&opts, config, name, wait, ret, why, room);
}

static int attach(void *data, void *handle, uint64_t store_gfn,
                  uint64_t console_gfn, const struct xmig_wait *wait,
                  char *why, size_t room)
{
    (void)data;

    return libxl_attach(handle, store_gfn, console_gfn, wait, why, room);
}

static int discard(void *data, void *handle, char *why, size_t room)
{
    (void)data;

    return libxl_discard(handle, why, room);
}

/* Somebody has to restart it when it reboots: libxl-watch.c.  The process
 * puts itself into the background. */
static void running(void *data, uint32_t domid)
{
    char number[16];
    char *argv[] = { "xmig", "watch", number, NULL };
    pid_t pid;

    (void)data;
    if ( no_watch )
        return;
    snprintf(number, sizeof(number), "%u", domid);
    if ( !posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ) )
        while ( waitpid(pid, NULL, 0) < 0 && errno == EINTR )
            ;
}

void libxl_hooks_no_watch(void)
{
    no_watch = true;
}

void libxl_hooks_trust_peers(void)
{
    opts.trust = true;
}

void libxl_hooks_install(struct xmig *s, struct xentoollog_logger *logger)
{
    static const struct xmig_toolstack hooks = {
        .name = "libxl",
        .manages = manages,
        .describe = describe,
        .rename = rename_domain,
        .destroy = destroy,
        .create = create,
        .attach = attach,
        .discard = discard,
        .running = running,
    };

    opts.logger = logger;
    /* libxl starts it in a child of this process, and that is us again. */
    setenv("LIBXL_SAVE_HELPER", "/proc/self/exe", 1);
    xmig_set_toolstack(s, &hooks, NULL);
}
