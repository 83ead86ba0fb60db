#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# An emulated host survives clients that send it rubbish, several at a time,
# and loses no memory by them.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

host_start a --memory 64
abuse() {
    run a timeout 100 "$B/tests/live/emu_abuse" "$WORK/a" "$1" \
        "${ROUNDS:-40}" "${@:2}"
}
several() {
    local seed pids=() rc=0
    for seed in "$@"; do
        abuse "$seed" together &
        pids+=($!)
    done
    for seed in "${pids[@]}"; do wait "$seed" || rc=1; done
    return $rc
}
check 'seed 1' abuse 1
check 'seeds 2, 3 and 4 together' several 2 3 4
check 'seed 5, after all others' abuse 5
check 'the host still runs a guest' create a "$(cfg worker program=idle 24)"
check '... and stops in order' host_stop a
done_testing
