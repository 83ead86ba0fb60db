#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# An emulated host survives clients that send it rubbish, several at a time,
# and loses no memory by them.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

host_start a --memory 64
for seed in 1 2 3; do
    check "seed $seed" run a timeout 100 \
        "$B/tests/live/emu_abuse" "$WORK/a" "$seed" "${ROUNDS:-40}"
done
check 'the host still runs a guest' create a "$(cfg worker program=idle 24)"
check '... and stops in order' host_stop a
done_testing
