/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * libxmig: live migration for Xen.
 *
 * One handle (struct xmig) carries one operation at a time: send a domain to
 * a peer, receive one, save to or restore from a file, or settle an earlier
 * migration.  Open a handle per operation; any number may be in use at once,
 * from any threads.
 *
 * Unless a function says otherwise:
 *   Returns   0, or -errno; xmig_error() has the text, the place of failure
 *             and where the guest is now.
 *   Thread    one call at a time per handle.
 *   Logs      to the logger given to xmig_open(); never prints.
 *   fork      a child may only xmig_close() the handle.
 */
#ifndef XMIG_H
#define XMIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct xentoollog_logger;
struct xmig;

/* ---- Where the guest is ------------------------------------------------- */

/*
 * The one fact above all: who owns the guest.  Part of every error record,
 * of the journal and of the command line's exit status.
 */
enum xmig_guest
{
    XMIG_GUEST_NONE,             /* no guest was involved */
    XMIG_GUEST_AT_SOURCE,        /* runs, or may run, at the source only */
    XMIG_GUEST_AT_DESTINATION,   /* runs at the destination only */
    XMIG_GUEST_SPLIT,            /* post-copy: runs at the destination, pages
                                    still at the source */
    XMIG_GUEST_IN_DOUBT,         /* runs nowhere until the journals of both
                                    ends have been compared */
    XMIG_GUEST_LOST,             /* cannot run any more */
};

/* "at-source", "in-doubt" ...; never NULL. */
const char *xmig_guest_name(enum xmig_guest guest);

struct xmig_error
{
    int code;                    /* -errno, 0 = no error */
    enum xmig_guest guest;
    char text[512];              /* attempted what, on what, what went wrong,
                                    and what to do; one line */
};

/*
 * What the last operation on s ended with: the first error wins.  Valid until
 * the next operation on s or xmig_close().  Thread: as the operation, or any
 * after it returned.
 */
const struct xmig_error *xmig_error(const struct xmig *s);

/* ---- Handle ------------------------------------------------------------- */

/*
 * Open the interfaces of the hypervisor and of xenstore.
 *
 * logger  borrowed, must outlive the handle; NULL = no log
 *
 * Returns
 *   -ENODEV   there is no Xen here (and no emulated host)
 *   -EACCES   no permission to use it
 *   -ENOMEM
 * On failure *ret_s is untouched.
 */
int xmig_open(struct xentoollog_logger *logger, struct xmig **ret_s);

/* Close; s may be NULL. */
void xmig_close(struct xmig *s);

/*
 * Directory of the migration journals (default /var/lib/xmig).  It must lie
 * on storage that survives a crash of the host.  The directory is created
 * when needed.  dir is copied.
 */
int xmig_set_state_dir(struct xmig *s, const char *dir);

/* ---- Options ------------------------------------------------------------ */

struct xmig_option
{
    const char *key;             /* "downtime-limit", "precopy.max-iters" */
    const char *unit;            /* "ms", "MiB/s", "" */
    const char *value;           /* now in force */
    const char *min, *max;       /* "" where there is none */
    const char *help;            /* one line */
    bool live;                   /* may be set while an operation runs */
};

/*
 * Set an option by its key, as `xmig options` lists them.
 *
 *   -ENOENT   no such option
 *   -EINVAL   not a number, a word that is not one of the choices
 *   -ERANGE   out of range
 *   -EBUSY    an operation runs, and the option is not live
 * Thread: any.  While an operation runs, xmig_error() stays the operation's.
 */
int xmig_option_set(struct xmig *s, const char *key, const char *value);

/*
 * The option in row i (0 ...), -ENOENT behind the last.  Strings live until
 * the next call of this function on s.  s may be NULL: all options at their
 * defaults, for which no hypervisor is needed.  Thread: one at a time.
 */
int xmig_option_get(struct xmig *s, unsigned int i, struct xmig_option *ret);

/* ---- Toolstack ---------------------------------------------------------- */

/*
 * What a toolstack does for the domains that it manages: it has their
 * configuration, makes, names and destroys them, gives them devices.  All else
 * is the engine's, for others these, too.  Hooks return 0, or -errno with a
 * sentence in why (room bytes); a migration that comes in has its own thread.
 */

/* To be called five times a second while a hook waits; not 0: give up. */
struct xmig_wait
{
    int (*tick)(void *data);
    void *data;
};

/* A domain that create() has made. */
struct xmig_made
{
    uint32_t domid;
    uint32_t store_port, console_port;   /* the guest's event channels */
    bool late;                   /* attach() when the state is complete */
    void *handle;                /* the toolstack's own */
};

struct xmig_toolstack
{
    const char *name;            /* "libxl"; the same at both ends */
    bool (*manages)(void *data, uint32_t domid);
    /* At the source: text for create(), malloc'ed; -EINVAL: it may not go. */
    int (*describe)(void *data, uint32_t domid, char **ret_config,
                    char *why, size_t room);
    int (*rename)(void *data, uint32_t domid, const char *name, char *why,
                  size_t room);
    /* -ENOENT: it is gone. */
    int (*destroy)(void *data, uint32_t domid, char *why, size_t room);
    /* At the destination: make it, paused, without memory. */
    int (*create)(void *data, const char *config, const char *name,
                  const struct xmig_wait *wait, struct xmig_made *ret,
                  char *why, size_t room);
    /* The rings' pages are there: connect them, add the devices.  Ends the
     * handle; after a failure nothing of the domain is left. */
    int (*attach)(void *data, void *handle, uint64_t store_gfn,
                  uint64_t console_gfn, const struct xmig_wait *wait,
                  char *why, size_t room);
    /* In place of attach(): nothing is left.  Not 0: it had failed before. */
    int (*discard)(void *data, void *handle, char *why, size_t room);
    /* It runs here now, under its own name.  May be NULL. */
    void (*running)(void *data, uint32_t domid);
};

/* hooks and data are borrowed and outlive the handle; NULL = none. */
void xmig_set_toolstack(struct xmig *s, const struct xmig_toolstack *hooks,
                        void *data);

/* ---- Stopping ----------------------------------------------------------- */

/* Progress, figures, events: xmig_steer.h. */
struct xmig_stats;

/*
 * Ask the running operation to stop. Before the point of no return the guest
 * stays at (or goes back to) the source; later the request is ignored.  While
 * none runs it holds for the next one.
 * Thread: any, and a signal handler.
 */
void xmig_cancel(struct xmig *s);

/* ---- Domains ------------------------------------------------------------ */

struct xmig_domain
{
    uint32_t domid;
    char name[128];
    uint8_t uuid[16];
    uint64_t memory_kib;
    unsigned int vcpus;
    char state[8];               /* xl's letters: r b p s c d, '-' */
    double cpu_seconds;
};

/* All domains, in order of domid. *ret_list is malloc'ed, the caller's. */
int xmig_domain_list(struct xmig *s, struct xmig_domain **ret_list,
                     size_t *ret_count);

/*
 * Find a domain by name or by decimal domid.
 *   -ENOENT     no such domain
 *   -ENOTUNIQ   two domains have the name
 */
int xmig_domain_find(struct xmig *s, const char *name_or_id,
                     uint32_t *ret_domid);

/* ---- Migration ---------------------------------------------------------- */

/*
 * Move a running domain to the host where xmig_serve() listens.
 *
 * domid   the domain; it goes on running at the source on any failure before
 *         the point of no return
 * host    name or address of the destination; port 0 = XMIG_PORT
 *
 * Returns 0 when the guest runs at the destination and the copy here is
 * destroyed; else
 *   -EINVAL      the domain is of a kind that is not carried; says which
 *   -ENOENT      no such domain
 *   -ECONNREFUSED, -EHOSTUNREACH ...  the destination cannot be reached
 *   -EPROTONOSUPPORT  no protocol version in common; names both
 *   -ENOMEM      not enough memory there
 *   -EPROTO      the peer broke docs/stream.md
 *   -ECANCELED   xmig_cancel()
 *   -ENOTRECOVERABLE  the outcome is not known (guest in doubt): see
 *                xmig_recover()
 */
#define XMIG_PORT 8002
int xmig_send(struct xmig *s, uint32_t domid, const char *host, uint16_t port);

/*
 * The same through a command that sh runs, "exec ssh host xmig receive
 * --stdio": its standard input and output are a connection to a process that
 * calls xmig_serve_fds().  It is run once for each connection (control, each
 * lane, each question about the outcome), always the same.  The journal keeps
 * it for xmig_recover().
 *
 *   -ENOTCONN    it ended without an answer; says how
 *   -ENOPKG      it, or xmig at the other end, was not found (status 127)
 *   -EPROTO      it wrote something else to its standard output
 *   -ETIMEDOUT   no answer within option "ssh-timeout"
 * and as xmig_send().
 */
int xmig_send_command(struct xmig *s, uint32_t domid, const char *command);

/*
 * Listen for migrations and questions about earlier ones, and serve them until
 * xmig_cancel() (but not while a post-copy lacks pages), or one ended (once).
 *
 * bind, port  to listen on; NULL = all addresses, 0 = XMIG_PORT
 * on_end      called (in a thread of its own per migration) after each
 *             migration; err->code is 0 on success (with domid 0 if somebody
 *             destroyed it before all of a post-copy had come); may be NULL
 *
 *   -EADDRINUSE  port in use
 */
typedef void xmig_served_fn(void *data, uint32_t domid, const char *name,
                            const struct xmig_error *err,
                            const struct xmig_stats *stats);
int xmig_serve(struct xmig *s, const char *bind, uint16_t port, bool once,
               xmig_served_fn *on_end, void *data);

/*
 * Serve the one connection that in_fd and out_fd are (one socket may be
 * both), until it has ended.  What it is stands in its first record: a
 * migration; a lane of one that another process of this host serves in this
 * way, to which it is handed over; or a question about an earlier one, which
 * the journals answer.
 *
 * Both descriptors are closed.  Nothing else may write to out_fd.
 *
 *   -EPROTO  the peer broke docs/stream.md, or there is no such migration
 */
int xmig_serve_fds(struct xmig *s, int in_fd, int out_fd,
                   xmig_served_fn *on_end, void *data);

/*
 * Settle the migrations that this host's journal holds as open: ask the
 * other end, then resume or destroy what is here.
 *
 * name_or_id  one domain (name, domid or migration id); NULL = all
 * fenced      the operator's word that the other host is off for good: resume
 *             here without its answer, or wait for its memory no longer
 *
 * Returns 0 when nothing is left in doubt; -ENOTRECOVERABLE when something
 * is, -ENOENT when name_or_id names nothing that is open.
 */
int xmig_recover(struct xmig *s, const char *name_or_id, bool fenced);

/* ---- Files -------------------------------------------------------------- */

/*
 * Save a domain to fd as a Xen migration v2 stream (libxc "XENF" version 3)
 * behind a short header with the domain's configuration; then destroy it, or
 * let it go on.
 *
 * fd      any writable descriptor; borrowed. A regular file is synced before
 *         the domain is destroyed.
 * flags   XMIG_SAVE_*
 *
 *   -EINVAL           unknown flags, or a domain that is not carried
 *   -ENOSPC, -EIO ... the guest runs on here
 */
#define XMIG_SAVE_PLAIN       1u     /* no header: only the libxc stream */
#define XMIG_SAVE_KEEP        2u     /* resume the domain, do not destroy it */
#define XMIG_SAVE_KEEP_PAUSED 4u     /* the same, and leave it paused */
int xmig_save(struct xmig *s, uint32_t domid, int fd, unsigned int flags);

/*
 * Build a domain from a stream written by xmig_save(), or by stock tools.
 * A plain libxc stream needs a configuration: name and so on in xl.cfg
 * syntax, config = path of the file, else NULL.
 *
 * paused  leave it paused
 *
 *   -EPROTO   corrupt stream, says at which byte and why
 *   -EPROTONOSUPPORT  other version or architecture
 *   -EEXIST   a domain of the name runs already
 */
int xmig_restore(struct xmig *s, int fd, const char *config, bool paused,
                 uint32_t *ret_domid);

/* ---- Memory and state alone --------------------------------------------- */

/*
 * For a toolstack that creates, suspends and starts its domains itself and
 * wants memory and state moved, as by xc_domain_save() and
 * xc_domain_restore(): a stream of libxc's (version 3) that stock tools write
 * and read, with the toolstack's own bytes around it.
 */

/* What the toolstack does; 0, or -errno to give up. */
struct xmig_image_hooks
{
    /* Saving: suspend the guest (required). */
    int (*suspend)(void *data);
    /* Saving: have the device model log the pages that it writes, or no
     * longer; NULL = there is none. */
    int (*log_devices)(void *data, bool on);
    /* Saving: on failure resume a guest that the hook suspended, if it offers
     * an event channel for that: libxl forgets it then. */
    bool forgets_events;
    /* Restoring: the CPU policy is set, memory comes next; missing:
     * XMIG_IMAGE_NO_*, which the stream did not bring.  May be NULL. */
    int (*static_done)(void *data, unsigned int missing);
};
#define XMIG_IMAGE_NO_CPUID 1u
#define XMIG_IMAGE_NO_MSRS  2u

/*
 * Would domid, at either end, be carried by the two functions below?
 *   -EINVAL  no, and the reasons; -ENOENT
 */
int xmig_image_carried(struct xmig *s, uint32_t domid);

/*
 * Write domid's memory and state to fd, up to END.  Live: while the guest
 * runs, in rounds (options downtime-limit, bandwidth, precopy.*), until the
 * hook suspends it.  It is left suspended, also after a failure of a later
 * step (but see forgets_events): whether it goes on is the toolstack's to
 * say.  downtime_us of the
 * figures ends with the last byte.
 *
 *   -ECANCELED, -EPIPE, -EBUSY (precopy.abort-if-busy), what a hook returned
 */
int xmig_image_save(struct xmig *s, uint32_t domid, int fd, bool live,
                    const struct xmig_image_hooks *hooks, void *data);

/* The rings of xenstore and console: who serves them. */
struct xmig_image_rings
{
    uint32_t store_port, store_domid;        /* set by the caller */
    uint32_t console_port, console_domid;
    uint64_t store_gfn, console_gfn;         /* set on success */
};

/*
 * Read a stream from fd into domid, which has been created and has no memory
 * yet; not a byte behind END is read.  On failure it is to be destroyed.
 *   -EPROTO, -EPROTONOSUPPORT  the stream is refused: where and why
 */
int xmig_image_restore(struct xmig *s, uint32_t domid, int fd,
                       const struct xmig_image_hooks *hooks, void *data,
                       struct xmig_image_rings *rings);

#ifdef __cplusplus
}
#endif

#include "xmig_steer.h"

#endif
