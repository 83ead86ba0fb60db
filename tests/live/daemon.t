#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Two daemons, one process each, exchange two guests each: each has four
# migrations at once, two a way.  The guests are judged afterwards.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192
host_start b --memory 192
domids_a='' domids_b=''
for name in one two; do
    boot a $name 'program=dirty size=8M rate=40M order=random publish=100ms' 24 1
    domids_a+=" $dom"
done
for name in three four; do
    boot b $name 'program=dirty size=8M rate=40M order=zipf publish=100ms' 24 1
    domids_b+=" $dom"
done
while listening $port || listening $((port + 1)); do port=$((port + 2)); done
for h in a b; do mkfifo "$WORK/$h.in"; done
# shellcheck disable=SC2086
run a "$B/tests/live/daemon" $port $((port + 1)) $domids_a \
    <"$WORK/a.in" >"$WORK/a.out" 2>&1 &
pid_a=$!
# shellcheck disable=SC2086
run b "$B/tests/live/daemon" $((port + 1)) $port $domids_b \
    <"$WORK/b.in" >"$WORK/b.out" 2>&1 &
pid_b=$!
children+=("$pid_a" "$pid_b")
exec 7>"$WORK/a.in" 8>"$WORK/b.in"
until_ok 30 listening $port && until_ok 30 listening $((port + 1)) ||
    bail 'no daemons' "$(cat "$WORK/a.out" "$WORK/b.out")"
echo >&7
echo >&8
done_at() { [ "$(grep -c : "$WORK/$1.out")" = 4 ]; }
check 'four migrations end at the one' until_ok 120 done_at a
check 'and at the other' until_ok 120 done_at b
exec 7>&- 8>&-
wait $pid_a
same 'all of them well' $? 0 || diag "$(cat "$WORK/a.out")"
wait $pid_b
same 'at both' $? 0 || diag "$(cat "$WORK/b.out")"
for pair in a:three a:four b:one b:two; do
    h=${pair%:*} name=${pair#*:}
    there() { dom=$(domid_of "$h" "$name"); [ -n "$dom" ]; }
    until_ok 20 there
    check "$name is at $h" [ -n "$dom" ]
    matches "$name finds its memory right" \
        "$(await "$h" "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '
done
for h in a b; do
    same "no other domain is at $h" "$("$EMU" list "$WORK/$h" | awk 'NR > 1 && $2 != 0' | wc -l)" 2
    same "no journal is open at $h" "$(grep -L -E 'state=(DONE|RESUMED|ABANDONED) ' "$WORK/$h/xmig/"*.* 2>/dev/null)" ''
done
done_testing
