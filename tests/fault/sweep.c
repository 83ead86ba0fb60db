/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * sweep [--full] [--only WORD] [--points N] [--part K/M] [--early-go]
 *       HOST-A HOST-B XMIG-EMU
 *
 * A guest called "worker" runs on HOST-A.  It is moved again and again with
 * the Nth call of one kind failing at one end, for N from 1 until the calls
 * no longer meet it; after each the guest and both hosts are judged, and
 * where the guest did not move, the next attempt must succeed.  Prints TAP,
 * a line for each kind of call.
 *
 * --only takes the sweeps whose title has the word in it, "+" for a blank.
 * Without --full, a sweep of many calls takes a choice of N only: all of the
 * first quarter and of the last half of them (where the guest is suspended),
 * and every so many-th between.  --part takes every Mth of what would be
 * taken, so that M runs with K = 1 ... M are the whole.  --early-go: GO goes
 * with the state, as on a long link; what that has to do with, and no more.
 */
#include "lib/sweep.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define NEVER (1ull << 62)
#define PATIENCE_MS 300

struct tally
{
    unsigned int points;         /* that were met */
    unsigned int failed;         /* the migration with them */
    unsigned int borne;          /* it succeeded in spite of it */
    unsigned int doubt;          /* ended in doubt, was settled */
    unsigned int recovered;      /* needed xmig_recover() */
};

static struct
{
    bool full;
    bool early;
    const char *only;
    unsigned int points;
    unsigned int part, parts;
} arg = { .points = 48, .part = 1, .parts = 1 };

static unsigned int nr_tests, nr_failed;
static bool broken;              /* no sense in going on */

static const struct fault none = { NO_FAULT };

static struct host *source(struct world *w) { return &w->host[w->at]; }
static struct host *dest(struct world *w) { return &w->host[!w->at]; }

static bool need_server(struct world *w, struct host *h,
                        const struct fault *f)
{
    if ( server_lives(h) )
        return true;
    if ( server_start(h, NULL) )
        return true;
    wrong(w, f, "the receiver does not start");

    return false;
}

/* Where is the one that runs?  For after a recovery. */
static void find_guest(struct world *w)
{
    struct guest_seen g;

    if ( !host_guest(dest(w), &g) && g.running )
    {
        w->at = !w->at;
        w->moves++;
    }
}

static bool recover(struct world *w, const struct fault *f, bool fenced)
{
    struct outcome o;

    actor_recover(source(w), fenced, &o);
    if ( o.ended && !o.rc )
        return true;
    wrong(w, f, "recover: %s (%d): %s", o.hung ? "hangs" : "fails", o.rc,
          o.error.text);

    return false;
}

static void check_error(struct world *w, const struct fault *f,
                        const struct outcome *o)
{
    if ( !o->opened )
        return;
    if ( o->error.code != o->rc || !o->error.text[0] )
        wrong(w, f, "returned %d, but the error record is %d \"%s\"", o->rc,
              o->error.code, o->error.text);
    if ( o->error.guest == XMIG_GUEST_IN_DOUBT
         ? o->rc != -ENOTRECOVERABLE
         : o->error.guest != XMIG_GUEST_AT_SOURCE &&
           o->error.guest != XMIG_GUEST_NONE )
        wrong(w, f, "returned %d, guest %s: %s", o->rc,
              xmig_guest_name(o->error.guest), o->error.text);
}

static void check_sender(struct world *w, const struct fault *f,
                         const struct outcome *o)
{
    if ( o->hung )
        wrong(w, f, "the sender hangs");
    else if ( !o->ended && !(f->way == KILL && !f->at_dest) )
        wrong(w, f, "the sender has crashed");
    if ( o->ended && o->rc )
        check_error(w, f, o);
}

/* Settle what the sender has left unsettled; w->at is right afterwards. */
static void settle(struct world *w, const struct fault *f,
                   const struct outcome *o, struct tally *t)
{
    struct guest_seen g;
    bool doubt = o->ended && o->rc &&
                 o->error.guest == XMIG_GUEST_IN_DOUBT;

    if ( doubt )
    {
        t->doubt++;
        if ( host_guest(source(w), &g) || g.running )
            wrong(w, f, "in doubt, and the guest runs at the source");
    }
    if ( !server_lives(dest(w)) )
        need_server(w, dest(w), f);
    if ( o->ended && !o->rc )
    {
        w->at = !w->at;
        w->moves++;
        /* The copy that is left, or its journal, is there to recover. */
        if ( host_open_journal(dest(w)) )
        {
            w->at = !w->at;
            t->recovered++;
            recover(w, f, false);
            w->at = !w->at;
        }
    }
    else if ( doubt || !o->ended )
    {
        t->recovered++;
        recover(w, f, false);
        find_guest(w);
    }
}

static bool plain_move(struct world *w, const struct fault *f)
{
    struct guest_seen g;
    struct outcome o;

    if ( !need_server(w, dest(w), f) || host_guest(source(w), &g) )
        return false;
    actor_send(source(w), dest(w), g.domid, &none, 5000, &o);
    if ( !o.ended || o.rc )
    {
        wrong(w, f, "the next attempt: %s (%d): %s",
              o.hung ? "hangs" : "fails", o.rc, o.error.text);
        return false;
    }
    w->at = !w->at;
    w->moves++;

    return judge(w, f);
}

/* After a failure, so that the next step tells of its own. */
static void repair(struct world *w)
{
    unsigned int i, kept = w->failures;
    struct outcome o;

    for ( i = 0; i < 2; i++ )
        if ( !server_stop(&w->host[i]) || !server_start(&w->host[i], NULL) )
            broken = true;
    actor_recover(source(w), false, &o);
    find_guest(w);
    if ( !judge(w, &none) )
        broken = true;
    w->failures = kept;
}

/* The receiver for a step; false: the fault has kept it from starting. */
static bool prepare_server(struct world *w, const struct fault *f)
{
    if ( f->at_dest &&
         (f->kind == HYPERCALL || f->kind == STORE || f->way == KILL) )
    {
        if ( !server_stop(dest(w)) )
            wrong(w, f, "the receiver does not end, or ends badly");
        return server_start(dest(w), f);
    }
    if ( !need_server(w, dest(w), f) )
        return false;

    return !f->at_dest || server_plan(dest(w), f);
}

/*
 * One migration with a fault f; and, unless NULL, with one at the destination
 * besides, f then being the source's.  *ret_hit: f has been met.  Returns the
 * number of such calls.
 */
static uint64_t step(struct world *w, const struct fault *f,
                     const struct fault *also, struct tally *t,
                     bool *ret_hit)
{
    unsigned int was_at = w->at, failures = w->failures;
    struct guest_seen g;
    struct outcome o = { 0 };
    uint64_t calls = 0;

    if ( host_guest(source(w), &g) || g.domains != 1 )
    {
        wrong(w, f, "there is no guest to move");
        broken = true;
        return 0;
    }
    if ( !prepare_server(w, also ? also : f) )
    {
        *ret_hit = true;
        server_stop(dest(w));
        need_server(w, dest(w), f);
        o.rc = -EIO;
        o.ended = 1;
    }
    else
    {
        actor_send(source(w), dest(w), g.domid, f, PATIENCE_MS, &o);
        calls = o.calls;
        *ret_hit = o.hit;
        if ( f->at_dest )
            calls = server_count(dest(w), f, ret_hit);
    }
    if ( w->verbose )
        fprintf(stderr, "%s%s: %llu ms, %d %s %s\n", fault_text(f),
                *ret_hit ? "" : " (not met)", (unsigned long long)o.ms, o.rc,
                o.ended ? xmig_guest_name(o.error.guest) : "ended",
                o.error.text);
    if ( two_run(w, f) )
    {
        broken = true;
        return calls;
    }
    check_sender(w, f, &o);
    /* It keeps a rule that was not met, which would hit the next one. */
    if ( also && server_lives(dest(w)) && !server_stop(dest(w)) &&
         also->way != KILL )
        wrong(w, also, "the receiver does not end, or ends badly");
    settle(w, f, &o, t);
    t->points += *ret_hit;
    t->failed += *ret_hit && (o.rc || !o.ended);
    t->borne += *ret_hit && !o.rc && o.ended;
    w->bye_is_lost = (also || (f->at_dest && f->kind == READ)) &&
                     was_at != w->at;
    judge(w, f);
    w->bye_is_lost = false;
    if ( w->failures == failures && was_at == w->at )
        plain_move(w, f);
    if ( w->failures != failures )
        repair(w);

    return calls;
}

/* ---- Sweeps ------------------------------------------------------------- */

static void report(struct world *w, const char *what, const struct tally *t,
                   uint64_t calls, uint64_t ms)
{
    char *line, *save;

    printf("%sok %u - %s: %u of %llu calls met, %u migrations failed, %u "
           "succeeded, %u in doubt, %u recovered (%llu ms)\n",
           w->failures ? "not " : "", ++nr_tests, what, t->points,
           (unsigned long long)calls, t->failed, t->borne, t->doubt,
           t->recovered, (unsigned long long)ms);
    nr_failed += w->failures != 0;
    for ( line = strtok_r(w->said, "\n", &save); line;
          line = strtok_r(NULL, "\n", &save) )
        printf("# %s\n", line);
    fflush(stdout);
    if ( w->byes_lost )
        printf("# %u destinations kept a journal, as they read no BYE\n",
               w->byes_lost);
    w->byes_lost = 0;
    host_forget(&w->host[0], "ABANDONED");
    host_forget(&w->host[1], "ABANDONED");
}

/* Is the Nth of total calls among those that are taken? */
static bool chosen(uint64_t n, uint64_t total)
{
    uint64_t max = arg.points, middle, between;

    if ( n % arg.parts != arg.part - 1 )
        return false;
    if ( arg.full || total <= max || n <= max / 4 || n > total - max / 2 )
        return true;
    middle = total - max / 4 - max / 2;
    between = middle / (max - max / 4 - max / 2) + 1;

    return n % between == 0;
}

static void sweep(struct world *w, struct fault f)
{
    static const char *const call_errnos[] = { "EINVAL", "ENOMEM", "EAGAIN",
                                               "EFAULT" };
    static const char *const store_errnos[] = { "EIO", "ENOMEM", "EAGAIN",
                                                "ENOSPC" };
    const char *const *errnos = f.kind == STORE ? store_errnos : call_errnos;
    static const enum fault_way ways[] = { RESET, CLOSED };
    uint64_t total, n, began = now_ms();
    struct tally t = { 0 }, uncounted = { 0 };
    unsigned int misses = 0, i, variants;
    bool hit = false;
    char what[96];

    snprintf(what, sizeof(what), "%s %s%s",
             f.at_dest ? "destination" : "source",
             f.kind == HYPERCALL ? f.what
             : f.kind == STORE ? "xenstore request"
             : f.kind == READ ? "read" : "write",
             f.way == KILL ? ", killed there" : "");
    if ( broken || (arg.only && !strstr(what, arg.only)) )
        return;
    w->failures = 0;
    w->said[0] = '\0';
    f.errno_name = errnos[0];
    f.nth = NEVER;
    total = step(w, &f, NULL, &uncounted, &hit);
    variants = f.way == KILL ? 1 : f.way == FAIL ? 4 : 2;
    if ( !total && !w->failures )
    {
        printf("ok %u - %s # SKIP a migration has none\n", ++nr_tests, what);
        return;
    }

    /* Some runs have a few calls more than that one had. */
    for ( n = 1; !broken && misses < 4 && n <= total + 64; n++ )
    {
        if ( n <= total && !chosen(n, total) )
            continue;
        f.nth = n;
        for ( i = 0; !broken && i < (arg.full ? variants : 1); i++ )
        {
            if ( f.way == FAIL )
                f.errno_name = errnos[(n + i) % 4];
            else if ( f.way != KILL )
                f.way = ways[(n + i) % 2];
            hit = false;
            step(w, &f, NULL, &t, &hit);
        }
        misses = hit ? 0 : misses + 1;
        if ( w->failures > 8 )
            break;
    }
    report(w, what, &t, total, now_ms() - began);
    /* A rule that was not met would hit the next sweep's. */
    for ( i = 0; f.at_dest && f.kind == HYPERCALL && i < 2; i++ )
        server_stop(&w->host[i]);
}

/* ---- Two at once -------------------------------------------------------- */

/* Something goes wrong at the one end, and at the other one, too. */
static void two_at_once(struct world *w)
{
    static const struct fault here[] = {
        { .kind = WRITE, .way = RESET, .nth = 9 },
        { .kind = READ, .way = CLOSED, .nth = 12 },
        { .kind = HYPERCALL, .what = "domctl:destroydomain",
          .errno_name = "EAGAIN", .nth = 1 },
        { .kind = HYPERCALL, .what = "domctl:gethvmcontext",
          .errno_name = "ENOMEM", .nth = 1 },
        { .kind = WRITE, .way = KILL, .nth = 22 },
    }, there[] = {
        { .kind = HYPERCALL, .what = "domctl:sethvmcontext",
          .errno_name = "EINVAL", .nth = 1, .at_dest = true },
        { .kind = HYPERCALL, .what = "domctl:unpausedomain",
          .errno_name = "EINVAL", .nth = 1, .at_dest = true },
        { .kind = HYPERCALL, .what = "domctl:destroydomain",
          .errno_name = "EAGAIN", .nth = 1, .at_dest = true },
        { .kind = WRITE, .way = RESET, .nth = 7, .at_dest = true },
        { .kind = WRITE, .way = KILL, .nth = 8, .at_dest = true },
    };
    const size_t nr_here = sizeof(here) / sizeof(here[0]);
    const size_t nr_there = sizeof(there) / sizeof(there[0]);
    const char *what = "two faults at once";
    uint64_t began = now_ms();
    struct tally t = { 0 };
    bool hit;
    size_t i;

    if ( broken || (arg.only && !strstr(what, arg.only)) )
        return;
    w->failures = 0;
    w->said[0] = '\0';
    for ( i = 0; !broken && i < nr_here * nr_there; i++ )
    {
        /* By itself each meets one of the other end's. */
        if ( !arg.full && i % (nr_there + 1) )
            continue;
        if ( i % arg.parts != arg.part - 1 )
            continue;
        hit = false;
        step(w, &here[i / nr_there], &there[i % nr_there], &t, &hit);
        if ( w->failures > 8 )
            break;
    }
    report(w, what, &t, t.points, now_ms() - began);
}

/* ---- The death of a host ------------------------------------------------ */

static void deaths(struct world *w)
{
    static const char *const points[] = {
        "domctl:createdomain", "memory_op:populate_physmap", "map",
        "domctl:sethvmcontext", "domctl:unpausedomain",
    };
    const char *what = "destination's host ends";
    struct fault f = { .kind = HYPERCALL, .way = KILL, .at_dest = true,
                       .nth = 1 };
    uint64_t began = now_ms();
    struct tally t = { 0 };
    bool doubt = false;
    unsigned int i;

    if ( broken || (arg.only && !strstr(what, arg.only)) )
        return;
    w->failures = 0;
    w->said[0] = '\0';
    for ( i = 0; !broken && i < sizeof(points) / sizeof(points[0]); i++ )
    {
        f.what = points[i];
        broken = !death_step(w, &f, false, &doubt);
        t.points++;
        t.failed++;
        t.doubt += doubt;
    }
    if ( t.doubt != 1 )
        wrong(w, &f, "%u of these ended in doubt, not the last alone",
              t.doubt);

    /* The same once more, and the host comes back, without its last word. */
    if ( !broken )
    {
        broken = !death_step(w, &f, true, &doubt);
        t.points++;
        t.failed++;
        t.doubt += doubt;
    }
    report(w, what, &t, t.points, now_ms() - began);
}

static bool set_up(struct world *w, char **dirs)
{
    unsigned int i;

    for ( i = 0; i < 2; i++ )
    {
        if ( host_look_open(&w->host[i], dirs[i]) )
            return false;
        mkdir(w->host[i].state_dir, 0700);
        if ( !server_start(&w->host[i], NULL) )
            return false;
    }
    for ( i = 0; i < 3; i++ )
    {
        if ( !plain_move(w, &none) )
            return false;
        if ( i )
            take_bases(w);
    }
    for ( i = 0; i < 2; i++ )
        server_size(&w->host[i], &w->host[i].base_fds,
                    &w->host[i].base_threads);

    return true;
}

static void all_sweeps(struct world *w)
{
    static const char *const calls[] = {
        "domctl", "memory_op", "hvm_op", "event_channel_op", "sysctl",
        "xen_version", "map", "evtchn", "gnttab", "resource",
        "grant_table_op", "sched_op",
    };
    unsigned int i, end;

    for ( end = 0; end < 2; end++ )
    {
        for ( i = 0; i < (arg.early ? 1 : sizeof(calls) / sizeof(calls[0]));
              i++ )
            sweep(w, (struct fault){ .kind = HYPERCALL, .at_dest = end,
                                     .what = calls[i] });
        if ( !arg.early )
            sweep(w, (struct fault){ .kind = STORE, .at_dest = end });
        for ( i = 0; i < 4; i++ )
            sweep(w, (struct fault){ .kind = i % 2 ? WRITE : READ,
                                     .at_dest = end,
                                     .way = i < 2 ? RESET : KILL });
    }
    two_at_once(w);
    if ( !arg.early )
        deaths(w);
}

static bool read_args(int argc, char **argv, bool *ret_verbose)
{
    static const struct option opts[] = {
        { "full", no_argument, NULL, 'f' },
        { "only", required_argument, NULL, 'o' },
        { "points", required_argument, NULL, 'p' },
        { "part", required_argument, NULL, 'k' },
        { "early-go", no_argument, NULL, 'e' },
        { "verbose", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    char *at;
    int c;

    while ( (c = getopt_long(argc, argv, "", opts, NULL)) != -1 )
        switch ( c )
        {
        case 'f': arg.full = true; break;
        case 'o':
            arg.only = optarg;
            for ( at = strchr(optarg, '+'); at; at = strchr(at, '+') )
                *at = ' ';
            break;
        case 'p': arg.points = (unsigned int)atoi(optarg); break;
        case 'k':
            if ( sscanf(optarg, "%u/%u", &arg.part, &arg.parts) != 2 ||
                 !arg.part || arg.part > arg.parts )
                return false;
            break;
        case 'e': arg.early = actor_early_go = true; break;
        case 'v': *ret_verbose = true; break;
        default: return false;
        }

    return argc - optind == 3;
}

int main(int argc, char **argv)
{
    static struct world w;
    unsigned int i;

    if ( !read_args(argc, argv, &w.verbose) )
        return 99;
    signal(SIGPIPE, SIG_IGN);
    w.emu = argv[optind + 2];
    if ( !set_up(&w, argv + optind) )
    {
        printf("# %s\nBail out! no guest moves even without a fault\n",
               w.said);
        return 99;
    }
    all_sweeps(&w);
    for ( i = 0; i < 2; i++ )
        if ( !server_stop(&w.host[i]) )
        {
            printf("not ok %u - the receivers end\n", ++nr_tests);
            nr_failed++;
        }
    if ( broken )
    {
        printf("not ok %u - the guest could be put right after a failure\n",
               ++nr_tests);
        nr_failed++;
    }
    printf("1..%u\n", nr_tests);
    for ( i = 0; i < 2; i++ )
    {
        free(w.host[i].bare);
        free(w.host[i].full);
        host_look_close(&w.host[i]);
    }

    return nr_failed ? 1 : 0;
}
