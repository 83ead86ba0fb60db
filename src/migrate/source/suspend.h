/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Make a guest suspend itself, within a time limit, and resume it.
 *
 * By event channel where the guest offers one, else by xenstore.  What can
 * be made ready is made ready by suspend_open(), so that suspend_guest() is
 * short.
 */
#ifndef XMIG_SUSPEND_H
#define XMIG_SUSPEND_H

#include "chan.h"
#include "hv.h"
#include "store.h"

struct suspend
{
    struct hv *hv;               /* borrowed, as store and err */
    struct store *store;
    struct err *err;
    uint32_t domid;
    struct hv_port *port;        /* NULL: by xenstore */
    struct store_watch *watch;
    bool asked;                  /* and it can't be taken back */
    /* Called when the guest has been asked, before it is waited for; set by
     * the owner, may be NULL. */
    void (*on_asked)(void *data);
    void *data;                  /* of on_asked */
};

int suspend_open(struct suspend *su, struct hv *hv, struct store *st,
                 struct err *e, uint32_t domid);
void suspend_close(struct suspend *su);

/*
 * Ask the guest to suspend and wait until it has; ret (may be NULL) is what
 * the hypervisor then says of the domain.
 *
 * idle (may be NULL) is called about ten times a second while waiting;
 * not 0 ends the wait.
 *
 * After a failure the guest runs: a suspend that came too late has been
 * resumed.  But if su->asked is still true, the request could not be taken
 * back, and the guest may yet obey it (suspend_settle()).
 *   -ETIMEDOUT   it did not; the request is withdrawn
 *   -ESHUTDOWN   it crashed, rebooted or powered off instead; says which
 *   -ENOENT      it was destroyed
 *   -ECANCELED   or the reason of cancel; the request is withdrawn
 */
int suspend_guest(struct suspend *su, uint64_t timeout_us,
                  const struct cancel *cancel, int (*idle)(void *data),
                  void *data, struct hv_domain *ret);
/* Cooperative resume of a guest that suspend_guest() suspended. */
int suspend_resume(struct suspend *su);
/*
 * An earlier request is to have no effect any more: take it back, or wait for
 * the guest to obey it and resume it then.
 *   -EAGAIN  an event can't be taken back, and the guest has not obeyed it
 *            yet; su->asked stays true
 */
int suspend_settle(struct suspend *su, uint64_t timeout_us);

/*
 * Is the guest still there and running?  0, or as suspend_guest():
 * -ESHUTDOWN, -ENOENT.  ret may be NULL.
 */
int suspend_check_alive(struct hv *hv, struct err *e, uint32_t domid,
                        struct hv_domain *ret);

#endif
