/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The threads that compress: see code_pool.h.
 */
#include "code_pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

struct worker
{
    struct code_pool *pool;
    struct zip_packer *packer;
    pthread_t thread;
    bool made;
};

struct code_pool
{
    /* set at the start, then read-only */
    unsigned int nr;
    struct worker *workers;

    pthread_mutex_t lock;
    pthread_cond_t work;         /* there is a job, or quit */
    pthread_cond_t done;         /* one is packed */
    /* under lock */
    struct code_job *first, *last;
    bool quit;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct code_pool *pool = w->pool;
    struct code_job *job;

    pthread_mutex_lock(&pool->lock);
    for ( ; ; )
    {
        while ( !pool->quit && !pool->first )
            pthread_cond_wait(&pool->work, &pool->lock);
        job = pool->first;
        if ( !job )
            break;
        pool->first = job->next;
        pthread_mutex_unlock(&pool->lock);
        code_job_pack(job, w->packer);
        pthread_mutex_lock(&pool->lock);
        job->done = true;
        pthread_cond_broadcast(&pool->done);
    }
    pthread_mutex_unlock(&pool->lock);

    return NULL;
}

int code_pool_new(enum zip_method method, unsigned int threads,
                  struct code_pool **ret_pool)
{
    struct code_pool *pool = calloc(1, sizeof(*pool));
    struct worker *w;
    unsigned int i;
    int rc = 0;

    if ( !pool )
        return -ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = calloc(threads, sizeof(*pool->workers));
    if ( pool->workers )
        pool->nr = threads;
    else
        rc = -ENOMEM;
    for ( i = 0; !rc && i < threads; i++ )
    {
        w = &pool->workers[i];
        w->pool = pool;
        rc = zip_packer_new(method, &w->packer);
        if ( !rc )
            rc = -pthread_create(&w->thread, NULL, worker_main, w);
        w->made = !rc;
    }
    if ( rc )
        code_pool_free(pool);
    else
        *ret_pool = pool;

    return rc;
}

void code_pool_free(struct code_pool *pool)
{
    unsigned int i;

    if ( !pool )
        return;
    pthread_mutex_lock(&pool->lock);
    pool->quit = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for ( i = 0; i < pool->nr; i++ )
    {
        if ( pool->workers[i].made )
            pthread_join(pool->workers[i].thread, NULL);
        zip_packer_free(pool->workers[i].packer);
    }
    free(pool->workers);
    pthread_cond_destroy(&pool->done);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void code_pool_put(struct code_pool *pool, struct code_job *job)
{
    job->done = false;
    job->next = NULL;
    pthread_mutex_lock(&pool->lock);
    if ( pool->first )
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
}

bool code_pool_is_done(struct code_pool *pool, struct code_job *job)
{
    bool done;

    pthread_mutex_lock(&pool->lock);
    done = job->done;
    pthread_mutex_unlock(&pool->lock);

    return done;
}

void code_pool_wait(struct code_pool *pool, struct code_job *job)
{
    pthread_mutex_lock(&pool->lock);
    while ( !job->done )
        pthread_cond_wait(&pool->done, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
