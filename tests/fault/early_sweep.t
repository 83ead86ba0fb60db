#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# As migrate_sweep.t, with GO going with the state (docs/design.md, "Early
# GO"): a choice of what may break a connection or end a process then.
# Timeout: 600
. "$(dirname "$0")/../live/lib.sh"

for h in a b; do host_start $h --memory 96; done
dom=$(create a "$(cfg worker \
    'program=dirty size=4M rate=40M publish=10ms' 16 2)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
# shellcheck disable=SC2086
run a "$B/tests/fault/sweep" --early-go --points 24 ${SWEEP-} "$WORK/a" "$WORK/b" "$EMU"
