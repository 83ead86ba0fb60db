#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The switch and the outside client as programs, against a stand-in for the
# server that moves, falls silent, forgets or stalls on purpose.
# Timeout: 120
set -u

mac=00:16:3e:00:00:09
sw=$TMPDIR/switch.sock
number=0 pids=()
trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT

ok() { # STATUS TEXT
    number=$((number + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $number - $2"
    else
        echo "not ok $number - $2"
        sed 's/^/# /' "$TMPDIR/report" "$TMPDIR/switch.err" 2>/dev/null
    fi
}

# One line from a program that says when it is ready; at most 10 s.
wait_ready() { read -r -t 10 _ <"$1"; }

start_switch() {
    rm -f "$TMPDIR/fifo"; mkfifo "$TMPDIR/fifo"
    xmig-emu-switch --socket "$sw" --ready-fd 3 --verbose \
        3>"$TMPDIR/fifo" 2>>"$TMPDIR/switch.err" &
    switch=$!
    pids+=("$switch")
    wait_ready "$TMPDIR/fifo"
}

start_echo() {
    rm -f "$TMPDIR/fifo"; mkfifo "$TMPDIR/fifo"
    "$B/tests/live/net_echo" "$sw" "$mac" "$@" >"$TMPDIR/fifo" &
    echo=$!
    pids+=("$echo")
    wait_ready "$TMPDIR/fifo"
}

stop() { kill "$1" 2>/dev/null; wait "$1" 2>/dev/null; }

client() {
    xmig-emu-client --switch "$sw" --mac "$mac" --json "$@" \
        >"$TMPDIR/report" 2>&1
}

field() {
    sed -n "s/.*\"$1\": \"\{0,1\}\([^,\"}]*\).*/\1/p" "$TMPDIR/report" |
        head -n 1
}

echo 1..15

start_switch
ok $? 'the switch comes up'
xmig-emu-switch --socket "$sw" 2>"$TMPDIR/second.err"
[ $? -eq 1 ] && grep -q 'in use' "$TMPDIR/second.err"
ok $? 'a second switch on one socket is refused'

start_echo
client --rate 500 --count 1000 --timeline "$TMPDIR/t.csv"
rc=$?
[ $rc -eq 0 ] && [ "$(field verdict)" = good ] &&
    [ "$(field answered)" = 1000 ] && [ "$(field acked_lost)" = 0 ] &&
    [ "$(field keys_read_back)" = 128 ]
ok $? 'an honest server: all answered, all keys read back, verdict good'
[ "$(wc -l <"$TMPDIR/t.csv")" -eq 1001 ] &&
    [ "$(head -n 1 "$TMPDIR/t.csv")" = number,sent_us,latency_us ]
ok $? 'the timeline has a line for every answer'
# Sending follows the clock: 1000 requests at 500/s end about 2 s after.
last=$(sort -t, -n "$TMPDIR/t.csv" | tail -n 1 | cut -d, -f2)
[ "$last" -ge 1998000 ] && [ "$last" -lt 3000000 ]
ok $? "the rate is kept (last request at $last us)"
stop "$echo"

start_echo 200 move
client --rate 500 --count 600
rc=$?
gap=$(field longest_gap_us)
[ $rc -eq 0 ] && [ "$(field answered)" = 600 ] && [ "$(field lost)" = 0 ]
ok $? 'a server that moves to another port loses nothing'
[ "$gap" -ge 50000 ] && [ "$gap" -lt 2000000 ]
ok $? "the gap of the move is felt and reported ($gap us)"
stop "$echo"

start_echo 200 silent
client --rate 500 --count 600 --drain-ms 300
[ $? -eq 4 ] && [ "$(field verdict)" = unanswered ] &&
    [ "$(field lost)" -ge 390 ]
ok $? 'a server that falls silent: status 4, requests lost'
stop "$echo"

start_echo 200 forget
client --rate 500 --count 400
[ $? -eq 3 ] && [ "$(field verdict)" = bad ] &&
    [ "$(field acked_lost)" -ge 1 ]
ok $? 'a server that forgets acknowledged writes: status 3, verdict bad'
stop "$echo"

start_echo 50 deaf
client --rate 5000 --count 4000
rc=$?
[ $rc -eq 0 ] && [ "$(field verdict)" = good ] && [ "$(field lost)" = 0 ]
ok $? 'a server that stalls gets everything in the end'
stop "$echo"

client --rate 100 --count 10 --wait 1
[ $? -eq 4 ]
ok $? 'nobody there: status 4 after --wait'

start_echo
rm -f "$TMPDIR/fifo"; mkfifo "$TMPDIR/fifo"
xmig-emu-client --switch "$sw" --mac "$mac" --rate 200 --json --ready-fd 3 \
    3>"$TMPDIR/fifo" >"$TMPDIR/report" 2>&1 &
client=$!
pids+=("$client")
wait_ready "$TMPDIR/fifo"
ready=$?
kill -TERM "$client"
wait "$client"
[ $? -eq 0 ] && [ $ready -eq 0 ] && [ "$(field verdict)" = good ]
ok $? 'SIGTERM ends the client with a good report'

xmig-emu-client --switch "$sw" --mac "$mac" --rate 200 --json --ready-fd 3 \
    3>"$TMPDIR/fifo" >"$TMPDIR/report" 2>&1 &
client=$!
pids+=("$client")
wait_ready "$TMPDIR/fifo"
stop "$switch"
wait "$client"
[ $? -eq 1 ] && grep -q 'switch is gone' "$TMPDIR/report"
ok $? 'a client whose switch vanishes says so: status 1'
[ ! -e "$sw" ]
ok $? 'the switch takes its socket along'

client --rate 0 2>/dev/null
[ $? -eq 2 ]
ok $? 'a rate of 0 is bad usage'
