/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Serving connections at the destination.  Private to serve*.c: who listens
 * (serve_tcp.c) or has a connection already (serve_stdio.c) hands it to what
 * serves it (serve.c).
 */
#ifndef XMIG_SERVE_H
#define XMIG_SERVE_H

#include "dest.h"

/* A connection that has not said who it is by then is dropped. */
#define SERVE_HELLO_US (10 * US_PER_S)

struct server
{
    /* set at the start, then read-only */
    struct session s;            /* for hv, store, options */
    bool once;
    xmig_served_fn *on_end;
    void *data;

    pthread_mutex_t lock;
    pthread_cond_t cond;
    /* under lock */
    unsigned int nr_threads;
    struct served *migrations;
    bool closing;                /* told to end: takes no new one */
    bool ended;                  /* once: the one migration has come to its
                                    end, and nobody is left to ask */
    bool linger;                 /* ... its end, but the source may ask */
    uint64_t linger_until_us;
    uint8_t linger_id[IDENT_BYTES];
    uint8_t settled_id[IDENT_BYTES];     /* what a source has settled last */
    int rc;                      /* once: what it ended with */
};

void serve_init(struct server *sv, struct xmig *x, bool once,
                 xmig_served_fn *on_end, void *data);
void serve_done(struct server *sv);

/* Does it run here? */
bool serve_has(struct server *sv, const uint8_t *id);
/*
 * -EBUSY: it has a journal, so it is not new: another process runs it, or is
 * just taking over from one that has died, or it has ended.
 */
int serve_check_new(const struct server *sv, const uint8_t *id,
                    struct err *e);
/*
 * Run a migration that is not here yet, in the thread of its control
 * connection c, by run(); its failure has been logged.  Not 0: it has not
 * been run, and c's error says why.
 */
typedef int serve_run_fn(struct dest *d, void *data);
int serve_migration(struct server *sv, struct conn *c, const uint8_t *id,
                    const char *peer, uint64_t caps, serve_run_fn *run,
                    void *data);

/* How long HELLO is waited for. */
uint64_t serve_hello_us(const struct server *sv);
/*
 * Serve a connection until its end, in this thread.  chan has a deadline for
 * HELLO, and is closed.  A failure has been logged and told to the peer.
 */
int serve_chan(struct server *sv, struct chan *chan, const char *peer);
/*
 * Run main(arg) in a thread that is to call serve_thread_ends() last.
 * Not 0: too many, or no thread; it has been logged, and arg is the
 * caller's.
 */
int serve_thread(struct server *sv, void *(*main)(void *), void *arg,
                  const char *peer);
void serve_thread_ends(struct server *sv);

/*
 * The server was told to end: stop what runs, unless it is past its point of
 * no return, and take nothing new.  True: a guest is split, and its source
 * may have to connect anew, so go on until serve_is_over(); s.stop has been
 * lowered.
 */
bool serve_stop(struct server *sv);
bool serve_is_over(struct server *sv);
/* The end: stop, and wait until all threads have ended. */
void serve_end(struct server *sv);

#endif
