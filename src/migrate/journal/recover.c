/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * xmig_recover(): settle what the journals hold as open.
 *
 * A save that did not come to its end: the guest is resumed, unless its image
 * was whole; then the copy here goes.
 *
 * At the source, in the order in which one may be sure:
 *   the guest runs here     it was never suspended, or was resumed: GO was
 *                           not sent, or was refused
 *   not asked to suspend    GO can't have been sent: resume it
 *   the destination says    STARTED: destroy; ABANDONED: resume; SPLIT: it
 *                           needs the copy; LOST: of no use any more
 *   the operator says       fenced: resume
 *   else                    in doubt
 *
 * Once it was SPLIT it has run there: the copy is never resumed, whoever says
 * what.
 */
#include "recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attach.h"
#include "loan.h"
#include "settle.h"
#include "source.h"
#include "suspend.h"

/* How often, and at which distance, it is asked for the end of what has lost
 * its source. */
#define GONE_TRIES   100
#define GONE_WAIT_US (50 * US_PER_MS)

enum here
{
    HERE_NOT,                    /* gone, or another boot of the host */
    HERE_RUNS,                   /* not shut down */
    HERE_SUSPENDED,
    HERE_DEAD,                   /* shut down for another reason */
};

static enum here look(struct session *s, const struct journal_info *info)
{
    struct hv_domain dom;

    if ( !ident_equal(info->boot, s->boot) ||
         hv_domain_info(s->hv, NULL, info->domid, &dom) ||
         !ident_equal(dom.uuid, info->uuid) || dom.dying )
        return HERE_NOT;
    if ( !dom.shut_down )
        return HERE_RUNS;

    return dom.shutdown_reason == HV_SHUTDOWN_SUSPEND ? HERE_SUSPENDED
                                                      : HERE_DEAD;
}

/* It runs, but was asked to suspend: it is not to do so behind our back. */
static int settle_request(struct session *s, const struct journal_info *info)
{
    struct suspend su;
    int rc = suspend_open(&su, s->hv, s->store, s->err, info->domid);

    if ( rc )
        return rc;
    rc = suspend_settle(&su, opt_u64(s->opts, NULL, "suspend-timeout"));
    suspend_close(&su);

    return rc;
}

/* What a process that died had changed for the time of the migration. */
static void return_loans(struct session *s, const struct journal_info *info)
{
    struct err e;

    err_init(&e);
    if ( loan_return_all(s->hv, s->store, &e, info->domid, info->uuid) )
        LOG_WARN(s->logger, "\"%s\" has not got back what it had before the "
                 "migration: %s", info->name, e.rec.text);
    err_done(&e);
}

/* The guest is this host's again, if it is there. */
static int keep(struct session *s, struct journal *j, enum here here)
{
    const struct journal_info *info = journal_info(j);
    struct suspend su = { .hv = s->hv, .store = s->store, .err = s->err,
                          .domid = info->domid };
    struct hv_dirty *dirty;
    char *name = NULL;
    uint64_t nr;
    int rc = 0;

    if ( here == HERE_SUSPENDED )
        rc = suspend_resume(&su);
    if ( rc )
        return rc;
    if ( here != HERE_NOT )
    {
        /* A log that was left on costs the guest: on anew, and off. */
        if ( !hv_nr_gfns(s->hv, NULL, info->domid, &nr) &&
             !hv_dirty_open(s->hv, NULL, info->domid, nr, &dirty) )
            hv_dirty_close(dirty);
        if ( !store_name(s->store, NULL, info->domid, &name) &&
             strcmp(name, info->name) )
            toolstack_rename(s->toolstack, NULL, info->domid, info->name);
        free(name);
        return_loans(s, info);
    }
    rc = journal_append(j, JOURNAL_RESUMED, true, s->err);
    if ( !rc )
        journal_remove(j, NULL);

    return rc;
}

/* The domain is destroyed, and its nodes may still be there. */
static bool only_nodes_left(struct session *s,
                            const struct journal_info *info)
{
    struct hv_domain dom;

    return ident_equal(info->boot, s->boot) &&
           hv_domain_info(s->hv, NULL, info->domid, &dom) == -ENOENT;
}

/* It runs at the destination: the copy here goes. */
static int give_up(struct session *s, struct journal *j, enum here here,
                   const struct peer *peer)
{
    const struct journal_info *info = journal_info(j);
    struct settle st = { .s = s, .peer = peer, .id = info->id,
                         .cancel = s->stop };
    int rc = 0;

    if ( here != HERE_NOT || only_nodes_left(s, info) )
        rc = toolstack_destroy(s->toolstack, s->err, info->domid);
    if ( !rc )
        rc = journal_append(j, JOURNAL_DONE, true, s->err);
    if ( rc )
        return rc;
    return_loans(s, info);
    if ( !info->peer[0] || !settle_bye(&st) )
        journal_remove(j, NULL);

    return 0;
}

/*
 * What an answer of the destination settles; 0: nothing.  A destination that
 * does not know SPLIT any more, where it was, has lost the record with its
 * host, and so the guest.
 */
static enum wire_outcome_kind settles(uint32_t outcome, bool split)
{
    switch ( outcome )
    {
    case WIRE_OUTCOME_STARTED:
    case WIRE_OUTCOME_ABANDONED:
    case WIRE_OUTCOME_SPLIT:
    case WIRE_OUTCOME_LOST:
        return outcome;

    case WIRE_OUTCOME_PENDING:
        return split ? WIRE_OUTCOME_LOST : 0;
    }

    return 0;
}

static int ask(struct session *s, struct journal *j, enum here here,
               const struct peer *peer, bool fenced,
               enum wire_outcome_kind *ret)
{
    const struct journal_info *info = journal_info(j);
    bool split = journal_state(j) == JOURNAL_SPLIT;
    struct settle st = { .s = s, .peer = peer, .id = info->id,
                         .abandon = true, .cancel = s->stop,
                         .gone = here == HERE_NOT };
    struct wire_outcome outcome;
    unsigned int tries;
    struct err e;
    int rc = 0;

    err_init(&e);
    if ( *peer->text )
        rc = settle_ask(&st, &e, &outcome);
    /* It has been told that nothing is left here, and looks what it means. */
    for ( tries = 0; !rc && *peer->text && st.gone &&
          outcome.outcome == WIRE_OUTCOME_SPLIT && tries < GONE_TRIES;
          tries++ )
    {
        cancel_poll(s->stop, -1, 0, deadline_in(GONE_WAIT_US));
        rc = settle_ask(&st, &e, &outcome);
    }
    if ( !*peer->text )
        rc = err_set(&e, -EINVAL, "what the journal says on how to reach it "
                     "can't be used");
    if ( !rc && settles(outcome.outcome, split) &&
         !(st.gone && outcome.outcome == WIRE_OUTCOME_SPLIT) )
        *ret = settles(outcome.outcome, split);
    else if ( fenced && rc != -ECANCELED )
    {
        *ret = split ? WIRE_OUTCOME_LOST : WIRE_OUTCOME_ABANDONED;
        rc = 0;
    }
    else
    {
        err_set(s->err, -ENOTRECOVERABLE, "\"%s\" is in doubt: %s "
                "%s: %s; ask again, or, if that host is off and will stay "
                "off, \"xmig recover --fenced\"", info->name, info->peer,
                rc ? "gave no answer" : "can't tell",
                rc ? e.rec.text : outcome.text);
        rc = -ENOTRECOVERABLE;
    }
    err_done(&e);

    return rc;
}

/* Whom to ask; its text is empty if that can't be used: a command is run for
 * nobody but who could have written it. */
static void find_peer(struct journal *j, struct peer *ret)
{
    if ( peer_parse(ret, journal_info(j)->peer) ||
         (peer_is_command(ret) && !journal_is_ours(j)) )
        memset(ret, 0, sizeof(*ret));
}

/*
 * Nothing is open, but the process died before it could remove the journal.
 * DONE stays until the destination has been told, so that it can forget the
 * migration, too.
 */
static void forget_settled(struct session *s, const struct journal_entry *ent)
{
    struct peer peer;
    struct settle st = { .s = s, .peer = &peer, .id = ent->info.id,
                         .cancel = s->stop };
    struct journal *j;

    if ( ent->info.role == JOURNAL_DESTINATION )
    {
        if ( ent->state == JOURNAL_DONE )
            recover_destination(s, ent->info.id, NULL);
        return;
    }
    if ( journal_open(s->state_dir, ent->info.id, JOURNAL_SOURCE, NULL, &j) )
        return;
    find_peer(j, &peer);
    if ( !journal_claim(j, NULL) &&
         (journal_state(j) == JOURNAL_RESUMED || !*peer.text ||
          !settle_bye(&st)) )
        journal_remove(j, NULL);
    journal_close(j);
}

/* STARTED or ABANDONED, of the cases at the top of this file. */
static int find_outcome(struct session *s, struct journal *j, enum here here,
                        const struct peer *peer, bool fenced,
                        enum wire_outcome_kind *ret)
{
    const struct journal_info *info = journal_info(j);

    *ret = WIRE_OUTCOME_ABANDONED;
    if ( here == HERE_RUNS && journal_state(j) != JOURNAL_SPLIT )
        return 0;

    switch ( journal_state(j) )
    {
    case JOURNAL_WRITTEN:
        *ret = WIRE_OUTCOME_STARTED;     /* it is in its file */
        return 0;

    case JOURNAL_EMPTY:
    case JOURNAL_PREPARING:
    case JOURNAL_WITHDRAWN:
        return 0;

    case JOURNAL_PERMIT:
        if ( ident_equal(info->boot, s->boot) )
            return 0;
        break;

    default:
        break;
    }
    /* A save has nobody to ask; the other crashed before it was suspended. */
    if ( !info->peer[0] || here == HERE_DEAD )
        return 0;

    return ask(s, j, here, peer, fenced, ret);
}

/* It runs at the destination, and its memory is here. */
static int go_on(struct session *s, struct journal *j,
                 const struct peer *peer)
{
    int rc = 0;

    if ( journal_state(j) != JOURNAL_SPLIT )
        rc = journal_append(j, JOURNAL_SPLIT, true, s->err);
    owner_set(s->err, XMIG_GUEST_AT_SOURCE);
    owner_set(s->err, XMIG_GUEST_IN_DOUBT);
    owner_set(s->err, XMIG_GUEST_SPLIT);

    return rc ? rc : source_go_on(s->x, j, peer);
}

/* It ran at the destination and can't go on: the copy here is too old to. */
static int lost(struct session *s, struct journal *j, enum here here,
                const struct peer *peer)
{
    int rc = 0;

    if ( journal_state(j) != JOURNAL_SPLIT )
        rc = journal_append(j, JOURNAL_SPLIT, true, s->err);
    if ( !rc )
        rc = give_up(s, j, here, peer);
    owner_set(s->err, XMIG_GUEST_AT_SOURCE);
    owner_set(s->err, XMIG_GUEST_LOST);
    if ( rc )
        return rc;

    return err_set(s->err, -ENODATA, "\"%s\" is lost: it ran at %s, and half "
                   "of it was gone before it was whole there",
                   journal_info(j)->name, journal_info(j)->peer);
}

/* It is this host's. */
static int take_back(struct session *s, struct journal *j, enum here here,
                     bool fenced)
{
    int rc = 0;

    if ( here == HERE_RUNS && !fenced &&
         (journal_state(j) == JOURNAL_SUSPENDING ||
          journal_state(j) == JOURNAL_WITHDRAWN) )
        rc = settle_request(s, journal_info(j));
    if ( !rc )
        rc = keep(s, j, here);
    owner_set(s->err, XMIG_GUEST_AT_SOURCE);

    return rc;
}

/* A source's journal. */
static int recover_source(struct session *s, const uint8_t id[IDENT_BYTES],
                          bool fenced)
{
    const struct journal_info *info;
    enum wire_outcome_kind outcome;
    struct journal *j;
    struct peer peer;
    enum here here;
    int rc;

    rc = journal_open(s->state_dir, id, JOURNAL_SOURCE, s->err, &j);
    if ( rc )
        return rc;
    rc = journal_claim(j, s->err);
    if ( rc )
    {
        journal_close(j);
        return rc;
    }
    info = journal_info(j);
    here = look(s, info);
    find_peer(j, &peer);

    rc = find_outcome(s, j, here, &peer, fenced, &outcome);
    if ( rc )
    {
        owner_set(s->err, XMIG_GUEST_AT_SOURCE);
        owner_set(s->err, XMIG_GUEST_IN_DOUBT);
    }
    else if ( outcome == WIRE_OUTCOME_STARTED )
        rc = give_up(s, j, here, &peer);
    else if ( outcome == WIRE_OUTCOME_SPLIT )
        rc = go_on(s, j, &peer);
    else if ( outcome == WIRE_OUTCOME_LOST )
        rc = lost(s, j, here, &peer);
    else
        rc = take_back(s, j, here, fenced);
    if ( !rc )
        LOG_INFO(s->logger, "\"%s\": %s", info->name,
                 outcome == WIRE_OUTCOME_STARTED
                 ? info->peer[0] ? "runs at the destination" : "is in its file"
                 : here == HERE_NOT ? "is not here any more"
                                    : "is this host's");
    journal_close(j);

    return rc;
}

int recover_if_running(struct session *s, const uint8_t id[IDENT_BYTES])
{
    struct journal *j;
    int rc = journal_open(s->state_dir, id, JOURNAL_SOURCE, NULL, &j);

    if ( rc )
        return rc == -ENOENT ? 0 : rc;
    rc = journal_claim(j, NULL);
    if ( !rc )
        rc = look(s, journal_info(j)) == HERE_RUNS ? keep(s, j, HERE_RUNS)
                                                   : -EBUSY;
    journal_close(j);

    return rc;
}

int recover_check_free(struct session *s, const uint8_t uuid[IDENT_BYTES])
{
    struct journal_entry *list = NULL;
    char text[IDENT_TEXT];
    size_t nr, i;
    int rc;

    rc = journal_list(s->state_dir, true, s->err, &list, &nr);
    for ( i = 0; !rc && i < nr; i++ )
        if ( !list[i].error && list[i].info.role == JOURNAL_SOURCE &&
             list[i].info.domid == s->domid &&
             ident_equal(list[i].info.uuid, uuid) &&
             ident_equal(list[i].info.boot, s->boot) &&
             recover_if_running(s, list[i].info.id) )
            rc = err_set(s->err, -EBUSY, "%s %s of domain \"%s\"%s%s is "
                         "running or unsettled (%s): wait for it, or settle "
                         "it with \"xmig recover\"",
                         list[i].info.peer[0] ? "migration" : "save",
                         ident_text(list[i].info.id, text),
                         list[i].info.name,
                         list[i].info.peer[0] ? " to " : "",
                         list[i].info.peer,
                         journal_state_name(list[i].state));
    free(list);

    return rc;
}

static bool is_meant(const struct journal_entry *j, const char *name_or_id)
{
    uint8_t id[IDENT_BYTES];
    char domid[16];

    if ( !name_or_id )
        return true;
    if ( !ident_parse(name_or_id, id) )
        return ident_equal(id, j->info.id);
    snprintf(domid, sizeof(domid), "%u", j->info.domid);

    return !strcmp(name_or_id, j->info.name) || !strcmp(name_or_id, domid);
}

static int recover_all(struct session *s, const char *name_or_id,
                       bool fenced)
{
    struct journal_entry *list = NULL;
    bool doubt = false, found = false;
    int rc, r, first = 0;
    size_t nr, i;

    attach_tidy(s->state_dir);
    monitor_dir_tidy(s->state_dir);
    rc = journal_list(s->state_dir, false, s->err, &list, &nr);
    if ( rc )
        return rc;
    for ( i = 0; i < nr; i++ )
    {
        if ( list[i].error || !is_meant(&list[i], name_or_id) )
            continue;
        if ( journal_settled(list[i].info.role, list[i].state) )
        {
            forget_settled(s, &list[i]);
            continue;
        }
        found = true;
        if ( list[i].info.role == JOURNAL_SOURCE )
            r = recover_source(s, list[i].info.id, fenced);
        else
            r = recover_destination_by_hand(s, &list[i], fenced);
        /* One that runs is not ours to settle, unless it was asked for. */
        if ( r == -EBUSY && !name_or_id )
        {
            err_reset(s->err);
            r = 0;
        }
        doubt |= r == -ENOTRECOVERABLE;
        first = first ? first : r;
    }
    free(list);
    if ( name_or_id && !found )
        return err_set(s->err, -ENOENT, "no migration of \"%s\" is open here",
                       name_or_id);

    return doubt ? -ENOTRECOVERABLE : first;
}

int xmig_recover(struct xmig *x, const char *name_or_id, bool fenced)
{
    struct session s;
    int rc;

    rc = session_begin(x);
    if ( rc )
        return rc;
    session_init(&s, x, true);
    s.err = &x->err;
    s.stop = &x->stop;
    s.stats = &x->stats;
    rc = session_host(&s);
    if ( !rc )
        rc = recover_all(&s, name_or_id, fenced);

    return session_end(x, rc);
}
