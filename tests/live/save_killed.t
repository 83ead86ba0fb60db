#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# A save whose process is killed: xmig recover resumes its guest, or ends the
# copy here when the image was whole.  A save that runs is left alone.
# Timeout: 200
. "$(dirname "$0")/lib.sh"
XMIG=$B/bin/xmig

host_start a --memory 256
xmig() { run a "$XMIG" --state-dir "$WORK/state" "$@"; }
state_of() { xmig list "$1" | awk 'NR == 2 { print $5 }'; }
verdict() { await a "$1" "data/verdict=$2" 60; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/a" "$1"; }
# The program itself, below the launcher that the shell started.
kill_saver() {
    kill -9 "$(pgrep -P "$saver" -x xmig || echo "$saver")"
    wait "$saver" 2>/dev/null
}
says() { grep -q "^state=$1 " "$WORK"/state/*.source; }

dom=$(create a "$(cfg w 'program=dirty size=8M rate=20M publish=100ms' 32)") ||
    bail 'create failed'
await a "$dom" data/state=running 60 >/dev/null || bail 'no guest'

# ---- in mid-way ----------------------------------------------------------------
# A pipe that nobody empties holds it there.
mkfifo "$WORK/pipe"
exec 5<>"$WORK/pipe"
xmig save w - >"$WORK/pipe" 2>"$WORK/out" &
saver=$!
children+=("$saver")
check 'a save under way holds its guest' eventually 30 \
    sh -c "$(declare -f says); WORK=$WORK; says SUSPENDING"
eventually 30 [ "$(state_of w)" = '---s--' ]
check 'recover leaves it alone' xmig recover
same 'it is still suspended' "$(state_of w)" '---s--'
refuse 'another save is refused' 'is suspended' \
    xmig save w "$WORK/other"
kill_saver
same 'a save that is killed leaves its guest suspended' "$(state_of w)" '---s--'
refuse 'a migration says what to do' 'xmig recover' xmig migrate w 127.0.0.1:1
check 'recover resumes it' xmig recover
matches 'the guest finds its memory right' "$(verdict "$dom" 'ok*')" 'cancels=1 '
check 'and goes on' lives "$dom"
same 'no journal is left' "$(ls "$WORK/state")" ''
exec 5>&-

# ---- behind the last byte ------------------------------------------------------
"$EMU" fault "$WORK/a" 'domctl:destroydomain nth=1 delay=2000'
xmig save w "$WORK/file" >"$WORK/out" 2>&1 &
saver=$!
children+=("$saver")
check 'the image is whole' eventually 60 \
    sh -c "$(declare -f says); WORK=$WORK; says WRITTEN"
kill_saver
check 'recover ends the copy here' xmig recover
gone() { [ -z "$(domid_of a w)" ]; }
check 'which is gone' eventually 10 gone
same 'with its nodes' "$(store a "/local/domain/$dom/name")" ''
same 'no journal is left' "$(ls "$WORK/state")" ''
file=$(ls "$WORK"/file*)
check 'its file restores' xmig restore "$file"
matches 'with its memory right' \
    "$(verdict "$(domid_of a w)" 'ok*')" 'resumes=1 '
done_testing
