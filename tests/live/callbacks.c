/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * callbacks PORT DOMID DOMID: two migrations at once from one process, as a
 * daemon would run them.  A policy of its own has the last word on rounds: the
 * first domain moves after five, the second is given up.  Options are set and
 * figures read from another thread meanwhile; events come in order, and none
 * while the guest stands still.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xmig.h"

#define ROUNDS 5

struct move
{
    uint16_t port;
    uint32_t domid;
    enum xmig_policy wish;       /* after ROUNDS */
    struct xmig *s;
    int rc;
    uint64_t begin_us;
    /* from the events */
    unsigned int rounds, ends, disorders;
    uint64_t last_us, stopped_us, stopped_told_us;
    int end_code;
    char first[16];
    sem_t under_way, go_on;      /* after the first round */
};

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void on_event(void *data, const struct xmig_event *e)
{
    struct move *m = data;

    m->disorders += e->time_us < m->last_us || m->ends;
    m->last_us = e->time_us;
    if ( !m->first[0] )
        snprintf(m->first, sizeof(m->first), "%s", e->text);
    if ( e->kind == XMIG_EVENT_ROUND )
        m->rounds++;
    if ( e->kind == XMIG_EVENT_STATE && !strcmp(e->text, "suspending") )
    {
        m->stopped_us = e->time_us;
        m->stopped_told_us = now_us() - m->begin_us;
    }
    if ( e->kind == XMIG_EVENT_END )
    {
        m->ends++;
        m->end_code = e->code;
    }
}

static enum xmig_policy on_round(void *data, const struct xmig_stats *st,
                                 enum xmig_policy proposed)
{
    struct move *m = data;

    (void)proposed;
    if ( st->rounds == 1 )
    {
        sem_post(&m->under_way);
        sem_wait(&m->go_on);
    }
    return st->rounds < ROUNDS ? XMIG_POLICY_GO_ON : m->wish;
}

static void *run(void *data)
{
    struct move *m = data;

    m->begin_us = now_us();
    m->rc = xmig_send(m->s, m->domid, "127.0.0.1", m->port);
    return NULL;
}

static int open_one(struct move *m)
{
    const char *emu = getenv("XMIG_EMU");
    char dir[4096];

    if ( xmig_open(NULL, &m->s) )
        return -1;
    snprintf(dir, sizeof(dir), "%s/xmig", emu ? emu : "");
    xmig_set_event(m->s, on_event, m);
    xmig_set_policy(m->s, on_round, m);
    /* The own rule would end it after two rounds. */
    return xmig_set_state_dir(m->s, dir) ||
           xmig_option_set(m->s, "bandwidth", "60") ||
           xmig_option_set(m->s, "max-iters", "2");
}

static int nr_failed;

static void point(bool good, const char *what, int domain)
{
    static int nr;

    printf("%sok %d - domain %d: %s\n", good ? "" : "not ", ++nr, domain,
           what);
    nr_failed += !good;
}

static void judge(const struct move *m, int n, int rc)
{
    const struct xmig_error *err = xmig_error(m->s);
    struct xmig_stats st;

    xmig_get_stats(m->s, &st);
    printf("# rc %d: %s; %u rounds, downtime %lu us\n", m->rc, err->text,
           st.rounds, (unsigned long)st.downtime_us);
    point(m->rc == rc, "it ends as its policy wishes", n);
    point(err->guest == (rc ? XMIG_GUEST_AT_SOURCE
                            : XMIG_GUEST_AT_DESTINATION),
          "and the guest is where it should be", n);
    point(st.rounds == ROUNDS, "after as many rounds", n);
    point(m->rounds == ROUNDS, "each of which was told", n);
    point(!strcmp(m->first, "setup"), "the first event is its beginning", n);
    point(m->ends == 1 && m->end_code == rc, "the last is its end", n);
    point(!m->disorders, "all came in order", n);
    if ( !rc )
        point(m->stopped_us && m->stopped_told_us >= m->stopped_us +
              st.downtime_us, "and none in the downtime", n);
}

int main(int argc, char **argv)
{
    struct move m[2] = { { .wish = XMIG_POLICY_SWITCH },
                         { .wish = XMIG_POLICY_ABORT } };
    struct xmig_stats st;
    pthread_t thread[2];
    int i, busy = 0, set = 0;
    unsigned int rounds = 0;

    if ( argc != 4 )
        return 2;
    for ( i = 0; i < 2; i++ )
    {
        m[i].port = (uint16_t)strtoul(argv[1], NULL, 10);
        m[i].domid = (uint32_t)strtoul(argv[2 + i], NULL, 10);
        if ( sem_init(&m[i].under_way, 0, 0) ||
             sem_init(&m[i].go_on, 0, 0) || open_one(&m[i]) )
            return 99;
    }
    for ( i = 0; i < 2; i++ )
        if ( pthread_create(&thread[i], NULL, run, &m[i]) )
            return 99;
    for ( i = 0; i < 2; i++ )
    {
        /* One that fails before a round ends the test by its time limit. */
        sem_wait(&m[i].under_way);
        xmig_get_stats(m[i].s, &st);
        rounds += st.rounds;
        busy += xmig_option_set(m[i].s, "lanes", "3") == -EBUSY;
        set += xmig_option_set(m[i].s, "bandwidth", "100") == 0;
        sem_post(&m[i].go_on);
    }
    for ( i = 0; i < 2; i++ )
        pthread_join(thread[i], NULL);

    judge(&m[0], 0, 0);
    judge(&m[1], 1, -EBUSY);
    printf("# %d refused, %d set\n", busy, set);
    point(rounds == 2, "figures were read meanwhile", -1);
    point(set == 2, "live options were set meanwhile", -1);
    point(busy == 2, "others were refused", -1);
    for ( i = 0; i < 2; i++ )
        xmig_close(m[i].s);

    return nr_failed != 0;
}
