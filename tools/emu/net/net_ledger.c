/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Bookkeeping of the outside client.  An answer proves more than that its
 * request arrived: it repeats what the client knew when it asked, and says
 * what the server held at that moment, so that every acknowledged write is
 * checked by the next answer for its key or by the reading back at the end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "net_ledger.h"

static struct net_request *slot(const struct net_ledger *l, uint64_t number)
{
    return &l->window[number & (NET_LEDGER_WINDOW - 1)];
}

static uint64_t checksum(const struct net_msg *msg)
{
    const uint8_t *p = (const void *)msg;
    uint64_t h = NET_FNV_BASIS;

    for ( size_t i = 0; i < offsetof(struct net_msg, checksum); i++ )
        h = (h ^ p[i]) * NET_FNV_PRIME;
    return h;
}

void net_msg_seal(struct net_msg *msg)
{
    msg->checksum = checksum(msg);
}

bool net_msg_is_sound(const struct net_msg *msg)
{
    return msg->magic == NET_MSG_MAGIC && msg->version == NET_MSG_VERSION &&
           msg->checksum == checksum(msg);
}

uint64_t net_msg_value(uint64_t session, uint64_t number)
{
    uint64_t z = session + number * 0x9e3779b97f4a7c15ull;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}

int net_ledger_init(struct net_ledger *l, uint64_t session)
{
    memset(l, 0, sizeof(*l));
    l->session = session;
    l->next = l->oldest = l->retry_from = 1;
    l->window = calloc(NET_LEDGER_WINDOW, sizeof(*l->window));
    return l->window ? 0 : -ENOMEM;
}

void net_ledger_done(struct net_ledger *l)
{
    free(l->window);
    l->window = NULL;
}

static void fill(const struct net_ledger *l, struct net_msg *msg,
                 enum net_msg_type type, uint64_t number, uint32_t key,
                 uint32_t attempt, uint64_t now_us)
{
    memset(msg, 0, sizeof(*msg));
    msg->magic = NET_MSG_MAGIC;
    msg->version = NET_MSG_VERSION;
    msg->type = type;
    msg->session = l->session;
    msg->number = number;
    msg->sent_us = now_us;
    msg->attempt = attempt;
    msg->key = key;
    msg->value = type == NET_MSG_WRITE ? net_msg_value(l->session, number) : 0;
    msg->known = l->known;
    msg->key_known = l->key_known[key];
    net_msg_seal(msg);
}

static void skip_answered(struct net_ledger *l)
{
    while ( l->oldest < l->next && slot(l, l->oldest)->answered )
        l->oldest++;
    if ( l->retry_from < l->oldest )
        l->retry_from = l->oldest;
}

void net_ledger_next(struct net_ledger *l, uint64_t due_us, uint64_t now_us,
                     struct net_msg *msg)
{
    struct net_request *r;

    /* The window is full: the oldest is given up. */
    if ( l->next - l->oldest == NET_LEDGER_WINDOW )
    {
        l->lost++;
        l->oldest++;
        skip_answered(l);
    }
    r = slot(l, l->next);
    *r = (struct net_request){
        .due_us = due_us,
        .first_sent_us = now_us,
        .last_sent_us = now_us,
        .attempts = 1,
    };
    if ( now_us > due_us && now_us - due_us > l->late_max_us )
        l->late_max_us = now_us - due_us;
    fill(l, msg, NET_MSG_WRITE, l->next, l->next % NET_KEYS, 1, now_us);
    l->next++;
    l->sent++;
}

bool net_ledger_retry(struct net_ledger *l, uint64_t now_us,
                      uint64_t retry_us, struct net_msg *msg)
{
    struct net_request *r;

    for ( ; l->retry_from < l->next; l->retry_from++ )
    {
        r = slot(l, l->retry_from);
        if ( r->answered )
            continue;
        if ( now_us < r->last_sent_us + retry_us )
            break;
        r->last_sent_us = now_us;
        r->attempts++;
        fill(l, msg, NET_MSG_WRITE, l->retry_from, l->retry_from % NET_KEYS,
             r->attempts, now_us);
        l->retry_from++;
        l->retries++;
        return true;
    }
    l->retry_from = l->oldest;
    return false;
}

static void note_gap(struct net_ledger *l, uint64_t start_us,
                     uint64_t length_us)
{
    unsigned int i = NET_LEDGER_GAPS - 1;

    if ( length_us <= l->gap[i].length_us )
        return;
    for ( ; i > 0 && l->gap[i - 1].length_us < length_us; i-- )
        l->gap[i] = l->gap[i - 1];
    l->gap[i] = (struct net_gap){ start_us, length_us };
}

/* Does the server still have what it had acknowledged? */
static void check_memory(struct net_ledger *l, const struct net_msg *msg)
{
    uint64_t want = msg->old_number
                        ? net_msg_value(l->session, msg->old_number) : 0;

    if ( msg->high < msg->known || msg->old_number < msg->key_known ||
         msg->old_value != want )
        l->acked_lost++;
}

static bool makes_sense(const struct net_ledger *l, const struct net_msg *msg)
{
    if ( msg->key >= NET_KEYS || msg->old_number >= l->next ||
         msg->high >= l->next || msg->known > l->known )
        return false;
    if ( msg->old_number && msg->old_number % NET_KEYS != msg->key )
        return false;
    if ( msg->type == NET_MSG_WRITE )
        return msg->number && msg->number < l->next &&
               msg->number % NET_KEYS == msg->key;
    return msg->type == NET_MSG_READ;
}

/* The first answer to a write. */
static void note_first(struct net_ledger *l, uint64_t number,
                       uint64_t latency_us, uint64_t now_us)
{
    l->answered++;
    if ( number < l->highest_answered )
        l->out_of_order++;
    else
        l->highest_answered = number;
    net_hist_add(&l->latency, latency_us);
    if ( l->last_answer_us )
        note_gap(l, l->last_answer_us, now_us - l->last_answer_us);
    l->last_answer_us = now_us;
}

enum net_answer net_ledger_answer(struct net_ledger *l,
                                  const struct net_msg *msg, uint64_t now_us,
                                  uint64_t *ret_sent_us,
                                  uint64_t *ret_latency_us)
{
    struct net_request *r;
    uint64_t latency_us;

    if ( !net_msg_is_sound(msg) )
    {
        l->corrupt++;
        return NET_ANSWER_CORRUPT;
    }
    if ( msg->session != l->session || !(msg->flags & NET_MSG_ANSWER) )
    {
        l->foreign++;
        return NET_ANSWER_FOREIGN;
    }
    if ( !makes_sense(l, msg) )
    {
        l->corrupt++;
        return NET_ANSWER_CORRUPT;
    }

    check_memory(l, msg);
    if ( msg->type == NET_MSG_READ )
    {
        /* Only an answer to a read that knew all of it ends the audit. */
        if ( !l->key_audited[msg->key] &&
             msg->key_known == l->key_known[msg->key] )
        {
            l->key_audited[msg->key] = true;
            l->audited++;
        }
        return NET_ANSWER_FIRST;
    }

    if ( msg->number > l->known )
        l->known = msg->number;
    if ( msg->number > l->key_known[msg->key] )
        l->key_known[msg->key] = msg->number;

    r = slot(l, msg->number);
    if ( msg->number < l->oldest || r->answered )
    {
        l->duplicates++;
        return NET_ANSWER_DUPLICATE;
    }
    r->answered = true;
    skip_answered(l);
    latency_us = now_us > r->due_us ? now_us - r->due_us : 0;
    note_first(l, msg->number, latency_us, now_us);
    if ( ret_sent_us )
        *ret_sent_us = r->first_sent_us;
    if ( ret_latency_us )
        *ret_latency_us = latency_us;
    return NET_ANSWER_FIRST;
}

uint64_t net_ledger_open(const struct net_ledger *l)
{
    return l->sent - l->answered - l->lost;
}

void net_ledger_audit(struct net_ledger *l)
{
    memset(l->key_audited, 0, sizeof(l->key_audited));
    l->audited = 0;
}

void net_ledger_read(struct net_ledger *l, uint32_t key, uint64_t now_us,
                     struct net_msg *msg)
{
    fill(l, msg, NET_MSG_READ, key + 1, key, 1, now_us);
}

bool net_ledger_key_audited(const struct net_ledger *l, uint32_t key)
{
    return l->key_audited[key] || !l->key_known[key];
}

void net_ledger_end(struct net_ledger *l, uint64_t now_us)
{
    uint64_t open = net_ledger_open(l);

    if ( open && l->last_answer_us )
        note_gap(l, l->last_answer_us, now_us - l->last_answer_us);
    l->lost += open;
    l->oldest = l->next;
}
