#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Two migrations at once from one process, with policy and events of its own;
# the guests are judged afterwards.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192
host_start b --memory 192
boot a one 'program=dirty size=8M rate=60M order=random publish=100ms' 32 1
one=$dom
boot a two 'program=dirty size=8M rate=60M order=random publish=100ms' 32 1
two=$dom
receive b
check 'both end as they should' run a "$B/tests/live/callbacks" "$port" "$one" "$two" ||
    diag "$(cat "$WORK/receive.out")"
arrived() { there=$(domid_of b one); [ -n "$there" ]; }
until_ok 20 arrived
matches 'the one that moved finds its memory right' \
    "$(await b "$there" 'data/verdict=ok*' 60)" 'resumes=1 '
check 'the other one goes on' \
    "$EMU" wait --node data/writes --change --timeout 20 "$WORK/a" "$two"
only_one() { [ "$("$EMU" list "$WORK/b" | awk 'NR > 1 && $2 != 0 { print $1 }' | xargs)" = one ]; }
check 'and is not at the destination' until_ok 20 only_one
stop_receiver
done_testing
