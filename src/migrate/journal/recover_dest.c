/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * A destination's journals after their process is gone.
 *
 * A process that died leaves the page cache, so what its journal says is
 * what was: without STARTED the guest was not unpaused.  A host that died
 * may have lost STARTED, so MAY_START of another boot says nothing.
 */
#include "recover.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "build.h"
#include "monitor.h"

/* How long who runs a migration may take to end it, and how often that is
 * looked at. */
#define END_US  (60 * US_PER_S)
#define LOOK_US (20 * US_PER_MS)

/* The domain that the journal is about, if it is here. */
static bool domain_is_here(struct session *s, const struct journal_info *info,
                           uint32_t domid, struct hv_domain *ret)
{
    return domid && ident_equal(info->boot, s->boot) &&
           !hv_domain_info(s->hv, NULL, domid, ret) &&
           ident_equal(ret->uuid, info->uuid) && !ret->dying;
}

/*
 * Its maker died before it could note the domid (a toolstack takes its time):
 * one with the uuid that has never run and has no name but the one for
 * those that come in.
 */
static uint32_t find_nameless(struct session *s,
                              const struct journal_info *info)
{
    struct hv_domain *list = NULL;
    char incoming[sizeof(info->name) + sizeof(BUILD_INCOMING)];
    uint32_t domid = 0;
    char *name;
    size_t nr, i;

    if ( !ident_equal(info->boot, s->boot) ||
         hv_domain_list(s->hv, NULL, &list, &nr) )
        return 0;
    snprintf(incoming, sizeof(incoming), "%s%s", info->name, BUILD_INCOMING);
    for ( i = 0; !domid && i < nr; i++ )
    {
        if ( !list[i].domid || list[i].dying || !list[i].paused ||
             list[i].cpu_ns || !ident_equal(list[i].uuid, info->uuid) )
            continue;
        name = NULL;
        if ( store_name(s->store, NULL, list[i].domid, &name) ||
             !*name || !strcmp(name, incoming) )
            domid = list[i].domid;
        free(name);
    }
    free(list);

    return domid;
}

static int finish_started(struct session *s, struct journal *j,
                          struct err *e)
{
    const struct journal_info *info = journal_info(j);
    struct hv_domain dom;
    char *name = NULL;
    int rc = 0;

    if ( !domain_is_here(s, info, info->domid, &dom) )
        return 0;
    /* Only one that never ran: its maker died between record and unpause. */
    if ( dom.paused && !dom.cpu_ns )
        rc = hv_unpause(s->hv, e, info->domid);
    if ( !store_name(s->store, NULL, info->domid, &name) &&
         strcmp(name, info->name) )
        toolstack_rename(s->toolstack, NULL, info->domid, info->name);
    free(name);
    toolstack_running(s->toolstack, info->domid);
    hv_claim(s->hv, NULL, info->domid, 0);

    return rc;
}

/* What was built for it, if that is here and has never run. */
static void undo(struct session *s, struct journal *j, uint32_t domid)
{
    struct build b = { .hv = s->hv, .store = s->store, .err = NULL,
                       .toolstack = s->toolstack, .domid = domid,
                       .created = true, .claimed = true };
    struct hv_domain dom;

    if ( domain_is_here(s, journal_info(j), domid, &dom) && dom.paused &&
         !dom.cpu_ns )
        build_undo(&b);
    if ( journal_info(j)->domid )
        journal_set_domid(j, 0, NULL);
}

static int abandon(struct session *s, struct journal *j, struct err *e)
{
    const struct journal_info *info = journal_info(j);
    bool armed = journal_state(j) == JOURNAL_MAY_START;
    enum journal_state decided;
    int rc;

    rc = journal_decide(j, JOURNAL_ABANDONED, true, e, &decided);
    if ( rc )
        return rc;
    if ( decided != JOURNAL_ABANDONED )
        return decided;
    undo(s, j, info->domid ? info->domid : find_nameless(s, info));
    if ( !armed )
        journal_remove(j, NULL);

    return JOURNAL_ABANDONED;
}

/* What it lacks nobody can place any more: it goes, but not unsaid. */
static int lose(struct session *s, struct journal *j, uint64_t pages,
                struct err *e)
{
    const struct journal_info *info = journal_info(j);
    int rc = journal_append(j, JOURNAL_LOST, true, e);

    if ( rc )
        return rc;
    LOG_WARN(s->logger, "\"%s\" is lost: %lu pages of it were still at its "
             "source when the process that fetched them died", info->name,
             (unsigned long)pages);
    toolstack_destroy(s->toolstack, NULL, info->domid);

    return JOURNAL_LOST;
}

/*
 * It ran here without all of its memory, and nobody is left who holds its
 * ring.  What had come by then may have been all.
 */
static int split(struct session *s, struct journal *j, struct err *e)
{
    const struct journal_info *info = journal_info(j);
    struct hv_domain dom;
    uint64_t pages;
    int rc;

    if ( !domain_is_here(s, info, info->domid, &dom) )
    {
        rc = journal_append(j, JOURNAL_LOST, true, e);
        return rc ? rc : JOURNAL_LOST;
    }
    rc = hv_absent_pages(s->hv, e, info->domid, &pages);
    if ( rc )
        return rc;
    if ( pages )
        return lose(s, j, pages, e);
    rc = journal_append(j, JOURNAL_STARTED, true, e);
    if ( !rc )
        rc = finish_started(s, j, e);

    return rc ? rc : JOURNAL_STARTED;
}

static int settle_one(struct session *s, struct journal *j, struct err *e)
{
    const struct journal_info *info = journal_info(j);
    int rc;

    switch ( journal_state(j) )
    {
    case JOURNAL_ABANDONED:
        /* Its process died between the record and the tidying up. */
        if ( info->domid )
            undo(s, j, info->domid);
        return JOURNAL_ABANDONED;

    case JOURNAL_DONE:
        journal_remove(j, NULL);
        return JOURNAL_STARTED;

    case JOURNAL_STARTED:
        rc = finish_started(s, j, e);
        return rc ? rc : JOURNAL_STARTED;

    case JOURNAL_SPLIT:
        return split(s, j, e);

    case JOURNAL_LOST:
        return JOURNAL_LOST;

    case JOURNAL_MAY_START:
        if ( !ident_equal(info->boot, s->boot) )
            return JOURNAL_MAY_START;
        return abandon(s, j, e);

    default:
        return abandon(s, j, e);
    }
}

int recover_destination(struct session *s, const uint8_t id[IDENT_BYTES],
                        struct err *e)
{
    struct journal *j;
    int rc = journal_open(s->state_dir, id, JOURNAL_DESTINATION, e, &j);

    if ( rc )
        return rc;
    rc = journal_claim(j, e);
    if ( !rc )
        rc = settle_one(s, j, e);
    journal_close(j);

    return rc;
}

/* What the journal says when it does not say SPLIT any more. */
static int await_end(struct session *s, const uint8_t id[IDENT_BYTES])
{
    uint64_t until = deadline_in(END_US);
    enum journal_state st;
    struct journal *j;

    do {
        /* It is removed once its source knows, too. */
        if ( journal_open(s->state_dir, id, JOURNAL_DESTINATION, NULL, &j) )
            return JOURNAL_DONE;
        st = journal_state(j);
        journal_close(j);
        if ( st != JOURNAL_SPLIT )
            return st;
    } while ( cancel_poll(s->stop, -1, 0, deadline_in(LOOK_US)) ==
              -ETIMEDOUT && !deadline_passed(until) );

    return err_set(s->err, -ETIMEDOUT, "the process that runs it does not "
                   "come to an end");
}

int recover_destination_by_hand(struct session *s,
                                const struct journal_entry *ent, bool fenced)
{
    bool split = ent->state == JOURNAL_SPLIT;
    struct hv_domain dom = { 0 };
    uint64_t pages = 0;
    int rc;

    if ( split && domain_is_here(s, &ent->info, ent->info.domid, &dom) )
        hv_absent_pages(s->hv, NULL, ent->info.domid, &pages);
    rc = recover_destination(s, ent->info.id, NULL);
    if ( rc == -EBUSY && split && fenced )
    {
        rc = monitor_order(s->state_dir, ent->info.id, false,
                           "{\"execute\":\"fenced\"}", s->err);
        if ( !rc )
            rc = await_end(s, ent->info.id);
        if ( rc < 0 )
            return rc;
    }
    if ( rc != JOURNAL_LOST || !split )
        return rc == -EBUSY || rc > 0 ? 0 : rc;
    owner_set(s->err, XMIG_GUEST_SPLIT);
    owner_set(s->err, XMIG_GUEST_LOST);

    return err_set(s->err, -ENODATA, "\"%s\" is lost: %lu MiB (%lu pages) of "
                   "it were still at its source", ent->info.name,
                   (unsigned long)(pages >> 8), (unsigned long)pages);
}

void recover_destinations(struct session *s)
{
    struct journal_entry *list = NULL;
    char text[IDENT_TEXT];
    struct err e;
    size_t nr, i;
    int rc;

    err_init(&e);
    monitor_dir_tidy(s->state_dir);
    rc = journal_list(s->state_dir, false, &e, &list, &nr);
    if ( rc )
        LOG_WARN(s->logger, "%s", e.rec.text);
    for ( i = 0; !rc && i < nr; i++ )
    {
        if ( list[i].error || list[i].info.role != JOURNAL_DESTINATION ||
             (list[i].state == JOURNAL_ABANDONED && !list[i].info.domid) )
            continue;
        err_reset(&e);
        rc = recover_destination(s, list[i].info.id, &e);
        if ( rc < 0 && rc != -EBUSY && rc != -ENOENT )
            LOG_WARN(s->logger, "migration %s of \"%s\": %s",
                     ident_text(list[i].info.id, text), list[i].info.name,
                     e.rec.text);
        else if ( rc > 0 )
            LOG_INFO(s->logger, "migration %s of \"%s\": %s",
                     ident_text(list[i].info.id, text), list[i].info.name,
                     journal_state_name(rc));
        rc = 0;
    }
    free(list);
    journal_prune(s->state_dir, JOURNAL_KEEP, NULL);
    err_done(&e);
}

void recover_tell(enum journal_state st, struct wire_outcome *ret)
{
    static const uint32_t outcomes[JOURNAL_NR_] = {
        [JOURNAL_STARTED] = WIRE_OUTCOME_STARTED,
        [JOURNAL_DONE] = WIRE_OUTCOME_STARTED,
        [JOURNAL_SPLIT] = WIRE_OUTCOME_SPLIT,
        [JOURNAL_LOST] = WIRE_OUTCOME_LOST,
        [JOURNAL_ABANDONED] = WIRE_OUTCOME_ABANDONED,
    };

    ret->outcome = outcomes[st] ? outcomes[st] : WIRE_OUTCOME_PENDING;
    snprintf(ret->text, sizeof(ret->text), "%s", journal_state_name(st));
}

int recover_outcome(struct session *s, const uint8_t id[IDENT_BYTES],
                    uint32_t flags, struct err *e, struct wire_outcome *ret)
{
    enum journal_state st;
    struct journal *j;
    bool known_boot;
    int rc;

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->boot, s->boot, sizeof(ret->boot));
    rc = journal_open(s->state_dir, id, JOURNAL_DESTINATION, e, &j);
    if ( rc == -ENOENT )
    {
        err_reset(e);
        ret->outcome = WIRE_OUTCOME_UNKNOWN;
        snprintf(ret->text, sizeof(ret->text),
                 "there is no journal of this migration here");
        return 0;
    }
    if ( rc )
        return rc;
    st = journal_state(j);
    known_boot = ident_equal(journal_info(j)->boot, s->boot);
    journal_close(j);

    /* Nobody runs it: it can be settled, unless another process has it. */
    rc = recover_destination(s, id, e);
    if ( rc > 0 )
        st = rc;
    else if ( rc != -EBUSY && rc != -ENOENT )
        return rc;
    err_reset(e);

    recover_tell(st, ret);
    if ( ret->outcome == WIRE_OUTCOME_PENDING )
        snprintf(ret->text, sizeof(ret->text), "%s%s",
                 journal_state_name(st),
                 !known_boot ? ", and this host was started anew since"
                 : flags & WIRE_QUERY_ABANDON ? ", another process has it"
                                              : "");

    return 0;
}
