/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Xenstore, and what a bare toolstack keeps in it.  store_xs*.c alone know
 * libxenstore.
 *
 * Functions return 0 or -errno and record in e (may be NULL) which node.
 * Strings handed out are malloc'ed, the caller's.
 *
 * Thread: any; calls on one store are served one after the other.  Watches
 * have connections of their own.
 */
#ifndef XMIG_STORE_H
#define XMIG_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chan.h"
#include "err.h"
#include "ident.h"

struct store;

/* -ENODEV: no xenstored here. */
int store_open(struct err *e, struct store **ret_st);
void store_close(struct store *st);

/* ---- Nodes ------------------------------------------------------------- */

/* Who may see a node: dom0 owns it, unless the domain may write. */
enum store_perm
{
    STORE_PERM_DOM0,             /* dom0 alone */
    STORE_PERM_READ,             /* the domain reads */
    STORE_PERM_WRITE,            /* the domain owns it */
};

/*
 * path is made with printf's means.  In a transaction (store_transact) they
 * are part of it.
 */

/* -ENOENT: recorded in e like any other failure; pass NULL to ask. */
int store_read(struct store *st, struct err *e, char **ret_value,
               const char *path, ...) __attribute__((format(printf, 4, 5)));
/* A decimal number.  -EINVAL: it is something else. */
int store_read_u64(struct store *st, struct err *e, uint64_t *ret_value,
                   const char *path, ...)
    __attribute__((format(printf, 4, 5)));
int store_write(struct store *st, struct err *e, const char *value,
                const char *path, ...) __attribute__((format(printf, 4, 5)));
int store_mkdir(struct store *st, struct err *e, const char *path, ...)
    __attribute__((format(printf, 3, 4)));
/* A node that is not there is removed already: 0. */
int store_rm(struct store *st, struct err *e, const char *path, ...)
    __attribute__((format(printf, 3, 4)));
int store_perm(struct store *st, struct err *e, uint32_t domid,
               enum store_perm perm, const char *path, ...)
    __attribute__((format(printf, 5, 6)));
/* Names of the children; a missing node has none.  *ret_names is one block,
 * freed with free(). */
int store_ls(struct store *st, struct err *e, char ***ret_names,
             unsigned int *ret_nr, const char *path, ...)
    __attribute__((format(printf, 5, 6)));
/* Write with permissions, in one. */
int store_put(struct store *st, struct err *e, uint32_t domid,
              enum store_perm perm, const char *value, const char *path, ...)
    __attribute__((format(printf, 6, 7)));

/*
 * Run fn in a transaction, again as long as somebody else's write collides.
 * fn returns 0 to commit; anything else aborts and is returned.  It may run
 * many times.  Transactions do not nest.
 */
int store_transact(struct store *st, struct err *e,
                   int (*fn)(struct store *st, struct err *e, void *arg),
                   void *arg);

/* ---- Watches ----------------------------------------------------------- */

struct store_watch;

/* "@releaseDomain" (a domain has shut down or gone) and "@introduceDomain"
 * may be watched too.  A watch fires once at once. */
int store_watch_open(struct err *e, struct store_watch **ret_w);
int store_watch_add(struct store_watch *w, struct err *e, const char *path,
                    ...) __attribute__((format(printf, 3, 4)));
/*
 * Wait for any to fire; *ret_path (may be NULL) is the node that changed.
 * 0, -ETIMEDOUT, or the reason of cancel.
 */
int store_watch_wait(struct store_watch *w, uint64_t deadline_us,
                     const struct cancel *cancel, char **ret_path);
/* For poll(); readable when store_watch_wait() would not wait. */
int store_watch_fd(const struct store_watch *w);
void store_watch_close(struct store_watch *w);

/* ---- Key and value ----------------------------------------------------- */

struct store_pair
{
    char *key, *value;
};

struct store_pairs
{
    struct store_pair *pairs;
    size_t nr, room;
};

void store_pairs_done(struct store_pairs *p);
int store_pairs_add(struct store_pairs *p, const char *key,
                    const char *value);
const char *store_pairs_get(const struct store_pairs *p, const char *key);

/* ---- Domains ----------------------------------------------------------- */

/* The domain's name; -ENOENT. */
int store_name(struct store *st, struct err *e, uint32_t domid,
               char **ret_name);
/*
 * The domain of that name.
 *   -ENOENT    none
 *   -ENOTUNIQ  several
 */
int store_find(struct store *st, struct err *e, const char *name,
               uint32_t *ret_domid);
/*
 * Give the domain another name.
 *   -EEXIST  another domain has it
 */
int store_rename(struct store *st, struct err *e, uint32_t domid,
                 const char *name);
/*
 * Is there anything about the domain in xenstore that is not carried: PCI
 * passthrough, disks, a device model, other frontends than vif and console?
 *   -EINVAL  and all the reasons in e
 */
int store_carried(struct store *st, struct err *e, uint32_t domid);
/* Does the domain have a device, whose backend uses its memory?  Then its name
 * is in name, "vif/0". */
bool store_has_device(struct store *st, uint32_t domid, char *name,
                      size_t room);

/*
 * The parts of the domain's subtree that travel, as pairs: keys are relative
 * to /local/domain/<domid> ("data/x", "memory/static-max") and, of each
 * network interface, "vif/<n>/mac", "vif/<n>/bridge" ...  At most 256.
 */
int store_export(struct store *st, struct err *e, uint32_t domid,
                 struct store_pairs *ret);

/* What store_build() lays out. */
struct store_domain
{
    uint32_t domid;
    const char *name;
    uint8_t uuid[IDENT_BYTES];
    uint64_t max_mem_kib;        /* memory/static-max */
    uint64_t target_kib;         /* memory/target */
    unsigned int vcpus;
    uint64_t store_gfn, console_gfn;
    uint32_t store_port, console_port;
    const struct store_pairs *pairs;     /* from store_export(), or NULL */
};

/*
 * Write the subtree of a domain, with the permissions that a guest expects,
 * as libxl lays it out: /local/domain/<domid>, /vm/<uuid>, console, network
 * interfaces front and back in state "initialising" so that a backend
 * connects, and listed where xl destroy looks for them.  What an earlier
 * domain of that number has left is removed.  gfns and ports of 0 are left
 * out: store_connect() adds them.  All in one transaction.
 *   -EPROTO  a pair has a value that the host must not be given
 */
int store_build(struct store *st, struct err *e,
                const struct store_domain *d);
/*
 * Add the rings' gfns and ports, and introduce the domain to xenstored.
 */
int store_connect(struct store *st, struct err *e,
                  const struct store_domain *d);
/*
 * Pairs of store_export() that changed since: those that the guest may write
 * ("data/...", "control/...", "attr/..."), and its memory target.
 *   -EPROTO  a pair has a value that the host must not be given
 */
int store_update(struct store *st, struct err *e, uint32_t domid,
                 const struct store_pairs *pairs);
/* Release the domain and remove all that belongs to it, the backends' nodes
 * too.  What is not there is not missed. */
int store_remove(struct store *st, struct err *e, uint32_t domid);
int store_introduce(struct store *st, struct err *e, uint32_t domid,
                    uint64_t gfn, uint32_t port);
int store_release(struct store *st, struct err *e, uint32_t domid);
/* After a cooperative resume: xenstored takes up with the guest again. */
int store_resume(struct store *st, struct err *e, uint32_t domid);

/* ---- Suspend ----------------------------------------------------------- */

/* Write control/shutdown = "suspend". */
int store_suspend_request(struct store *st, struct err *e, uint32_t domid);
/* Has the guest acknowledged (taken the request away)? */
int store_suspend_acked(struct store *st, struct err *e, uint32_t domid,
                        bool *ret_acked);
/*
 * Take the request back, in a transaction.  *ret_acked: the guest had
 * acknowledged at that very instant, and is going to suspend: wait for it,
 * or resume it after it has.
 */
int store_suspend_withdraw(struct store *st, struct err *e, uint32_t domid,
                           bool *ret_acked);
/* The guest's suspend event channel; -ENOENT if it offers none. */
int store_suspend_port(struct store *st, struct err *e, uint32_t domid,
                       uint32_t *ret_port);

/* ---- Host -------------------------------------------------------------- */

/* This host's boot identity; made when there is none. */
int store_boot_id(struct store *st, struct err *e,
                  uint8_t ret_id[IDENT_BYTES]);

#endif
