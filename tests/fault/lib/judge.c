/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * What must hold after every step of a sweep, whatever failed in it.
 *
 * What is tidied up after the sender has returned is given a few seconds;
 * that never more than one copy runs is given none.
 */
#include "sweep.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIDY_MS 5000

void wrong(struct world *w, const struct fault *f, const char *fmt, ...)
{
    size_t len = strlen(w->said);
    char text[768];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    w->failures++;
    snprintf(w->said + len, sizeof(w->said) - len, "%s: %s\n", fault_text(f),
             text);
}

bool two_run(struct world *w, const struct fault *f)
{
    struct guest_seen a, b;

    /* A host that has ended runs nothing. */
    if ( !w->host[0].xch || host_guest(&w->host[0], &a) )
        a.running = 0;
    if ( !w->host[1].xch || host_guest(&w->host[1], &b) )
        b.running = 0;
    if ( a.running + b.running < 2 )
        return false;
    wrong(w, f, "two copies run: %u and %u", a.running, b.running);

    return true;
}

/* First line that one has and the other has not. */
static void first_difference(const char *was, const char *is, char *ret,
                             size_t size)
{
    while ( *was && *was == *is )
    {
        was++;
        is++;
    }
    while ( was[-1] != '\n' )
    {
        was--;
        is--;
    }
    snprintf(ret, size, "the store has \"%.*s\" where it had \"%.*s\"",
             (int)strcspn(is, "\n"), is, (int)strcspn(was, "\n"), was);
}

static bool same_store(const struct host *h, const char *base,
                       uint32_t domid, char *why, size_t size)
{
    char *is;
    bool same;

    if ( !base )
        return true;
    is = host_store_text(h, domid);
    same = !strcmp(is, base);
    if ( !same )
        first_difference(base, is, why, size);
    free(is);

    return same;
}

/* Nothing of the guest is at h. */
static bool nothing_at(const struct host *h, char *why, size_t size)
{
    struct guest_seen g;
    uint64_t free_pages, pages;

    if ( host_guest(h, &g) )
        snprintf(why, size, "can't list the domains of the other host");
    else if ( g.domains )
        snprintf(why, size, "domain %u \"%s\" is left at the other host",
                 g.domid, g.name);
    else if ( (free_pages = host_status(h, "free-pages ")) <
              (pages = host_status(h, "machine-pages ")) )
        snprintf(why, size, "%llu pages of the other host are not free",
                 (unsigned long long)(pages - free_pages));
    else
        return same_store(h, h->bare, 0, why, size);

    return false;
}

/* One, running, under its name, is at h. */
static bool guest_at(const struct host *h, char *why, size_t size)
{
    struct guest_seen g;

    if ( host_guest(h, &g) )
        snprintf(why, size, "can't list the domains of the guest's host");
    else if ( g.domains != 1 )
        snprintf(why, size, "%u domains where the guest should be",
                 g.domains);
    else if ( g.running != 1 )
        snprintf(why, size, "domain %u \"%s\" does not run: %s", g.domid,
                 g.name, g.why_not);
    else if ( strcmp(g.name, "worker") )
        snprintf(why, size, "the guest is called \"%s\"", g.name);
    else if ( g.claimed_pages )
        snprintf(why, size, "a claim of %llu pages is left",
                 (unsigned long long)g.claimed_pages);
    else
        return same_store(h, h->full, g.domid, why, size);

    return false;
}

/* The receiver has let go of what it used. */
static bool server_is_idle(struct host *h, char *why, size_t size)
{
    unsigned int fds, threads;

    if ( !h->server )
        return true;
    if ( !server_lives(h) )
    {
        snprintf(why, size, "the receiver has ended");
        return false;
    }
    server_size(h, &fds, &threads);
    if ( h->base_fds && fds > h->base_fds )
        snprintf(why, size, "the receiver has %u descriptors, and had %u",
                 fds, h->base_fds);
    else if ( h->base_threads && threads > h->base_threads )
        snprintf(why, size, "the receiver has %u threads, and had %u",
                 threads, h->base_threads);
    else
        return true;

    return false;
}

static bool tidy(struct world *w, char *why, size_t size)
{
    struct host *here = &w->host[w->at], *there = &w->host[!w->at];
    const char *journal;

    if ( !guest_at(here, why, size) || !nothing_at(there, why, size) ||
         !server_is_idle(here, why, size) ||
         !server_is_idle(there, why, size) )
        return false;
    journal = host_open_journal(here);
    if ( journal && w->bye_is_lost && strstr(journal, "STARTED") )
    {
        host_forget(here, "STARTED");
        w->byes_lost++;
        journal = host_open_journal(here);
    }
    if ( !journal )
        journal = host_open_journal(there);
    if ( journal )
        snprintf(why, size, "a journal is open: %s", journal);

    return !journal;
}

/* It makes progress, has been resumed so often, and finds its memory right. */
static bool guest_is_well(struct world *w, char *why, size_t size)
{
    struct host *h = &w->host[w->at];
    uint64_t until = now_ms() + TIDY_MS, was, is, resumes;
    struct guest_seen g;
    char *verdict;
    bool good;

    if ( host_guest(h, &g) )
        return false;
    was = host_u64(h, g.domid, "data/writes");
    while ( (is = host_u64(h, g.domid, "data/writes")) == was )
        if ( !again(until) )
        {
            snprintf(why, size, "the guest makes no progress");
            return false;
        }
    /* It is published a moment after the guest has resumed. */
    while ( (resumes = host_u64(h, g.domid, "data/resumes")) < w->moves )
        if ( !again(until) )
            break;
    if ( resumes != w->moves )
    {
        snprintf(why, size, "the guest has come to a new host %llu times, "
                 "not %llu", (unsigned long long)resumes,
                 (unsigned long long)w->moves);
        return false;
    }
    for ( ; ; )
    {
        verdict = host_node(h, g.domid, "data/verdict");
        good = verdict && !strncmp(verdict, "ok", 2);
        snprintf(why, size, "the guest's verdict: %.160s",
                 verdict ? verdict : "none");
        free(verdict);
        if ( good || strstr(why, ": bad") || !again(until) )
            break;
    }

    return good && !host_guest(h, &g) && g.running == 1;
}

bool judge(struct world *w, const struct fault *f)
{
    uint64_t until = now_ms() + TIDY_MS;
    char why[512] = "";

    do {
        if ( two_run(w, f) )
            return false;
        if ( tidy(w, why, sizeof(why)) )
        {
            if ( guest_is_well(w, why, sizeof(why)) )
                return true;
            break;
        }
    } while ( again(until) );
    wrong(w, f, "%s", why);

    return false;
}

void take_bases(struct world *w)
{
    struct host *here = &w->host[w->at], *there = &w->host[!w->at];
    struct guest_seen g;

    free(here->full);
    free(there->bare);
    host_guest(here, &g);
    here->full = host_store_text(here, g.domid);
    there->bare = host_store_text(there, 0);
}
