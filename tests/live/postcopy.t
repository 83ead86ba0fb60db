#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Post-copy and the hybrid: guests run at the destination before their memory
# is there, and judge it; every page comes exactly once; what is refused is
# refused beforehand, and a failure before GO leaves the guest at the source.
# Timeout: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
. "$(dirname "$0")/postcopy.sh"

host_start a --memory 320
host_start b --memory 320

ahead() { check "$1: what vCPUs need first went ahead ($(part first))" [ "$(part first)" -gt 1 ]; }
faults() { check "$1: vCPUs have waited for pages ($(part requests))" [ "$(part requests)" -gt 0 ]; }

# ---- pure post-copy ----------------------------------------------------------
kind idle 'program=idle fill=24M' 1 --postcopy
ahead idle
kind dirty 'program=dirty size=24M rate=60M order=random' 2 --postcopy
faults dirty
kind balloon 'program=dirty size=8M rate=20M balloon=12M balloon-period=5ms' 2 --postcopy
kind lanes 'program=dirty size=24M rate=60M order=zipf' 2 --postcopy --parallel 3
kind straight 'program=dirty size=16M order=sequential' 1 --postcopy --prepaging off --fault-neighbours 0

# ---- hybrid, by each of its triggers -------------------------------------------
again() { # WHAT: pages travelled twice, as they were written in the pre-copy
    local sent=$(($(figure normal) + $(figure duplicate)))
    check "$1: pages were written in the pre-copy and sent again" \
        [ $sent -gt $(($(figure total) / 4096)) ]
}
greedy='program=dirty size=24M order=random'
kind 'after rounds' "$greedy" 2 --postcopy-after-precopy --postcopy-rounds 2 \
    --bandwidth 100
same 'it were two rounds' "$(figure dirty-sync-count)" 2
again 'after rounds'
kind stalled "$greedy" 2 --postcopy-after-precopy --bandwidth 40 \
    --downtime-limit 1
again stalled
# What it writes to until it stands still is left absent in the pause, not sent;
# one that gets through all of its memory before writes to nothing new.
for rate in 1000M 400M 200M 100M 60M 20M; do
    boot a w "program=dirty size=160M rate=$rate order=sequential publish=100ms" 256 1
    receive b -- --once
    run a "$XMIG" -vvv migrate --json --postcopy-after-precopy \
        --postcopy-rounds 1 w "127.0.0.1:$port" >"$WORK/migrate.out" \
        2>"$WORK/migrate.err"
    status=$?
    receiver_end
    same "$rate a second: it moves" $status 0 || diag "$(cat "$WORK/migrate.err")"
    dom=$(domid_of b w)
    matches "$rate a second: its memory is right" "$(right b "$dom")" 'resumes=1 '
    accounts "$rate a second"
    destroy b "$dom"
    left=$(sed -n 's/.*left in the switch-over: \([0-9]*\) gfns.*/\1/p' "$WORK/migrate.err")
    [ "${left:-0}" = 0 ] || break
done
check "pages were left absent in the pause (${left:-0})" [ "${left:-0}" -gt 0 ]
# Nothing is left when it is to be post-copy: it ends as a pre-copy does.
boot a w 'program=idle' 64 1
move a b w --postcopy-after-precopy --postcopy-rounds 2 --downtime-limit 1ms
same 'nothing left: it moves' $status 0 || logs
diag "nothing left: $(part pages) pages, $(figure total-time) ms"
check 'nothing left: and nobody waits for anything' [ "$(figure total-time)" -lt 5000 ]
matches 'nothing left: its memory is right' "$(right b "$dom")" 'resumes=1 '
destroy b "$dom"
kind timeout 'program=dirty size=24M order=random fill=16M' 2 \
    --timeout 1 --timeout-postcopy --bandwidth 16 --downtime-limit 1
# But for the answers and a tenth of a second's worth.
capped=$(($(figure transferred) - ($(part demanded) + $(part neighbours)) * 4200))
least=$((capped * 1000 / (16 << 20) - 100))
check "timeout: the push keeps to the cap ($(figure total-time) of $least ms)" \
    [ "$(figure total-time)" -ge $least ]

receive b -- --once
boot a w "$greedy publish=100ms" 64 2
migrate_bg a w --json --postcopy-ready --bandwidth 8 --downtime-limit 1 --max-iters 1000
check 'a migration that waits for the word' \
    until_ok 20 sh -c "'$EMU' run '$WORK/a' -- '$XMIG' status | grep -q live"
run a "$XMIG" set bandwidth=0 >"$WORK/out" 2>&1
run a "$XMIG" postcopy w >"$WORK/out" 2>&1
same 'xmig postcopy gives it' $? 0
sender_end
receiver_end
same 'by command: it moves' $status 0 || logs
dom=$(domid_of b w)
matches 'by command: its memory is right' "$(right b "$dom")" 'resumes=1 '
accounts 'by command'
destroy b "$dom"

# ---- while it runs there, and pages are here --------------------------------------
boot a w 'program=dirty size=16M rate=1M fill=40M publish=100ms' 64 2
receive b -- --once
migrate_bg a w --json --postcopy --bandwidth 1
draining() { run a "$XMIG" status | grep -q drain; }
check 'a slow post-copy is under way' until_ok 20 draining
run a "$XMIG" cancel w >"$WORK/out" 2>&1
check 'it is not cancelled any more' [ $? -ne 0 ]
matches 'as neither host has all of it' "$(cat "$WORK/out")" 'neither host has all'
run b "$XMIG" cancel >"$WORK/out" 2>&1
check 'at the other end neither' [ $? -ne 0 ]
run a "$XMIG" postcopy w >"$WORK/out" 2>&1
matches 'nor is it asked twice' "$(cat "$WORK/out")" 'too late'
# Whatever its name is by now.
there=$("$EMU" list "$WORK/b" | awk 'NR > 1 && $2 != 0 { print $2 }')
run b "$XMIG" migrate "$there" 127.0.0.1:1 >"$WORK/out" 2>&1
check 'a second migration meanwhile is refused' [ $? -ne 0 ]
matches 'and why' "$(cat "$WORK/out")" 'of its pages are absent'
run a "$XMIG" set w bandwidth=0 >/dev/null
sender_end
receiver_end
same 'it comes to its end' $status 0 || logs
dom=$(domid_of b w)
matches 'and the memory is right' "$(right b "$dom")" 'resumes=1 '
accounts slow
destroy b "$dom"

# ---- the destination's last word ---------------------------------------------------
# It closes connections when it has all: a source that sees that first is busy,
# not abandoned.
boot a w 'program=dirty size=8M rate=20M publish=100ms' 32 1
receive b -- --once
mkfifo "$WORK/go_on"
run a "$B/tests/live/last_word" "$port" "$dom" \
    <"$WORK/go_on" >"$WORK/last_word.out" 2>&1 &
busy=$!
exec 4>"$WORK/go_on"
check 'the engine at the source looks away' until_ok 20 \
    grep -qx split "$WORK/last_word.out"
has_all() { [ "$(domains b)" = w ]; }
check 'the destination has all and goes on' until_ok 20 has_all
echo >&4
wait $busy
same 'the source believes its last word' $? 0 ||
    diag "$(cat "$WORK/last_word.out")"
exec 4>&-
receiver_end
same 'nothing is left there' "$(domains a)" ''
destroy b "$(domid_of b w)"

# ---- killed while the guest may not populate memory ---------------------------------
DO=$B/tests/live/domdo
limit() { run a "$DO" maxmem "$dom"; }
notes() { run a xenstore-ls /tool/xmig 2>/dev/null | grep -c max-mem-; }
boot a w 'program=idle publish=100ms' 64 1
own=$(limit)
receive b
"$EMU" fault "$WORK/a" 'domctl:max_mem nth=1 delay=1500'
migrate_bg a w --postcopy
noted() { [ "$(notes)" = 1 ]; }
check 'what its limit is stands in xenstore' until_ok 20 noted
kill -9 "$(process_of "$sender")"
sender_end
lowered() { [ "$(limit)" -lt "$own" ]; }
check 'killed: the limit is lowered' until_ok 20 lowered
run a "$XMIG" recover >"$WORK/out" 2>&1
same 'recover gives it back' "$(limit)" "$own" || diag "$(cat "$WORK/out")"
same 'and keeps no note' "$(notes)" 0
check 'the guest goes on' lives a "$dom"
stop_receiver

done_testing
