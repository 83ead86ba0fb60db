#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# A guest that writes faster than is sent is slowed down by the hypervisor's
# own scheduler: it gets there, it runs freely there, and a migration that is
# killed leaves a cap that xmig recover takes away.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
hosts

OPTIONS=(--auto-converge --bandwidth 10 --downtime-limit 300 --max-iters 60
    --io-timeout 300s)
cap() { on "$1" xl sched-credit2 -d w | awk 'END { print $4 }'; } # HOST
guest A w memory=128 dirty=16 rate=8000
check 'a domain that libxl does not know' \
    on A sh -c 'xmig save w /tmp/f && xmig restore /tmp/f && rm /tmp/f'
happy 'before' A w
same 'it has no cap' "$(cap A)" 0
receive B --io-timeout 300s

in_background A xmig migrate "${OPTIONS[@]}" w B:8002
capped() { [ "$(cap A)" -gt 0 ]; }
check 'it is slowed down' eventually 120 capped
on A sh -c 'kill -9 $(pidof xmig)'
wait "$child"
check 'killed: the cap stays' capped
check 'recover' on A xmig recover
same 'takes it away' "$(cap A)" 0
happy 'killed' A w
bare 'killed' B

check 'slowed down, it moves' xmig_move A B w "${OPTIONS[@]}"
matches 'by how much is said' "$(cat "$WORK/sent")" 'slowed down by [0-9]+ %'
diag "$(cat "$WORK/sent")"
happy 'moved' B w
same 'it runs freely there' "$(cap B)" 0
kill_receiver B
gone B w
done_testing
