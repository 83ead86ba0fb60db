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

static int abandon(struct session *s, struct journal *j, struct err *e)
{
    const struct journal_info *info = journal_info(j);
    bool armed = journal_state(j) == JOURNAL_MAY_START;
    enum journal_state decided;
    struct hv_domain dom;
    struct build b = { .hv = s->hv, .store = s->store, .err = NULL,
                       .toolstack = s->toolstack, .domid = info->domid };
    int rc;

    rc = journal_decide(j, JOURNAL_ABANDONED, true, e, &decided);
    if ( rc )
        return rc;
    if ( decided != JOURNAL_ABANDONED )
        return JOURNAL_STARTED;
    if ( !b.domid )
        b.domid = find_nameless(s, info);
    if ( domain_is_here(s, info, b.domid, &dom) )
    {
        b.created = b.claimed = true;
        build_undo(&b);
    }
    if ( !armed )
        journal_remove(j, NULL);

    return JOURNAL_ABANDONED;
}

static int settle_one(struct session *s, struct journal *j, struct err *e)
{
    const struct journal_info *info = journal_info(j);
    int rc;

    switch ( journal_state(j) )
    {
    case JOURNAL_ABANDONED:
        return JOURNAL_ABANDONED;

    case JOURNAL_DONE:
        journal_remove(j, NULL);
        return JOURNAL_STARTED;

    case JOURNAL_STARTED:
        rc = finish_started(s, j, e);
        return rc ? rc : JOURNAL_STARTED;

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

void recover_destinations(struct session *s)
{
    struct journal_entry *list = NULL;
    char text[IDENT_TEXT];
    struct err e;
    size_t nr, i;
    int rc;

    err_init(&e);
    rc = journal_list(s->state_dir, false, &e, &list, &nr);
    if ( rc )
        LOG_WARN(s->logger, "%s", e.rec.text);
    for ( i = 0; !rc && i < nr; i++ )
    {
        if ( list[i].error || list[i].info.role != JOURNAL_DESTINATION ||
             list[i].state == JOURNAL_ABANDONED )
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

int recover_outcome(struct session *s, const uint8_t id[IDENT_BYTES],
                    bool abandon_it, struct err *e, struct wire_outcome *ret)
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

    if ( st == JOURNAL_STARTED || st == JOURNAL_DONE )
        ret->outcome = WIRE_OUTCOME_STARTED;
    else if ( st == JOURNAL_ABANDONED )
        ret->outcome = WIRE_OUTCOME_ABANDONED;
    else
        ret->outcome = WIRE_OUTCOME_PENDING;
    snprintf(ret->text, sizeof(ret->text), "%s%s",
             journal_state_name(st),
             ret->outcome != WIRE_OUTCOME_PENDING ? ""
             : !known_boot ? ", and this host was started anew since"
             : abandon_it ? ", another process has it" : "");

    return 0;
}
