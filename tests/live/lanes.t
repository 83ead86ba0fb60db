#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate at its most concurrent, yet short enough for the thread
# sanitizer: a guest of three vCPUs that writes as it goes moves there and
# back over one and several lanes, under both kinds of dirty log, and one
# migration is watched, steered and cancelled in its midst.  First accesses to
# pages are taken to be dear and cheap, whichever they are here.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192 --dirty-log async
host_start b --memory 192 --dirty-log sync
boot a w 'program=dirty size=24M rate=40M order=random zero=20 publish=200ms' \
    64 3

here=a there=b moves=0
xmig_opts=(-vvv) sender_opts=(-vvv)
buffers() { grep -c 'dear, so pages go by a buffer' "$WORK/migrate.out"; }
helpers() { grep -c 'dear, so a second thread' "$WORK/receive.out"; }
for how in '1 dear' '4 cheap' '3 dear' '2 cheap'; do
    read -r lanes access <<<"$how"
    receive_opts=(--first-access "$access")
    move $here $there w --lanes $lanes --first-access $access
    moves=$((moves + 1))
    same "it moves from $here to $there over $lanes lanes" $status 0 || logs
    [ $access = dear ] || lanes=0
    same "its pages go by a buffer on $lanes of them" "$(buffers)" $lanes
    same 'and one thread is ahead where they are placed, or none' \
        "$(helpers)" $((lanes > 0))
    read -r here there <<<"$there $here"
    matches 'and finds its memory right' \
        "$(await $here "$dom" 'data/verdict=ok*' 120)" "resumes=$moves "
done

placing() { [ "$(domid_of b w--incoming)" ]; }
receive b
migrate_bg a w --bandwidth 8 --lanes 3
check 'another one begins' until_ok 30 placing
run a "$XMIG" status --watch --json --interval 50 w >"$WORK/watch.out" 2>&1 &
watcher=$!
children+=("$watcher")
check 'it is seen at both ends' run b "$XMIG" status w
check 'its speed is changed' run a "$XMIG" set w bandwidth=16 max-iters=1000
seen() { [ "$(grep -c . "$WORK/watch.out")" -ge 3 ]; }
check 'and it is watched' until_ok 30 seen
kill -INT "$(process_of "$sender")"
sender_end
wait "$watcher"
same 'the watcher hears of the end' $? 2
same 'cancelled, it fails with the guest where it was' $status 2 || logs
matches 'and says so' "$(cat "$WORK/migrate.out")" 'cancel'
check 'it goes on' "$EMU" wait --node data/writes --change "$WORK/a" "$dom"
nothing_there() { [ -z "$("$EMU" list "$WORK/b" | awk 'NR > 1 && $2 != 0')" ]; }
check 'nothing is left at the destination' until_ok 30 nothing_there
stop_receiver
same 'the receiver ends when asked to' $receiver_status 0 || logs
done_testing
