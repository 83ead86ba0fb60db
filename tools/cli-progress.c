/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The line of progress, which never runs backwards, and the table of figures
 * at the end.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"

struct line
{
    bool on, terminal;
    unsigned int permille;       /* highest shown */
    size_t width;                /* of what is on the screen */
};

/* Lines of transport commands come from threads of their own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct line line;         /* under lock */

const char *cli_bytes(uint64_t bytes, char buf[32])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double v = bytes;
    unsigned int u = 0;

    while ( v >= 1024 && u < 4 )
    {
        v /= 1024;
        u++;
    }
    snprintf(buf, 32, "%.*f %s", u == 0 || v >= 1000 ? 0 : v >= 100 ? 1 : 2,
             v, units[u]);
    return buf;
}

const char *cli_time(uint64_t us, char buf[32])
{
    if ( us >= 60000000 )
        snprintf(buf, 32, "%"PRIu64" min %04.1f s", us / 60000000,
                 us % 60000000 / 1e6);
    else if ( us >= 1000000 )
        snprintf(buf, 32, "%.2f s", us / 1e6);
    else
        snprintf(buf, 32, "%.2f ms", us / 1e3);
    return buf;
}

static const char *phase_text(const struct xmig_stats *st, char buf[32])
{
    switch ( st->phase )
    {
    case XMIG_PHASE_SETUP:
        return "preparing";
    case XMIG_PHASE_ROUNDS:
        snprintf(buf, 32, "round %u", st->rounds + 1);
        return buf;
    case XMIG_PHASE_SWITCHOVER:
        return "switching over";
    case XMIG_PHASE_DRAIN:
        return "fetching the rest";
    case XMIG_PHASE_DONE:
        break;
    }
    return "done";
}

static void on_progress(void *data, const struct xmig_stats *st)
{
    char a[32], b[32], c[32], d[32], text[256];
    uint64_t rate = st->bandwidth_bps;
    size_t len;

    (void)data;
    pthread_mutex_lock(&lock);
    /* That of the last round; there is none in the first. */
    if ( !rate && st->total_time_us > st->setup_time_us )
        rate = st->transferred_bytes * 1000000 /
               (st->total_time_us - st->setup_time_us);
    if ( st->progress_permille > line.permille )
        line.permille = st->progress_permille;

    len = snprintf(text, sizeof(text), "%5.1f %%  %s  sent %s  %s/s",
                   line.permille / 10.0, phase_text(st, a),
                   cli_bytes(st->transferred_bytes, b),
                   cli_bytes(rate, c));
    if ( st->phase == XMIG_PHASE_ROUNDS && st->rounds )
        len += snprintf(text + len, sizeof(text) - len,
                        "  dirty %"PRIu64" pages/s", st->dirty_pages_rate);
    if ( st->phase == XMIG_PHASE_DRAIN )
        len += snprintf(text + len, sizeof(text) - len,
                        "  %"PRIu64" faults, median %s",
                        st->postcopy_requests, cli_time(st->fault_p50_us, d));
    if ( st->phase == XMIG_PHASE_ROUNDS || st->phase == XMIG_PHASE_DRAIN )
        len += snprintf(text + len, sizeof(text) - len, "  left %s",
                        cli_bytes(st->remaining_bytes, d));
    if ( st->phase == XMIG_PHASE_ROUNDS && st->expected_downtime_us )
        len += snprintf(text + len, sizeof(text) - len, "  downtime ~%s",
                        cli_time(st->expected_downtime_us, d));
    if ( len >= sizeof(text) )
        len = sizeof(text) - 1;

    /* Blanks cover what a longer line has left behind. */
    fprintf(stderr, "\r%s%*s", text,
            len < line.width ? (int)(line.width - len) : 0, "");
    fflush(stderr);
    line.width = len;
    pthread_mutex_unlock(&lock);
}

void cli_remote_line(void *data, const char *text)
{
    pthread_mutex_lock(&lock);
    if ( line.width )
        fprintf(stderr, "\r%*s\r", (int)line.width, "");
    line.width = 0;
    fprintf(stderr, "%s: %s\n", (const char *)data, text);
    pthread_mutex_unlock(&lock);
}

void cli_progress_begin(struct xmig *s)
{
    pthread_mutex_lock(&lock);
    memset(&line, 0, sizeof(line));
    line.terminal = isatty(STDERR_FILENO);
    line.on = line.terminal || cli.progress;
    if ( line.on )
        xmig_set_progress(s, on_progress, NULL);
    pthread_mutex_unlock(&lock);
}

void cli_progress_round(const struct xmig_stats *st)
{
    uint64_t rate = st->round_us ? st->round_pages * 4096 * 1000000 /
                                   st->round_us : 0;
    char a[32], b[32], c[32], d[32], e[32];

    pthread_mutex_lock(&lock);
    if ( line.on )
    {
        if ( line.width )
            fprintf(stderr, "\r%*s\r", (int)line.width, "");
        line.width = 0;
        fprintf(stderr, "round %u: %s at %s/s, dirtied at %s/s, %s left, "
                "pause would be %s\n", st->rounds,
                cli_bytes(st->round_pages * 4096, a), cli_bytes(rate, b),
                cli_bytes(st->dirty_pages_rate * 4096, c),
                cli_bytes(st->remaining_bytes, d),
                cli_time(st->expected_downtime_us, e));
    }
    pthread_mutex_unlock(&lock);
}

void cli_progress_break(void)
{
    pthread_mutex_lock(&lock);
    if ( line.width )
        fputc('\n', stderr);
    line.width = 0;
    pthread_mutex_unlock(&lock);
}

void cli_progress_end(struct xmig *s)
{
    pthread_mutex_lock(&lock);
    if ( line.on )
        xmig_set_progress(s, NULL, NULL);
    if ( line.width )
        fputc('\n', stderr);
    line.width = 0;
    line.on = false;
    pthread_mutex_unlock(&lock);
}

void cli_table(FILE *f, const struct xmig_stats *st, const char *guest)
{
    uint64_t rate = st->total_time_us ?
        st->transferred_bytes * 1000000 / st->total_time_us : 0;
    char a[32], b[32], c[32], d[32], e[32];

    fprintf(f, "  total time  %s (setup %s)\n",
            cli_time(st->total_time_us, a), cli_time(st->setup_time_us, b));
    if ( st->downtime_us )
    {
        fprintf(f, "  downtime    %s", cli_time(st->downtime_us, a));
        if ( st->expected_downtime_us )
            fprintf(f, " (predicted %s)",
                    cli_time(st->expected_downtime_us, a));
        fputc('\n', f);
        fprintf(f, "              suspend %s, last pages %s, state %s,"
                " commit %s, unpause %s\n", cli_time(st->suspend_us, a),
                cli_time(st->last_dirty_us, b), cli_time(st->state_us, c),
                cli_time(st->commit_us, d), cli_time(st->unpause_us, e));
    }
    fprintf(f, "  sent        %s", cli_bytes(st->transferred_bytes, a));
    if ( st->rounds )
        fprintf(f, " in %u round%s", st->rounds, st->rounds == 1 ? "" : "s");
    fprintf(f, ", %s/s\n", cli_bytes(rate, b));
    fprintf(f, "  pages       %"PRIu64" whole, %"PRIu64" zero, %"PRIu64
            " skipped\n", st->normal_pages, st->duplicate_pages,
            st->skipped_pages);
    if ( st->postcopy_pages )
    {
        fprintf(f, "  post-copy   %"PRIu64" pages: %"PRIu64" ahead, %"PRIu64
                " pushed, %"PRIu64" asked for, %"PRIu64" along with those, %"
                PRIu64" holes, %"PRIu64" twice\n", st->postcopy_pages,
                st->postcopy_first, st->postcopy_pushed,
                st->postcopy_demanded, st->postcopy_neighbours,
                st->postcopy_holes, st->postcopy_duplicates);
        fprintf(f, "  faults      %"PRIu64", median %s, 99 %% within %s, vCPUs"
                " waited %s\n", st->postcopy_requests,
                cli_time(st->fault_p50_us, a), cli_time(st->fault_p99_us, b),
                cli_time(st->postcopy_waited_us, c));
    }
    if ( st->cpu_throttle_percentage )
        fprintf(f, "  slowed down by %u %% at last, until it was suspended\n",
                st->cpu_throttle_percentage);
    fprintf(f, "  guest       %s\n", guest);
}
