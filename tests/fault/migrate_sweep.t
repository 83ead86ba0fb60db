#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# A guest of 16 MiB moves between two hosts that are used again and again,
# with one call failing each time: see sweep.c.  SWEEP="--full" takes every
# call with every error; SWEEP="--only write" some sweeps.
# Timeout: 600
. "$(dirname "$0")/../live/lib.sh"

for h in a b; do host_start $h --memory 96; done
dom=$(create a "$(cfg worker \
    'program=dirty size=4M rate=40M publish=10ms' 16 2)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
# shellcheck disable=SC2086
run a "$B/tests/fault/sweep" ${SWEEP-} "$WORK/a" "$WORK/b" "$EMU"
