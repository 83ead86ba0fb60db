#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# What a guest does, and an operator with it, while its memory is split: it
# crashes, powers off, is paused or destroyed, is to be saved.  The push goes
# on, and ends; a guest that is destroyed leaves nothing at either end.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
DO=$B/tests/live/domdo

host_start a --memory 128
host_start b --memory 128

draining() { run a "$XMIG" status | grep -q drain; }
there() { "$EMU" list "$WORK/$1" | awk 'NR > 1 && $2 != 0 { print $2 }'; }
left() { # absent pages, as the source knows them
    run a "$XMIG" status --json | grep -oE '"remaining": ?[0-9]+' | grep -oE '[0-9]+$'
}
split() { # WHAT: a guest whose memory is on both hosts
    boot a w 'program=dirty size=12M rate=20M fill=24M publish=50ms' 64 2
    receive b -- --once
    migrate_bg a w --json --postcopy --bandwidth 1
    until_ok 60 draining || bail "$1: it does not come to the split" \
        "$(cat "$WORK/migrate.out" "$WORK/receive.out")"
    dom=$(there b)
}
finish() { # WHAT: quickly now
    check "$1: memory was missing still" [ "$(left)" -gt 1000000 ]
    run a "$XMIG" set w bandwidth=0 >/dev/null
    sender_end
    receiver_end
    same "$1: the migration ends well" $status 0 || logs
    same "$1: at the destination, too" $receiver_status 0
    same "$1: nothing is left at the source" "$(there a)" ''
}
state() { # the letters of xl list
    "$EMU" list "$WORK/b" | awk -v d="$dom" '$2 == d { print $5 }'
}
right() { "$EMU" wait --node "data/verdict=ok*" --timeout 60 "$WORK/b" "$dom"; }
over() { "$EMU" destroy "$WORK/b" "$dom"; }

split crash
run b "$DO" crash "$dom"
finish crash
matches 'crash: it is there as it crashed' "$(state)" c
same 'crash: under its name' "$(domid_of b w)" "$dom"
over

split 'power off'
run b "$DO" poweroff "$dom"
finish 'power off'
matches 'power off: it is there, shut down' "$(state)" s
over

split pause
run b "$DO" pause "$dom"
finish pause
matches 'pause: it is paused still' "$(state)" p
run b "$DO" unpause "$dom"
matches 'pause: unpaused, it finds its memory right' "$(right)" 'resumes=1 '
over

split suspend
run b xenstore-write "/local/domain/$dom/control/shutdown" suspend
check 'suspend: it does' "$EMU" wait --shutdown "$WORK/b" "$dom"
finish suspend
matches 'suspend: it is suspended still' "$(state)" s
over

split save
run b "$XMIG" save "$dom" "$WORK/w.save" >"$WORK/out" 2>&1
check 'a save is refused' [ $? -ne 0 ]
matches 'and why' "$(cat "$WORK/out")" 'are absent|at its source'
kill -TERM "$(process_of "$receiver")"
finish save
matches 'refused: it finds its memory right' "$(right)" 'resumes=1 '
over

split destroy
run b "$DO" destroy "$dom"
sender_end
receiver_end
same 'destroyed: the migration ends' $status 0 || logs
for f in migrate receive; do
    matches "destroyed: and $f says what became of it" "$(cat "$WORK/$f.out")" \
        '"w" was destroyed .*before all of its memory had come'
done
check 'destroyed: and not that it runs there' sh -c "! grep 'runs here' '$WORK/receive.out'"
same 'destroyed: nothing is left at the source' "$(there a)" ''
same 'destroyed: nor at the destination' "$(there b)" ''

done_testing
