/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * daemon PORT PEER-PORT DOMID...: a toolstack's daemon, in one process: it
 * receives on PORT, and meanwhile sends all the domains to PEER-PORT at once,
 * each from a thread and a handle of its own.  Ends when all are sent, as many
 * have come in, and its standard input has ended.  Prints a line for each.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "xmig.h"

#define MOST 8

struct out
{
    uint16_t port;
    uint32_t domid;
    unsigned int events;         /* its own thread's */
    pthread_t thread;
    int rc;
};

static sem_t arrived;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned int nr_failed;   /* under lock */

static struct xmig *open_one(void)
{
    const char *emu = getenv("XMIG_EMU");
    struct xmig *s;
    char dir[4096];

    snprintf(dir, sizeof(dir), "%s/xmig", emu ? emu : "");
    if ( xmig_open(NULL, &s) || xmig_set_state_dir(s, dir) )
        exit(99);

    return s;
}

static void tell(const char *what, uint32_t domid, int rc, const char *text)
{
    pthread_mutex_lock(&lock);
    printf("%s %u: %d %s\n", what, domid, rc, text);
    fflush(stdout);
    nr_failed += rc != 0;
    pthread_mutex_unlock(&lock);
}

static void on_event(void *data, const struct xmig_event *e)
{
    struct out *o = data;

    (void)e;
    o->events++;
}

static void *send_it(void *data)
{
    struct out *o = data;
    struct xmig *s = open_one();

    xmig_set_event(s, on_event, o);
    o->rc = xmig_send(s, o->domid, "127.0.0.1", o->port);
    tell("sent", o->domid, o->rc, xmig_error(s)->text);
    xmig_close(s);

    return NULL;
}

static void on_end(void *data, uint32_t domid, const char *name,
                   const struct xmig_error *err,
                   const struct xmig_stats *stats)
{
    (void)data;
    (void)stats;
    tell("received", domid, err->code, err->code ? err->text : name);
    sem_post(&arrived);
}

struct serving
{
    struct xmig *s;
    uint16_t port;
    int rc;
};

static void *serve(void *data)
{
    struct serving *sv = data;

    sv->rc = xmig_serve(sv->s, "127.0.0.1", sv->port, false, on_end, NULL);

    return NULL;
}

int main(int argc, char **argv)
{
    struct out out[MOST] = { { 0 } };
    struct serving sv = { 0 };
    pthread_t server;
    char c;
    int i, nr = argc - 3;

    if ( nr < 1 || nr > MOST || sem_init(&arrived, 0, 0) )
        return 99;
    sv.s = open_one();
    sv.port = (uint16_t)strtoul(argv[1], NULL, 10);
    if ( pthread_create(&server, NULL, serve, &sv) )
        return 99;
    /* A line says that the other one listens, too. */
    if ( read(STDIN_FILENO, &c, 1) != 1 )
        return 99;
    for ( i = 0; i < nr; i++ )
    {
        out[i].port = (uint16_t)strtoul(argv[2], NULL, 10);
        out[i].domid = (uint32_t)strtoul(argv[3 + i], NULL, 10);
        if ( pthread_create(&out[i].thread, NULL, send_it, &out[i]) )
            return 99;
    }
    for ( i = 0; i < nr; i++ )
    {
        pthread_join(out[i].thread, NULL);
        pthread_mutex_lock(&lock);
        nr_failed += !out[i].events;
        pthread_mutex_unlock(&lock);
    }
    for ( i = 0; i < nr; i++ )
        sem_wait(&arrived);
    /* The other one may still ask for an outcome. */
    while ( read(STDIN_FILENO, &c, 1) > 0 )
        continue;
    xmig_cancel(sv.s);
    pthread_join(server, NULL);
    xmig_close(sv.s);

    return nr_failed != 0;
}
