/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The monitor of a migration: a Unix socket in <state-dir>/run on which other
 * processes of root or of this user ask for its status, cancel it and set its
 * options; docs/design.md, "Steering a migration".  A thread of its own serves
 * it.
 *
 * It knows migrations by what its owner tells in struct monitor_ops only.
 */
#ifndef XMIG_MONITOR_H
#define XMIG_MONITOR_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "ident.h"
#include "opt.h"
#include "xmig.h"

/* Where migrations of the usual state directory are. */
#define MONITOR_STATE_DIR "/var/lib/xmig"

struct monitor;

struct monitor_status
{
    uint32_t domid;              /* 0: not known yet */
    char domain[128];
    char peer[128];
    const char *state;           /* static strings all */
    const char *status;          /* QEMU's word for it */
    const char *guest;
    bool cancellable;
    struct xmig_stats stats;
};

/* Called in the monitor's thread, until monitor_end() has returned. */
struct monitor_ops
{
    void (*status)(void *data, struct monitor_status *ret);
    /* Ask it to stop.  -EBUSY: it is past its point of no return. */
    int (*cancel)(void *data, struct err *e);
    /* Go over to post-copy now; may be NULL (-EOPNOTSUPP). */
    int (*postcopy)(void *data, struct err *e);
    /* The other host is off for good; may be NULL (-EOPNOTSUPP). */
    int (*fenced)(void *data, struct err *e);
    /* An option has been set; text is KEY=VALUE. */
    void (*was_set)(void *data, const char *text);
};

/*
 * opts  whose live rows may be read and set; NULL: none
 * Failures: -errno and e; a migration does well without a monitor.
 */
int monitor_open(const char *state_dir, const uint8_t id[IDENT_BYTES],
                 bool source, const struct monitor_ops *ops, void *data,
                 struct optset *opts, struct err *e,
                 struct monitor **ret_m);
/*
 * The migration has ended with code (0 or -errno) and text: who watches is
 * told, the socket goes, the thread ends.  Takes half a second at most, if a
 * client does not read.  m may be NULL.
 */
void monitor_end(struct monitor *m, int code, const char *text);

/* ---- monitor_call.c ----------------------------------------------------- */

/*
 * Put a request that is answered in one line to the monitor of one end.
 *   -ENOENT  there is none
 *   -errno   what it answered, with its text
 */
int monitor_order(const char *state_dir, const uint8_t id[IDENT_BYTES],
                  bool source, const char *request, struct err *e);

/* ---- monitor_dir.c ------------------------------------------------------ */

/*
 * Open <state-dir>/run, made if create.
 *   -ENOENT  it is not there
 *   -EPERM   it belongs to somebody else, or others may write to it
 */
int monitor_dir_open(const char *state_dir, bool create, int *ret_fd);
/* A listening socket of that name, 0600. */
int monitor_dir_listen(int dir, const char *name, int *ret_fd);
/* A connection to it, not blocking.  -ECONNREFUSED: nobody listens, the name
 * has been removed. */
int monitor_dir_connect(int dir, const char *name, int *ret_fd);
/* "<id>.source" */
#define MONITOR_NAME 64
void monitor_dir_name(const uint8_t id[IDENT_BYTES], bool source,
                      char name[MONITOR_NAME]);
bool monitor_dir_is_name(const char *name);
/* Remove what a process left behind that died while it made a socket. */
void monitor_dir_sweep(int dir, const char *name);
/* Remove all sockets whose processes are gone. */
void monitor_dir_tidy(const char *state_dir);

/* ---- monitor_json.c ----------------------------------------------------- */

#define MONITOR_REQUEST_MAX 4096u
#define MONITOR_REPLY_MAX   16384u

enum monitor_verb
{
    MONITOR_STATUS,
    MONITOR_WATCH,
    MONITOR_CANCEL,
    MONITOR_POSTCOPY,
    MONITOR_FENCED,
    MONITOR_SET,
};

#define MONITOR_SETTINGS 16

struct monitor_request
{
    enum monitor_verb verb;
    uint64_t interval_us;        /* WATCH; CANCEL: watch from then on, or 0 */
    unsigned int nr;             /* SET */
    struct
    {
        char key[OPT_KEY_MAX], value[128];
    } settings[MONITOR_SETTINGS];
};

/* One line, of len bytes without its end.  -EPROTO: no JSON, or none of
 * ours; -EINVAL: unknown verb or bad arguments. */
int monitor_request_parse(const char *line, size_t len, struct err *e,
                          struct monitor_request *ret);

struct monitor_outcome
{
    int code;
    const char *text;
};

/* Lines, with their end, NUL-terminated, into MONITOR_REPLY_MAX bytes: the
 * length.  end may be NULL: it goes on. */
size_t monitor_reply_status(char *buf, const char *id, bool source,
                            const struct monitor_status *st,
                            const struct optset *opts,
                            const struct monitor_outcome *end);
size_t monitor_reply_done(char *buf);
size_t monitor_reply_error(char *buf, int code, const char *text);

struct json_object;
struct json_object *monitor_stats_object(const struct xmig_stats *st);

#endif
