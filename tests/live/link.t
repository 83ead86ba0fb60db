#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The link emulator (docs/link.md): it delays, loses, changes while it runs and
# tidies up; and a migration over a long line, which takes larger buffers than
# it would take over a short one.
# Timeout: 240
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
need_root 'network namespaces'
[ -c /dev/net/tun ] || skip_all 'needs /dev/net/tun'
LINK=$B/bin/xmig-link
L=$WORK/link

"$LINK" start "$L" --delay 20 --rate 1000 2>"$WORK/link.err"
case $? in
0) ;;
77) skip_all "network namespaces can not be made here: $(cat "$WORK/link.err")" ;;
*) bail 'the link does not start' "$(cat "$WORK/link.err")" ;;
esac
trap 'rc=$?; "$LINK" stop "$L" >/dev/null 2>&1; (exit $rc); cleanup' EXIT
link_pid=$(cat "$L/pid") here_ns=$(cat "$L/here")
here() { "$LINK" run "$L" here -- "$@"; }
there() { "$LINK" run "$L" there -- "$@"; }
word() { "$LINK" show "$L" | grep "^$1 " | grep -o "\b$2=[0-9.]*" | cut -d = -f 2; }

# ---- packets -------------------------------------------------------------------
"$LINK" run "$L" there -- python3 -c '
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.0.2", 7))
print("up", flush=True)
while True:
    data, peer = s.recvfrom(65536)
    s.sendto(data, peer)' >"$WORK/echo.out" 2>&1 &
children+=($!)
check 'something listens there' until_ok 20 grep -q up "$WORK/echo.out"
# The shortest of some round trips, in ms; "lost" if none came back.
round_trip() {
    here python3 -c '
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(2)
best = None
for i in range(3):
    t = time.monotonic()
    s.sendto(b"x" * 100, ("10.77.0.2", 7))
    try:
        s.recv(1000)
    except socket.timeout:
        break
    t = (time.monotonic() - t) * 1000
    best = t if best is None or t < best else best
print("lost" if best is None else int(best))'
}
rtt=$(round_trip)
check "a round trip takes twice 20 ms, at least ($rtt ms)" [ "$rtt" -ge 40 ]
check 'the delay changes while it runs' "$LINK" set "$L" delay=5 there.delay=50
rtt=$(round_trip)
check "and a round trip with it ($rtt ms)" [ "$rtt" -ge 55 ]
check 'all is lost when it should be' "$LINK" set "$L" here.loss=100
same 'it is' "$(round_trip)" lost
check 'which is counted' [ "$(word here lost)" -ge 1 ]
same 'the other way loses nothing' "$(word there lost)" 0
wrong() { ! "$LINK" set "$L" "$1" 2>>"$WORK/link.err"; }
check 'what is no parameter is refused' wrong speed=1
check 'and what is out of range' wrong loss=101
check 'a bad option, too' wrong here.delay=-1
check 'all is well again' "$LINK" set "$L" loss=0 delay=10

# ---- migrations -----------------------------------------------------------------
# await_moves a|b: a receiver at that host; sets address and receiver.
await_moves() {
    local side=there
    address=10.77.0.2
    [ "$1" = b ] || side=here address=10.77.0.1
    "$LINK" run "$L" $side -- "$EMU" run "$WORK/$1" -- "$XMIG" -v receive \
        --once --listen "$address:8002" >"$WORK/receive.out" 2>&1 &
    receiver=$!
    children+=("$receiver")
    listens() { $side cat /proc/net/tcp | grep -q ':1F42 00000000:0000 0A'; }
    check "$1 receives" until_ok 20 listens
}
# over a b OPTION...: from here to there; over b a: back.
moves=0
over() {
    local from=$1 to=$2 near=here
    shift 2
    [ "$from" = a ] || near=there
    await_moves "$to"
    $near "$EMU" run "$WORK/$from" -- "$XMIG" -vvv migrate --json "$@" \
        w "$address:8002" >"$WORK/migrate.out" 2>&1
    same "it moves from $from to $to: $*" $? 0 || logs
    wait "$receiver"
    dom=$(domid_of "$to" w)
    matches 'and is well there' \
        "$(await "$to" "$dom" 'data/verdict=ok*' 60)" "resumes=$((++moves)) "
}

host_start a --memory 96
host_start b --memory 96
boot a w 'program=dirty size=8M rate=8M order=random publish=200ms' 48 1
over a b
lanes=$(grep -oE 'round trip [0-9]+ us: [0-9]+ lanes, send buffers of [0-9]+' "$WORK/migrate.out")
matches "it saw the long line and took larger buffers ($lanes)" "$lanes" \
    'us: 1 lanes, send buffers of [1-9]' || logs
check 'some pages went twice' [ "$(figure dirty-sync-count)" -ge 2 ]
check 'and GO went with the state' grep -q 'GO will go with the state' "$WORK/migrate.out"

# In a round trip the guest dirties 1 MiB. Rounds that wait for no answer leave
# less.
check 'the line becomes longer' "$LINK" set "$L" delay=60
over b a --compressed --comp-always --log-json "$WORK/long.json"
least=$(sed -n '/"round"/s/.*"remaining": *\([0-9]*\).*/\1/p' "$WORK/long.json" |
    sort -n | head -1)
check "rounds do not wait for each other ($least bytes left)" \
    [ "$least" -lt $((512 << 10)) ] || logs

# In the middle of many rounds, one right after another.
ends() { # HOW
    await_moves b
    rm -f "$WORK/ends.json"
    here "$EMU" run "$WORK/a" -- "$XMIG" -vvv migrate --log-json "$WORK/ends.json" \
        --downtime-limit 1ms --stall-window 0 --max-iters 1000 \
        w "$address:8002" >"$WORK/migrate.out" 2>&1 &
    sender=$!
    children+=("$sender")
    many() { grep -q '"dirty-sync-count":1[0-9],' "$WORK/ends.json"; }
    check "$1: many rounds have gone" until_ok 60 many || logs
    case $1 in
    cancel) run a "$XMIG" cancel w >"$WORK/cancel.out" 2>&1 ;;
    kill) kill -KILL "$(process_of "$receiver")" ;;
    esac
    wait "$sender"
    check "$1: the migration fails" [ $? != 0 ] || logs
    wait "$receiver"
    check "$1: the guest goes on at the source" \
        "$EMU" wait --node data/program --change --timeout 20 "$WORK/a" "$dom"
    same "$1: under its name" "$(domains a)" w
}
ends cancel
matches 'it says who wanted that' "$(cat "$WORK/migrate.out")" cancelled
same 'nothing is left at the destination' "$(domains b)" ''
ends kill
run b "$XMIG" recover >"$WORK/recover.out" 2>&1
same 'what a killed receiver left is cleared away' "$(domains b)" ''

# What is left to follow was placed in rounds that nobody waited for.
over a b --postcopy-after-precopy --postcopy-rounds 3 --downtime-limit 1ms
check "the hybrid became post-copy ($(part pages) pages)" [ "$(part pages)" -gt 0 ]
check 'the line becomes slower' "$LINK" set "$L" delay=10 rate=200
over b a --postcopy
read -r placed dropped < <(sed -nE \
    's/.*post-copy: ([0-9]+) pages placed, ([0-9]+) dropped.*/\1 \2/p' "$WORK/receive.out")
# Of so few pages a round trip's worth is a part.
check "few came twice ($dropped of $placed)" [ "$dropped" -le $((placed / 30)) ]
diag "$(word there dropped) packets were dropped"

# ---- the end ---------------------------------------------------------------------
check 'it stops when told to' "$LINK" stop "$L"
check 'nothing is left of it' [ ! -e "$L" ]
check 'nor of its namespaces' [ ! -e "/run/netns/$here_ns" ]
until_ok 10 [ ! -d "/proc/$link_pid" ]
check 'nor of its process' [ ! -d "/proc/$link_pid" ]
check 'another starts' "$LINK" start "$L"
link_pid=$(cat "$L/pid") here_ns=$(cat "$L/here")
kill -TERM "$link_pid"
ended() { [ ! -e "$L" ] && [ ! -e "/run/netns/$here_ns" ]; }
check 'SIGTERM ends it as well' until_ok 10 ended
done_testing
