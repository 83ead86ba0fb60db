/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * Prints what the outside client's book says.  Gaps are given by when they
 * began, counted from the first request.
 */
#include "net_ledger.h"
#include "net_report.h"

static unsigned int keys_written(const struct net_ledger *l)
{
    unsigned int n = 0;

    for ( uint32_t key = 0; key < NET_KEYS; key++ )
        n += l->key_known[key] != 0;
    return n;
}

static unsigned int keys_read_back(const struct net_ledger *l)
{
    unsigned int n = 0;

    for ( uint32_t key = 0; key < NET_KEYS; key++ )
        n += l->key_known[key] && l->key_audited[key];
    return n;
}

int net_verdict_status(const struct net_ledger *l)
{
    if ( l->acked_lost || l->corrupt )
        return 3;
    if ( l->lost || !l->answered || keys_read_back(l) != keys_written(l) )
        return 4;
    return 0;
}

const char *net_verdict(const struct net_ledger *l)
{
    int status = net_verdict_status(l);

    return status == 3 ? "bad" : status == 4 ? "unanswered" : "good";
}

static void report_json(FILE *out, const struct net_ledger *l, uint64_t rate,
                        uint64_t start_us, uint64_t end_us)
{
    const struct net_hist *h = &l->latency;

    fprintf(out, "{\"session\": \"%016lx\", \"rate\": %lu,"
            " \"start_us\": %lu, \"duration_us\": %lu,\n"
            " \"sent\": %lu, \"answered\": %lu, \"retries\": %lu,"
            " \"lost\": %lu, \"duplicates\": %lu,\n"
            " \"out_of_order\": %lu, \"corrupt\": %lu, \"foreign\": %lu,"
            " \"acked_lost\": %lu,\n"
            " \"keys_written\": %u, \"keys_read_back\": %u,\n",
            l->session, rate, start_us, start_us ? end_us - start_us : 0,
            l->sent, l->answered, l->retries, l->lost, l->duplicates,
            l->out_of_order, l->corrupt, l->foreign, l->acked_lost,
            keys_written(l), keys_read_back(l));
    fprintf(out, " \"latency_us\": {\"min\": %lu, \"p50\": %lu,"
            " \"p90\": %lu, \"p99\": %lu, \"p999\": %lu, \"max\": %lu},\n"
            " \"late_max_us\": %lu, \"longest_gap_us\": %lu, \"gaps\": [",
            h->min_us, net_hist_permille(h, 500), net_hist_permille(h, 900),
            net_hist_permille(h, 990), net_hist_permille(h, 999), h->max_us,
            l->late_max_us, l->gap[0].length_us);
    for ( unsigned int i = 0; i < NET_LEDGER_GAPS && l->gap[i].length_us; i++ )
        fprintf(out, "%s{\"at_us\": %lu, \"length_us\": %lu}", i ? ", " : "",
                l->gap[i].start_us - start_us, l->gap[i].length_us);
    fprintf(out, "],\n \"verdict\": \"%s\"}\n", net_verdict(l));
}

static void report_text(FILE *out, const struct net_ledger *l, uint64_t rate,
                        uint64_t start_us, uint64_t end_us)
{
    const struct net_hist *h = &l->latency;

    fprintf(out, "requests: %lu sent at %lu/s in %.3f s, %lu answered,"
            " %lu repeated, %lu lost\n", l->sent, rate,
            start_us ? (end_us - start_us) / 1e6 : 0.0, l->answered,
            l->retries, l->lost);
    fprintf(out, "answers:  %lu duplicate, %lu out of order, %lu corrupt\n",
            l->duplicates, l->out_of_order, l->corrupt);
    fprintf(out, "latency:  min %.3f  median %.3f  p90 %.3f  p99 %.3f"
            "  p99.9 %.3f  max %.3f ms; the client itself up to %.3f ms"
            " late\n", h->min_us / 1e3, net_hist_permille(h, 500) / 1e3,
            net_hist_permille(h, 900) / 1e3, net_hist_permille(h, 990) / 1e3,
            net_hist_permille(h, 999) / 1e3, h->max_us / 1e3,
            l->late_max_us / 1e3);
    fprintf(out, "gaps:    ");
    for ( unsigned int i = 0; i < NET_LEDGER_GAPS && l->gap[i].length_us; i++ )
        fprintf(out, " %.3f ms at %.3f s%s", l->gap[i].length_us / 1e3,
                (l->gap[i].start_us - start_us) / 1e6,
                i + 1 < NET_LEDGER_GAPS && l->gap[i + 1].length_us ? "," : "");
    fprintf(out, "\nmemory:   %lu answers lacked an acknowledged write;"
            " %u of %u keys read back\n", l->acked_lost, keys_read_back(l),
            keys_written(l));
    fprintf(out, "verdict:  %s\n", net_verdict(l));
}

void net_report(FILE *out, bool json, const struct net_ledger *l,
                uint64_t rate, uint64_t start_us, uint64_t end_us)
{
    if ( json )
        report_json(out, l, rate, start_us, end_us);
    else
        report_text(out, l, rate, start_us, end_us);
    fflush(out);
}
