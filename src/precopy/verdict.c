/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The sentence about a migration that does not converge: what the guest
 * does, what the link does, and each option that would make it finish, with
 * what it would lead to.
 */
#include <stdio.h>

#include "policy.h"

#define MIB (1024.0 * 1024.0)

/* Dirtying at the rate of the link, a round is never shorter than the one
 * before: so much faster it has to be to get anywhere. */
#define FASTER 1.5

static double mib_rate(uint64_t pages, uint64_t us)
{
    return us ? (double)pages * 4096 / MIB * 1e6 / (double)us : 0;
}

static size_t add(char *buf, size_t room, size_t len, const char *text)
{
    int r = len < room ? snprintf(buf + len, room - len, "%s", text) : 0;

    return len + (r > 0 ? (size_t)r : 0);
}

/* Did it write to all there is while most of that was sent, or kept back as
 * written all the time?  (What it writes to before it is read is not sent.)
 * Then it may write faster than can be seen. */
static bool is_saturated(const struct round_stats *st)
{
    uint64_t set = st->working_set_pages;

    return st->round && st->dirtied_pages >= set / 10 * 9 &&
           st->sent_pages + st->held_pages > set / 2;
}

/* MiB/s that would do: faster than the guest writes, or fast enough for all
 * that it writes to at once. */
static double wanted_rate(const struct policy *p,
                          const struct round_stats *st, double dirty)
{
    double set = (double)st->working_set_pages * 4096 / MIB;
    double limit_s = (double)policy_pages_limit_us(p, st) / 1e6;
    double whole = limit_s > 0 ? set / limit_s : 1e9;

    return dirty * FASTER < whole && !is_saturated(st) ? dirty * FASTER
                                                       : whole;
}

void policy_verdict(const struct policy *p, const struct round_stats *st,
                    char *buf, size_t room)
{
    double dirty = mib_rate(st->dirtied_pages, st->duration_us);
    double link = (double)st->goodput_bps / MIB;
    double set = (double)st->working_set_pages * 4096 / MIB;
    double want = wanted_rate(p, st, dirty), slow;
    unsigned long pause_ms = (unsigned long)(st->expected_downtime_us / 1000);
    bool many = is_saturated(st);
    char text[160];
    size_t len = 0;

    snprintf(text, sizeof(text), "it does not converge: the guest dirties "
             "%s%.1f MiB/s and %.1f MiB/s are sent; it writes to %.1f MiB "
             "over and over", many ? "at least " : "", dirty, link, set);
    len = add(buf, room, len, text);

    snprintf(text, sizeof(text), "; --downtime-limit %lu would let it finish "
             "now, with a pause of about %lu ms (limit %lu ms)",
             pause_ms + pause_ms / 10 + 1, pause_ms,
             (unsigned long)(p->downtime_limit_us / 1000));
    len = add(buf, room, len, text);
    if ( st->bandwidth_bps && want > link && want < 1e6 )
    {
        snprintf(text, sizeof(text), "; --bandwidth %.0f (now %.0f), if the "
                 "network has that, would bring it below the limit", want + 1,
                 (double)st->bandwidth_bps / MIB);
        len = add(buf, room, len, text);
    }
    slow = dirty > 0 ? 100.0 - (100.0 - p->throttle) * 0.7 * link / dirty : 0;
    if ( !p->auto_converge && slow <= p->max_throttle )
    {
        snprintf(text, sizeof(text), "; --auto-converge on would slow it "
                 "down by %s %.0f %% and so bring it below the limit",
                 many ? "at least" : "about", slow > 20 ? slow : 20);
        add(buf, room, len, text);
    }
    else if ( p->throttle )
    {
        snprintf(text, sizeof(text), "; slowed down by %u %% it still "
                 "does not", p->throttle);
        add(buf, room, len, text);
    }
}
