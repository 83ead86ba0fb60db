/* SPDX-License-Identifier: LGPL-2.1-only */
/*
 * The outside client's report, for people or as one JSON object.
 */
#ifndef XMIG_EMU_NET_REPORT_H
#define XMIG_EMU_NET_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct net_ledger;

/* start_us, end_us: CLOCK_MONOTONIC; start_us 0 if no request was sent. */
void net_report(FILE *out, bool json, const struct net_ledger *l,
                uint64_t rate, uint64_t start_us, uint64_t end_us);

/* "good"; "bad": an acknowledged write was forgotten or an answer corrupt;
 * "unanswered": requests or the reading back at the end went unanswered. */
const char *net_verdict(const struct net_ledger *l);

/* The exit status that goes with it: 0, 3, 4. */
int net_verdict_status(const struct net_ledger *l);

#endif
