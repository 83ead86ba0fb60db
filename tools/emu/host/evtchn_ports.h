/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Event channels of one host: a table of ports per domain, and the handles
 * through which dom0's programs own ports, as Linux's /dev/xen/evtchn lets
 * them.  Two-level ABI: ports 1 ... 1023 for a guest.
 *
 * Everything is under one lock of its own; kick() is called with it held and
 * must not come back.  Functions return 0 or -errno unless
 * they say otherwise; the errors are Xen's.
 */
#ifndef XMIG_EMU_EVTCHN_PORTS_H
#define XMIG_EMU_EVTCHN_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#define EVTCHN_GUEST_PORTS 1024u     /* port 0 is never valid */
#define EVTCHN_DOM0_PORTS  4096u

/* A program's handle: what it bound, and where its events go. */
struct evtchn_handle;

/*
 * wfd: write end of a pipe whose read end the program polls; a port is
 * written to it as a uint32_t when it fires.  Owned from here on, and made
 * non-blocking.  NULL when memory is short (wfd stays the caller's).
 */
struct evtchn_handle *evtchn_handle_new(int wfd);
/* Closes what it bound.  NULL is fine. */
void evtchn_handle_free(struct evtchn_handle *h);
/* From now on it may bind ports of this domain only. */
int evtchn_handle_restrict(struct evtchn_handle *h, uint32_t domid);

/* What a program may do with a port: only with one of its own (-ENOTCONN). */
int evtchn_handle_notify(struct evtchn_handle *h, uint32_t port);
int evtchn_handle_unmask(struct evtchn_handle *h, uint32_t port);
int evtchn_handle_unbind(struct evtchn_handle *h, uint32_t port);

/*
 * A domain's table.  kick(arg) runs whenever a port of the domain that no
 * handle owns becomes pending; NULL: nobody cares.
 */
int evtchn_domain_init(uint32_t domid, unsigned int nr_ports,
                       void (*kick)(void *arg), void *arg);
/* Closes all its ports: their peers fall back to unbound. */
void evtchn_domain_destroy(uint32_t domid);

/* h: the handle that is to own the new port; NULL: the domain itself. */
int evtchn_alloc_unbound(uint32_t domid, uint32_t remote_domid,
                         struct evtchn_handle *h, uint32_t *ret_port);
int evtchn_bind_interdomain(uint32_t domid, uint32_t remote_domid,
                            uint32_t remote_port, struct evtchn_handle *h,
                            uint32_t *ret_port);
/*
 * A port whose domain's end the host itself has: consume(arg) runs for each
 * event, with the lock held, and must not come back.  The domain cannot close
 * it.
 */
int evtchn_alloc_consumed(uint32_t domid, uint32_t remote_domid,
                          void (*consume)(void *arg), void *arg,
                          uint32_t *ret_port);
void evtchn_close_consumed(uint32_t domid, uint32_t port);
/* A global VIRQ has one taker: -EEXIST for the second. */
int evtchn_bind_virq(uint32_t domid, unsigned int virq,
                     struct evtchn_handle *h, uint32_t *ret_port);
int evtchn_close(uint32_t domid, uint32_t port);
int evtchn_send(uint32_t domid, uint32_t port);
/* Closes all ports of a domain. */
int evtchn_reset(uint32_t domid);

struct evtchn_state
{
    uint32_t status;         /* EVTCHNSTAT_* */
    uint32_t remote_domid;   /* unbound, interdomain */
    uint32_t remote_port;    /* interdomain */
    uint32_t virq;           /* virq */
};

int evtchn_status(uint32_t domid, uint32_t port,
                  struct evtchn_state *ret_state);

/* Test and clear: 1 was pending, 0 not, or -errno. */
int evtchn_test_pending(uint32_t domid, uint32_t port);

/* A VIRQ of dom0. */
void evtchn_raise_virq(unsigned int virq);

/*
 * EVTCHNOP_* sub-op of a hypercall made by `caller`; arg is the op's
 * argument structure, evtchn_op_size() bytes, read and written in place.
 * privileged: the caller may name other domains.
 */
int evtchn_op(uint32_t caller, bool privileged, unsigned int op, void *arg);
/* Size of the argument structure of a sub-op; 0 for those not modelled. */
unsigned int evtchn_op_size(unsigned int op);

#endif
