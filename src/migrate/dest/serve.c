/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Serving a connection: its thread reads HELLO and becomes what the
 * connection is: the engine of a migration that comes in, a lane of one, or
 * the answer to a question about an earlier one.
 */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hello.h"
#include "recover.h"

#define MAX_CONNECTIONS 128u
/* How long a BYE and the journal that it closes are waited for, and how often
 * the journal is looked at. */
#define BYE_US (5 * US_PER_S)
#define BYE_LOOK_US (10 * US_PER_MS)

/* A migration that is running here. */
struct served
{
    struct dest d;
    unsigned int users;          /* threads that have it, under server.lock */
    struct served *next;
};

/* ---- The list ----------------------------------------------------------- */

static struct served *find(struct server *sv, const uint8_t *id)
{
    struct served *m;

    for ( m = sv->migrations; m; m = m->next )
        if ( ident_equal(m->d.s.id, id) )
            return m;

    return NULL;
}

static struct served *get(struct server *sv, const uint8_t *id)
{
    struct served *m;

    pthread_mutex_lock(&sv->lock);
    m = find(sv, id);
    if ( m )
        m->users++;
    pthread_mutex_unlock(&sv->lock);

    return m;
}

static void put(struct server *sv, struct served *m)
{
    pthread_mutex_lock(&sv->lock);
    m->users--;
    pthread_cond_broadcast(&sv->cond);
    pthread_mutex_unlock(&sv->lock);
}

static int add(struct server *sv, struct served *m)
{
    int rc = 0;

    pthread_mutex_lock(&sv->lock);
    if ( sv->closing )
        rc = -ECANCELED;
    else if ( find(sv, m->d.s.id) )
        rc = -EEXIST;
    else if ( sv->once && (sv->migrations || sv->linger || sv->ended) )
        rc = -EBUSY;
    else
    {
        m->next = sv->migrations;
        sv->migrations = m;
    }
    pthread_mutex_unlock(&sv->lock);

    return rc;
}

/* Out of the list, and nobody uses it any more. */
static void remove_migration(struct server *sv, struct served *m)
{
    struct served **link = &sv->migrations;

    pthread_mutex_lock(&sv->lock);
    while ( *link != m )
        link = &(*link)->next;
    *link = m->next;
    while ( m->users )
        pthread_cond_wait(&sv->cond, &sv->lock);
    pthread_mutex_unlock(&sv->lock);
}

/* ---- Control ------------------------------------------------------------ */

static void migration_ended(struct server *sv, struct dest *d, int rc)
{
    struct session *s = &sv->s;
    struct xmig_error rec;
    struct xmig_stats stats;

    err_copy(&d->err, &rec);
    stats_copy(&d->stats, &stats);
    if ( rc )
        journal_prune(s->state_dir, JOURNAL_KEEP, NULL);
    if ( rc )
        LOG_ERROR(s->logger, "migration of \"%s\" from %s: %s (guest %s)",
                  d->s.name, d->peer, rec.text, xmig_guest_name(rec.guest));
    if ( sv->on_end )
        sv->on_end(sv->data, d->started && !d->destroyed ? d->s.domid : 0,
                   d->s.name, &rec, &stats);

    pthread_mutex_lock(&sv->lock);
    if ( sv->once )
    {
        sv->rc = rc;
        err_take(s->err, &d->err);
        owner_set(s->err, rec.guest);
        sv->linger = true;
        sv->linger_until_us = d->settled ? 0 : deadline_in(
            opt_u64(s->opts, NULL, "recover-timeout"));
        memcpy(sv->linger_id, d->s.id, sizeof(sv->linger_id));
        /* The listener waits with a time limit and looks at it. */
        sv->ended = d->settled || ident_equal(sv->settled_id, d->s.id);
    }
    pthread_mutex_unlock(&sv->lock);
}

static int run_new(struct dest *d, void *data)
{
    (void)data;

    return dest_run(d);
}

bool serve_has(struct server *sv, const uint8_t *id)
{
    bool yes;

    pthread_mutex_lock(&sv->lock);
    yes = find(sv, id);
    pthread_mutex_unlock(&sv->lock);

    return yes;
}

int serve_check_new(const struct server *sv, const uint8_t *id,
                    struct err *e)
{
    struct journal *j;

    if ( journal_open(sv->s.state_dir, id, JOURNAL_DESTINATION, NULL, &j) )
        return 0;
    journal_close(j);

    return err_set(e, -EBUSY, "this migration has begun before, and who runs "
                   "it here takes no connection now");
}

int serve_migration(struct server *sv, struct conn *c, const uint8_t *id,
                    const char *peer, uint64_t caps, serve_run_fn *run,
                    void *data)
{
    struct served *m;
    int rc;

    m = calloc(1, sizeof(*m));
    if ( !m )
        return err_set(c->err, -ENOMEM, "%s: out of memory", peer);
    rc = dest_init(&m->d, sv->s.x, c, peer, id, caps);
    if ( rc )
    {
        free(m);
        return err_set(c->err, rc, "%s: set up: %s", peer, err_text(rc));
    }
    rc = add(sv, m);
    if ( rc )
    {
        dest_done(&m->d);
        free(m);
        if ( rc == -ECANCELED )
            return err_set(c->err, rc, "the receiver is being stopped");
        return err_set(c->err, rc, rc == -EBUSY
                       ? "this receiver takes one migration only, and has it"
                       : "%s: a migration of this id runs already", peer);
    }

    if ( run == run_new )
        LOG_INFO(sv->s.logger, "a migration begins from %s", peer);
    c->err = &m->d.err;
    chan_set_err(c->chan, &m->d.ctl_err);
    chan_set_cancel(c->chan, &m->d.stop);
    chan_set_deadline(c->chan, DEADLINE_NEVER);
    chan_set_io_timeout(c->chan, opt_u64(sv->s.opts, NULL, "io-timeout"));

    steer_open(&m->d.s, peer);
    rc = run(&m->d, data);
    steer_end(&m->d.s, rc);
    c->err = NULL;
    chan_set_err(c->chan, NULL);
    remove_migration(sv, m);
    migration_ended(sv, &m->d, rc);
    dest_done(&m->d);
    free(m);

    return 0;
}

static int serve_control(struct server *sv, struct conn *c,
                         const struct wire_hello *h, const char *peer,
                         uint64_t caps)
{
    struct served *m;
    int rc;

    if ( ident_is_null(h->id) )
        return err_set(c->err, -EPROTO, "%s: HELLO without a migration id",
                       peer);
    if ( h->lane )
        return err_set(c->err, -EPROTO, "%s: HELLO: lane %u on control", peer,
                       h->lane);
    m = get(sv, h->id);
    if ( m )
    {
        rc = dest_lend(&m->d, c, caps);
        put(sv, m);
        return rc;
    }
    rc = serve_check_new(sv, h->id, c->err);
    if ( rc )
        return rc;

    return serve_migration(sv, c, h->id, peer, caps, run_new, NULL);
}

/* ---- Bulk --------------------------------------------------------------- */

static int serve_bulk(struct server *sv, struct conn *c,
                      const struct wire_hello *h, const char *peer)
{
    struct served *m = get(sv, h->id);
    uint8_t token[IDENT_BYTES];
    struct session *s;
    int rc;

    if ( !m )
        return err_set(c->err, -EPROTO, "%s: a lane of a migration that is "
                       "not here", peer);
    s = &m->d.s;
    pthread_mutex_lock(&m->d.lock);
    memcpy(token, m->d.token, sizeof(token));
    pthread_mutex_unlock(&m->d.lock);
    if ( !ident_equal(h->token, token) )
        rc = err_set(c->err, -EPROTO, "%s: a lane without the right token",
                     peer);
    else
        rc = hello_send(c, s, h->role, h->lane, s->id, token);
    if ( !rc )
        rc = h->role == WIRE_FAULT ? dest_faults(&m->d, c)
                                   : dest_lane(&m->d, c, h->lane);
    /* Its record may go with the migration. */
    c->err = NULL;
    chan_set_err(c->chan, NULL);
    chan_set_cancel(c->chan, NULL);
    put(sv, m);

    return rc;
}

/* ---- Query -------------------------------------------------------------- */

/* A migration that runs here and has decided nothing. */
static void live_outcome(struct server *sv, struct served *m, uint32_t flags,
                         struct wire_outcome *ret)
{
    enum journal_state decided = JOURNAL_EMPTY;
    struct journal *j;

    memset(ret, 0, sizeof(*ret));
    memcpy(ret->boot, sv->s.boot, sizeof(ret->boot));
    ret->outcome = WIRE_OUTCOME_PENDING;
    if ( journal_open(sv->s.state_dir, m->d.s.id, JOURNAL_DESTINATION, NULL,
                      &j) )
    {
        snprintf(ret->text, sizeof(ret->text), "it is being prepared");
        return;
    }
    decided = journal_state(j);
    if ( (flags & WIRE_QUERY_ABANDON) &&
         !journal_decide(j, JOURNAL_ABANDONED, true, NULL, &decided) &&
         decided == JOURNAL_ABANDONED )
        dest_stop(&m->d, "the source asked to abandon it");
    if ( (flags & WIRE_QUERY_GONE) && decided == JOURNAL_SPLIT )
        m->d.source_lost = true;
    journal_close(j);
    recover_tell(decided, ret);
}

/* The source knows all: a receiver of one migration need not linger for it,
 * whether it does already or not yet. */
static void source_settled(struct server *sv, const uint8_t *id)
{
    pthread_mutex_lock(&sv->lock);
    memcpy(sv->settled_id, id, sizeof(sv->settled_id));
    if ( sv->linger && ident_equal(sv->linger_id, id) )
        sv->ended = true;
    pthread_mutex_unlock(&sv->lock);
}

/*
 * The source has destroyed its copy.  The migration may not have left here
 * yet: its thread is told that nobody is left on its own connection, and its
 * journal is taken over when it has let go of it.  0: nothing is left to do.
 */
static int query_bye(struct server *sv, const uint8_t *id)
{
    uint64_t until_us = deadline_in(BYE_US);
    struct served *m = get(sv, id);
    struct journal *j;
    bool last;
    int rc;

    if ( m )
    {
        dest_bye(&m->d);
        put(sv, m);
    }
    do {
        last = deadline_passed(until_us);
        rc = journal_open(sv->s.state_dir, id, JOURNAL_DESTINATION, NULL, &j);
        if ( rc )
            return rc == -ENOENT ? 0 : rc;
        rc = journal_claim(j, NULL);
        if ( !rc )
            rc = journal_append(j, JOURNAL_DONE, true, NULL);
        if ( !rc )
            journal_remove(j, NULL);
        journal_close(j);
        if ( rc == -EBUSY && !last )
            cancel_poll(NULL, -1, 0, deadline_in(BYE_LOOK_US));
    } while ( rc == -EBUSY && !last );

    return rc;
}

static int serve_query(struct server *sv, struct conn *c, const char *peer,
                       uint64_t caps)
{
    uint8_t buf[32 + WIRE_TEXT_MAX];
    struct wire_outcome outcome;
    struct wire_record rec;
    struct wire_query q;
    struct served *m;
    size_t len;
    int rc;

    rc = hello_send(c, &sv->s, WIRE_QUERY, 0, NULL, NULL);
    if ( !rc )
        rc = conn_expect(c, WIRE_QUERY_REC, &rec);
    if ( !rc )
        rc = wire_query_decode(rec.body, rec.length, c->err, &q);
    if ( rc )
        return rc;

    m = get(sv, q.id);
    if ( m )
    {
        live_outcome(sv, m, q.flags, &outcome);
        put(sv, m);
    }
    else
        rc = recover_outcome(&sv->s, q.id, q.flags, c->err, &outcome);
    if ( !rc )
        rc = wire_outcome_encode(&outcome, buf, sizeof(buf), &len);
    if ( !rc )
        rc = conn_send(c, WIRE_OUTCOME, buf, len);
    if ( rc )
        return rc;
    LOG_INFO(sv->s.logger, "%s asked what became of a migration: %s", peer,
             outcome.text);
    if ( outcome.outcome == WIRE_OUTCOME_ABANDONED )
        source_settled(sv, q.id);

    /* One that ends hears this out. */
    chan_set_cancel(c->chan, NULL);
    chan_set_deadline(c->chan, deadline_in(BYE_US));
    chan_set_err(c->chan, NULL);
    c->err = NULL;
    if ( !conn_recv(c, &rec) && rec.type == WIRE_BYE &&
         (outcome.outcome == WIRE_OUTCOME_STARTED ||
          outcome.outcome == WIRE_OUTCOME_LOST) )
    {
        if ( !query_bye(sv, q.id) && (caps & WIRE_CAP_BYE) )
            conn_send_empty(c, WIRE_BYE);
        source_settled(sv, q.id);
    }

    return 0;
}

/* ---- Connections -------------------------------------------------------- */

uint64_t serve_hello_us(const struct server *sv)
{
    uint64_t io_us = opt_u64(sv->s.opts, NULL, "io-timeout");

    return io_us < SERVE_HELLO_US ? io_us : SERVE_HELLO_US;
}

static int serve_conn(struct server *sv, struct conn *c, const char *peer)
{
    struct wire_hello h;
    uint64_t caps;
    int rc;

    rc = hello_recv(c, &sv->s, &h, &caps);
    if ( rc )
        return rc;
    conn_set_role(c, h.role, h.lane);

    switch ( h.role )
    {
    case WIRE_CONTROL: return serve_control(sv, c, &h, peer, caps);
    case WIRE_BULK:
    case WIRE_FAULT:   return serve_bulk(sv, c, &h, peer);
    case WIRE_QUERY:   return serve_query(sv, c, peer, caps);
    }

    return err_set(c->err, -EPROTO, "%s: a connection of role %u", peer,
                   h.role);
}

int serve_chan(struct server *sv, struct chan *chan, const char *peer)
{
    struct conn *c = NULL;
    struct xmig_error rec;
    struct err e;
    int rc;

    err_init(&e);
    chan_set_err(chan, &e);
    rc = conn_open(chan, WIRE_CONTROL, 0, &e, &c);
    if ( rc )
        chan_close(chan);
    else
    {
        rc = serve_conn(sv, c, peer);
        err_copy(&e, &rec);
        if ( rc && rec.code )
        {
            LOG_WARN(sv->s.logger, "%s", rec.text);
            conn_send_error(c, rec.code, XMIG_GUEST_AT_SOURCE, rec.text);
        }
        conn_close(c);
    }
    err_done(&e);

    return rc;
}

/* ---- Threads ------------------------------------------------------------ */

int serve_thread(struct server *sv, void *(*main)(void *), void *arg,
                  const char *peer)
{
    pthread_attr_t attr;
    pthread_t thread;
    bool ok;
    int rc;

    pthread_mutex_lock(&sv->lock);
    ok = sv->nr_threads < MAX_CONNECTIONS;
    sv->nr_threads += ok;
    pthread_mutex_unlock(&sv->lock);
    if ( !ok )
    {
        LOG_WARN(sv->s.logger, "connection from %s: too many connections",
                 peer);
        return -EMFILE;
    }

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    rc = -pthread_create(&thread, &attr, main, arg);
    pthread_attr_destroy(&attr);
    if ( rc )
    {
        LOG_WARN(sv->s.logger, "connection from %s: no thread for it", peer);
        serve_thread_ends(sv);
    }

    return rc;
}

void serve_thread_ends(struct server *sv)
{
    pthread_mutex_lock(&sv->lock);
    sv->nr_threads--;
    pthread_cond_broadcast(&sv->cond);
    pthread_mutex_unlock(&sv->lock);
}

/* ---- The whole ---------------------------------------------------------- */

void serve_init(struct server *sv, struct xmig *x, bool once,
                 xmig_served_fn *on_end, void *data)
{
    memset(sv, 0, sizeof(*sv));
    sv->once = once;
    sv->on_end = on_end;
    sv->data = data;
    session_init(&sv->s, x, false);
    sv->s.err = &x->err;
    sv->s.stop = &x->stop;
    sv->s.stats = &x->stats;
    pthread_mutex_init(&sv->lock, NULL);
    pthread_cond_init(&sv->cond, NULL);
}

void serve_done(struct server *sv)
{
    pthread_cond_destroy(&sv->cond);
    pthread_mutex_destroy(&sv->lock);
}

bool serve_stop(struct server *sv)
{
    struct served *m;
    bool goes_on = false;

    pthread_mutex_lock(&sv->lock);
    sv->closing = true;
    for ( m = sv->migrations; m; m = m->next )
    {
        if ( dest_stop(&m->d, "the receiver was stopped") )
            continue;
        goes_on = true;
        LOG_WARN(sv->s.logger, "told to end, but \"%s\" runs here and needs "
                 "memory that is at its source: it ends when all is here",
                 m->d.s.name);
    }
    pthread_mutex_unlock(&sv->lock);
    if ( goes_on )
        cancel_lower(sv->s.stop);

    return goes_on;
}

bool serve_is_over(struct server *sv)
{
    bool over;

    pthread_mutex_lock(&sv->lock);
    over = sv->ended || (sv->closing && !sv->migrations) ||
           (sv->linger && deadline_passed(sv->linger_until_us));
    pthread_mutex_unlock(&sv->lock);

    return over;
}

void serve_end(struct server *sv)
{
    serve_stop(sv);
    cancel_raise(sv->s.stop, -ECANCELED);
    pthread_mutex_lock(&sv->lock);
    while ( sv->nr_threads )
        pthread_cond_wait(&sv->cond, &sv->lock);
    pthread_mutex_unlock(&sv->lock);
}
