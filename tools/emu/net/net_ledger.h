/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The outside client's book: which requests went out, which were answered,
 * what the server has acknowledged and so must never forget, and what the
 * client felt (latency, gaps).  Pure bookkeeping: time comes from the caller,
 * messages go to the caller.
 *
 * Latency is counted from the moment a request was due, not from when the
 * client got round to sending it.
 */
#ifndef XMIG_EMU_NET_LEDGER_H
#define XMIG_EMU_NET_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "net_hist.h"
#include "netproto.h"

#define NET_LEDGER_GAPS   5
#define NET_LEDGER_WINDOW 65536  /* unanswered requests kept; power of two */

struct net_gap
{
    uint64_t start_us;           /* when the answer before it came */
    uint64_t length_us;
};

struct net_request
{
    uint64_t due_us, first_sent_us, last_sent_us;
    uint32_t attempts;
    bool answered;
};

/* What an answer was; the counters below count the same things. */
enum net_answer
{
    NET_ANSWER_FIRST,            /* the first one to this request */
    NET_ANSWER_DUPLICATE,
    NET_ANSWER_FOREIGN,          /* not for us: other session or no answer */
    NET_ANSWER_CORRUPT,          /* checksum or contents wrong */
};

struct net_ledger
{
    uint64_t session;
    uint64_t next;               /* number of the next request, from 1 */
    uint64_t oldest;             /* lowest number not yet given up/answered */
    uint64_t retry_from;         /* where the search for retries goes on */
    uint64_t known;              /* highest acknowledged number */
    uint64_t key_known[NET_KEYS];

    uint64_t last_answer_us;     /* 0: none yet */
    uint64_t highest_answered;
    struct net_gap gap[NET_LEDGER_GAPS];   /* longest first */
    struct net_hist latency;
    uint64_t late_max_us;        /* how late the client itself was */

    uint64_t sent, answered, retries, lost, duplicates, out_of_order;
    uint64_t corrupt, foreign;
    uint64_t acked_lost;         /* answers that lack an acknowledged write */
    uint64_t audited;            /* keys read back at the end */
    bool key_audited[NET_KEYS];

    struct net_request *window;
};

/* 0 or -ENOMEM.  session: not 0. */
int net_ledger_init(struct net_ledger *l, uint64_t session);
void net_ledger_done(struct net_ledger *l);

/* The next write, due at due_us; fills msg, ready to be sent. */
void net_ledger_next(struct net_ledger *l, uint64_t due_us, uint64_t now_us,
                     struct net_msg *msg);

/* A request whose last copy went out at least retry_us ago: fills msg and
 * returns true.  Goes round among them, oldest first. */
bool net_ledger_retry(struct net_ledger *l, uint64_t now_us,
                      uint64_t retry_us, struct net_msg *msg);

/* A message came.  ret_latency_us and ret_sent_us (may be NULL) are set for
 * the first answer to a write only. */
enum net_answer net_ledger_answer(struct net_ledger *l,
                                  const struct net_msg *msg, uint64_t now_us,
                                  uint64_t *ret_sent_us,
                                  uint64_t *ret_latency_us);

/* Requests that are still waited for. */
uint64_t net_ledger_open(const struct net_ledger *l);

/* Reading back at the end: begin it; fill msg with a read of key; true once
 * the key has been read back, or never had an acknowledged write. */
void net_ledger_audit(struct net_ledger *l);
void net_ledger_read(struct net_ledger *l, uint32_t key, uint64_t now_us,
                     struct net_msg *msg);
bool net_ledger_key_audited(const struct net_ledger *l, uint32_t key);

/* No more answers are expected: what is open is lost, and the silence since
 * the last answer is a gap if anything was waited for. */
void net_ledger_end(struct net_ledger *l, uint64_t now_us);

/* What write number puts under its key, and the check of a message. */
uint64_t net_msg_value(uint64_t session, uint64_t number);
void net_msg_seal(struct net_msg *msg);
bool net_msg_is_sound(const struct net_msg *msg);

#endif
