#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The receiver of a post-copy is killed while its guest needs both hosts: its
# holder keeps the guest, whichever receiver comes next hands the source's new
# connections over to it, and the guest goes on and judges its memory.  So it
# does when the link is cut, too, by TCP and by a command; with the holder
# killed as well the guest is lost, which is said at once, as it is when an
# operator says that the source is off for good.
# Timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192
host_start b --memory 192
xmig_opts=(-v)
at=a to=b moves=0
boot a w 'program=dirty size=24M rate=4M order=random fill=8M publish=50ms' 64 2
# Of the receiver that runs: its child.
holder_of() { pgrep -P "$1" -x xmig-holder; }
left() { run "$at" "$XMIG" status --json | tr -d ' \n' | sed -nE 's/.*"remaining":([0-9]+).*/\1/p'; }
below() { # BYTES; nothing is known of what has not begun
    local now
    now=$(left)
    [ "${now:-0}" -gt 0 ] && [ "$now" -lt "$1" ]
}
is_held() { run "$1" "$XMIG" status | grep -q held; }
drains() { run "$1" "$XMIG" status | grep -q drain; }
ended() { ! kill -0 "$1" 2>/dev/null; }
kill_receiver() {
    kill -9 "$(process_of "$receiver")"
    wait "$receiver" 2>/dev/null
}
# killed WHAT BYTES [OPTION...]: the receiver, with less than BYTES left.
killed() {
    local what=$1 bytes=$2
    shift 2
    receive $to
    migrate_bg $at w --postcopy --bandwidth 1 --json "$@"
    kill_at "$what" "$bytes"
}
kill_at() { # WHAT BYTES
    check "$1: it runs there" until_ok 60 below "$2" || logs
    holder=$(holder_of "$(process_of "$receiver")")
    check "$1: a holder waits beside the receiver" [ -n "$holder" ]
    children+=("$holder")
    # It goes on writing there.
    mv "$WORK/receive.out" "$WORK/holder.out"
    kill_receiver
}
hurry() { run $at "$XMIG" set w bandwidth=0 >/dev/null 2>&1; }
goes_on() { # WHAT
    until_ok 60 hurry
    sender_end
    same "$1: it moves" $status 0 || logs
    moves=$((moves + 1))
    check "$1: its holder has ended" until_ok 60 ended "$holder"
    matches "$1: and has said that it went on" "$(cat "$WORK/holder.out")" \
        'receiver of "w" has died, [0-9]+ MiB .*its holder goes on'
    dom=$(domid_of $to w)
    matches "$1: its memory is right" "$(right $to "$dom")" "resumes=$moves " || logs
    same "$1: nothing is left at the source" "$(domid_of $at w)" ''
    stop_receiver
    local t=$at
    at=$to to=$t
}

# ---- at several points -----------------------------------------------------------
# What is left at the end of its memory are zeros, which take no time.
for bytes in 66000000 $((52000 + RANDOM % 12000))000 $((52000 + RANDOM % 12000))000; do
    killed "killed below $bytes" "$bytes"
    check 'the guest is held there' until_ok 40 is_held $to || logs
    receive $to
    goes_on "below $bytes"
done

# The connections are the holder's: the receiver that has handed them over is
# not needed, nor is the next one.
killed 'three lanes' 65000000 --parallel 3
receive $to
check 'three lanes: it goes on' until_ok 60 drains $to
kill_receiver
receive $to
kill_receiver
receive $to
goes_on 'killed again and again'

# ---- the link is cut at the same time --------------------------------------------
receive $to
link_start 12000000-
migrate_bg $at w --postcopy --json --bandwidth 4
is_cut() { [ "$(link_cuts)" = 1 ]; }
check 'the link is cut, and stays so' until_ok 60 is_cut
kill_at 'cut' 70000000
old_port=$port
until ! listening "$old_port"; do nap 0.02; done
receive $to
same 'the next receiver listens there' $port "$old_port"
check 'cut: the guest is held there' until_ok 40 is_held $to || logs
kill -USR1 "$link"
goes_on cut
link_stop
unset link_port

# ---- by a command ------------------------------------------------------------------
mkdir "$WORK/bin"
cp "$TOP/tests/live/fake_ssh.py" "$WORK/bin/ssh"
# by_command WHAT [ENV=V...]: its receiver is killed while the guest runs there.
by_command() {
    local what=$1
    shift
    run $at env PATH="$WORK/bin:$PATH" SSH_WORK="$WORK" SSH_EMU="$EMU" \
        SSH_PATH="$B/bin:$PATH" "$@" "$XMIG" migrate --postcopy --bandwidth 1 w $to \
        >"$WORK/migrate.out" 2>&1 &
    sender=$!
    children+=("$sender")
    check "$what: it runs there" until_ok 60 below 60000000 || logs
    holder=$(pgrep -x xmig-holder | while read -r p; do
        grep -qzx "XMIG_EMU=$WORK/$to" "/proc/$p/environ" && echo "$p"; done)
    check "$what: a holder waits" [ -n "$holder" ]
    kill -9 "$(ps -o ppid= "$holder")"
}
came_by_command() { # WHAT
    until_ok 60 hurry
    sender_end
    same "$1: it moves" $status 0 || logs
    moves=$((moves + 1))
    dom=$(domid_of $to w)
    matches "$1: its memory is right" "$(right $to "$dom")" "resumes=$moves "
    check "$1: its holder has ended" until_ok 60 ended "$holder"
    local t=$at
    at=$to to=$t
}
by_command 'by a command'
came_by_command 'by a command'
# The source is back before the holder is: whom it comes to leaves the place to
# the holder.  So it does when somebody else is still there.
late='SSH_FAULT=evtchn nth=2 delay=3000'
by_command 'a late holder' "$late"
came_by_command 'a late holder'
by_command 'its place is taken' "$late"
check 'its place is taken: the holder asks who is there' "$TOP/tests/live/squat.py" \
    "$(echo "$WORK/$to/xmig/attach/"*)" "$holder"
came_by_command 'its place is taken'

# ---- the source is told that nothing will come ---------------------------------------
mkdir "$WORK/spill"
receive_opts=(--postcopy-spill "$WORK/spill" --recover-timeout 1s)
whole() { run $at "$XMIG" status w | grep -q 'spill: whole'; }
receive $to
migrate_bg $at w --postcopy --bandwidth 1 --postcopy-spill "$WORK/spill"
check 'a spill is whole' until_ok 60 whole
kill_at 'both receiver and source die' 70000000
kill -9 "$(process_of "$sender")"
wait "$sender"
check 'the holder goes on with the spill' until_ok 60 ended "$holder"
moves=$((moves + 1))
dom=$(domid_of $to w)
matches 'its memory is right' "$(right $to "$dom")" "resumes=$moves "
receive $to
run $at "$XMIG" recover >"$WORK/recover.out" 2>&1
same 'recover at the source finds that all is there' "$?$(domid_of $at w)" 0 ||
    diag "$(cat "$WORK/recover.out")"
stop_receiver
receive_opts=()
t=$at at=$to to=$t

# ---- before the guest runs there ------------------------------------------------------
receive $to
migrate_bg $at w --postcopy-after-precopy --bandwidth 1 --recover-timeout 1s
incoming() { [ -n "$(domid_of $to w--incoming)" ]; }
check 'a domain is being filled' until_ok 60 incoming
lives() { run "$at" "$XMIG" status | grep -q live; }
check 'its guest runs at the source' until_ok 60 lives
kill_receiver
sender_end
same 'the receiver is killed then: the guest stays at the source' $status 2 || logs
gone() { [ -z "$(domid_of $to w)$(domid_of $to w--incoming)" ]; }
check 'and the holder leaves nothing at the destination' until_ok 20 gone

# ---- the holder is killed -------------------------------------------------------------
receive $to
migrate_bg $at w --postcopy --bandwidth 1 --json
check 'once more it runs there' until_ok 60 below 60000000 || logs
kill -9 "$(holder_of "$(process_of "$receiver")")"
hurry
sender_end
same 'only its holder is killed: it moves' $status 0 || logs
moves=$((moves + 1))
dom=$(domid_of $to w)
matches 'its memory is right' "$(right $to "$dom")" "resumes=$moves "
stop_receiver
t=$at at=$to to=$t
receive $to
migrate_bg $at w --postcopy --bandwidth 1
check 'once more it runs there' until_ok 60 below 60000000 || logs
kill -9 "$(holder_of "$(process_of "$receiver")")"
kill_receiver
receive $to
sender_end
same 'both are killed: the source says that the guest is lost' $status 6 || logs
check 'nothing of it stays at the destination' until_ok 20 gone
same 'nor at the source' "$(domid_of $at w)" ''
matches 'the next receiver says how much of it was missing' \
    "$(cat "$WORK/receive.out")" 'is lost: [0-9]+ pages .* still at its source'
stop_receiver

# ---- its source is off for good ---------------------------------------------------------
boot $at w 'program=dirty size=24M rate=4M order=random fill=8M publish=50ms' 64 2
receive $to
migrate_bg $at w --postcopy --bandwidth 1
kill_at 'and then the source dies' 70000000
kill -9 "$(process_of "$sender")"
wait "$sender"
host_stop $at
check 'the guest is held there' until_ok 40 is_held $to
run $to "$XMIG" recover w >"$WORK/recover.out" 2>&1
check 'recover alone leaves it to its holder' is_held $to ||
    diag "$(cat "$WORK/recover.out")"
run $to "$XMIG" recover --fenced w >"$WORK/recover.out" 2>&1
same 'an operator says so to its holder: it is lost' $? 6 || diag "$(cat "$WORK/recover.out")"
matches 'and how much of it was missing' "$(cat "$WORK/recover.out")" 'is lost: [0-9]+ MiB'
check 'its holder has ended' until_ok 20 ended "$holder"
check 'nothing of it stays there' until_ok 20 gone
done_testing
