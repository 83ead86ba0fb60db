/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxl as the toolstack of xmig: the hooks of xmig_set_toolstack() for the
 * domains that libxl manages (those that xl, or libvirt, has made).
 * libxl-*.c alone know libxl.
 */
#ifndef LIBXL_HOOKS_H
#define LIBXL_HOOKS_H

#include <libxl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "xmig.h"

struct xentoollog_logger;

/* Before the process has a second thread.  logger is borrowed. */
void libxl_hooks_install(struct xmig *s, struct xentoollog_logger *logger);

/*
 * Who may connect is trusted with this host's files: configurations that
 * name disks, scripts or other files are accepted.  Otherwise they are not.
 */
void libxl_hooks_trust_peers(void);
/* Start no xmig watch for domains that come in. */
void libxl_hooks_no_watch(void);
/* Every domain that libxl has made has a node of its own. */
bool libxl_manages(uint32_t domid);

/* ---- A conversation with libxl (libxl-call.c) --------------------------- */

/* A context, and the first thing that went wrong in it. */
struct call
{
    struct xentoollog_logger log;
    struct xentoollog_logger *next;
    pthread_mutex_t lock;        /* libxl logs from threads of its own */
    char first[256];             /* under lock */
    libxl_ctx *ctx;
};

/* 0 or -errno; call_close() after a success. */
int call_open(struct call *c, struct xentoollog_logger *next);
void call_close(struct call *c);
/* libxl's result as ours; on failure the reason goes to why. */
int call_result(struct call *c, int libxl_rc, char *why, size_t room);

/* ---- What is carried (libxl-config.c) ----------------------------------- */

/* -EINVAL and all the reasons in why. */
int config_carried(const libxl_domain_config *cfg, char *why, size_t room);
/* A configuration that came from a peer who is not trusted. */
int config_harmless(const libxl_domain_config *cfg, char *why, size_t room);

/* Its devices must not be opened before the guest has stopped elsewhere. */
bool config_is_late(const libxl_domain_config *cfg);

/* ---- A domain that comes in (libxl-create.c) ---------------------------- */

struct create_opts
{
    struct xentoollog_logger *logger;
    bool trust;
};

int libxl_create(const struct create_opts *o, const char *config,
                 const char *name, const struct xmig_wait *wait,
                 struct xmig_made *ret, char *why, size_t room);
int libxl_attach(void *handle, uint64_t store_gfn, uint64_t console_gfn,
                 const struct xmig_wait *wait, char *why, size_t room);
int libxl_discard(void *handle, char *why, size_t room);

/* ---- The helper's part (libxl-helper.c) --------------------------------- */

/*
 * libxl hands a stream to a program that is to restore a domain from it.
 * This very program is that, and hands everything on to the engine, which
 * has the other end of the "stream".
 */
#define HELPER_RESTORE "--restore-domain"

struct helper_hello
{
    uint64_t magic;
    uint32_t domid;
    uint32_t store_port, store_domid;
    uint32_t console_port, console_domid;
    uint32_t reserved;
};

struct helper_results
{
    uint64_t magic;
    uint64_t store_gfn, console_gfn;
};

#define HELPER_MAGIC 0x31504c4847494d58ull   /* "XMIGHLP1" */

int libxl_helper(char **argv);

#endif
