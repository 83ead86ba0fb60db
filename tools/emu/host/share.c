/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Work in two threads: see share.h.  The second one lives as long as the
 * host does; waking it takes some 20 us, making it would take 100.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "share.h"

#define PIECE 16384u             /* gfns; the dirty log of them: some 30 us */

struct work
{
    share_fn *fn;
    void *data;
    uint64_t end;
    _Atomic uint64_t next;       /* gfns before it have somebody */
    atomic_int rc;
};

static struct
{
    pthread_once_t once;
    bool there;
    pthread_mutex_t lock;        /* a leaf; held while it works */
    sem_t begin, done;
    struct work *work;           /* between begin and done: the thread's */
} helper = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

static void do_pieces(struct work *w)
{
    uint64_t first, left;
    int rc = 0, none = 0;

    while ( !rc && !atomic_load(&w->rc) )
    {
        first = atomic_fetch_add(&w->next, PIECE);
        if ( first >= w->end )
            return;
        left = w->end - first;
        rc = w->fn(w->data, first, left < PIECE ? left : PIECE);
    }
    if ( rc )
        atomic_compare_exchange_strong(&w->rc, &none, rc);
}

static void *helper_thread(void *arg)
{
    (void)arg;
    for ( ; ; )
    {
        while ( sem_wait(&helper.begin) )
            continue;
        do_pieces(helper.work);
        sem_post(&helper.done);
    }
    return NULL;
}

static void make_helper(void)
{
    pthread_t thread;

    if ( sysconf(_SC_NPROCESSORS_ONLN) < 2 )
        return;
    sem_init(&helper.begin, 0, 0);
    sem_init(&helper.done, 0, 0);
    helper.there = !pthread_create(&thread, NULL, helper_thread, NULL);
    if ( helper.there )
        pthread_detach(thread);
}

int share_out(uint64_t first, uint64_t nr, share_fn *fn, void *data)
{
    struct work w = {
        .fn = fn, .data = data, .end = first + nr, .next = first,
    };
    bool both;

    pthread_once(&helper.once, make_helper);
    both = nr > PIECE && helper.there && !pthread_mutex_trylock(&helper.lock);
    if ( both )
    {
        helper.work = &w;
        sem_post(&helper.begin);
    }
    do_pieces(&w);
    if ( both )
    {
        /* Not awake yet, it is not needed any more. */
        if ( sem_trywait(&helper.begin) )
            while ( sem_wait(&helper.done) )
                continue;
        pthread_mutex_unlock(&helper.lock);
    }
    return atomic_load(&w.rc);
}
