#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The network of the emulated hosts.  An outside client talks to a server
# guest and never reconnects, whatever happens on the way: its backend ends,
# is killed, and the guest moves to another host.  Every acknowledged write
# has to be there in the end.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

mac=00:16:3e:00:00:01
sw=$WORK/switch
vif="vif = [ \"mac=$mac\" ]"

mkfifo "$WORK/fifo" "$WORK/never"
# Held open, so that no word is lost with the one who wrote it.
exec {fifo}<>"$WORK/fifo"
ready() { read -r -t 30 _ <&"$fifo"; }

start_switch() {
    "$B/emu/xmig-emu-switch" --socket "$sw" --verbose --ready-fd 3 \
        3<>"$WORK/fifo" 2>>"$WORK/switch.log" &
    switch=$!
    children+=("$switch")
    ready
}

# client NAME OPTION...: in the background; its report goes to NAME.json.
client() {
    local name=$1
    shift
    "$B/emu/xmig-emu-client" --switch "$sw" --mac $mac --json --ready-fd 3 \
        "$@" 3<>"$WORK/fifo" >"$WORK/$name.json" 2>"$WORK/$name.err" &
    client=$!
    children+=("$client")
    ready
}
# Ends the client by SIGTERM; its exit status.
client_end() { kill "$client" 2>/dev/null; wait "$client"; }
field() { # NAME KEY
    tr -d '\n' <"$WORK/$1.json" |
        sed -n "s/.*\"$2\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}
report() { diag "$(cat "$WORK/$1.json" "$WORK/$1.err")"; }

back() { echo "/local/domain/0/backend/vif/$2/0/$3"; }
# until_is HOST PATH VALUE: bounded wait for a node of dom0.
until_is() {
    local end=$((SECONDS + 20)) value
    while value=$(store "$1" "$2"); [ "$value" != "$3" ]; do
        [ $SECONDS -lt $end ] || { echo "$2 is \"$value\""; return 1; }
        read -r -t 0.02 _ <>"$WORK/never"
    done
    return 0
}
netback() { # HOST: another backend in place of the one that ended
    # Not by run(): the shell would stand between it and a signal.
    "$EMU" run "$WORK/$1" -- "$B/emu/xmig-emu-netback" --switch "$sw" \
        --verbose 2>>"$WORK/netback2.log" &
    children+=("$!")
}

start_switch || bail 'no switch'
host_start a --memory 256 --switch "$sw"
host_start b --memory 256 --switch "$sw"

# ---- a guest with an interface ---------------------------------------------
dom=$(create a "$(cfg srv 'program=server size=16M rate=20M' 64 2 "$vif")") ||
    bail 'no guest' "$(tail -n 20 "$WORK/a/host.log")"
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"
check 'frontend and backend connect' \
    until_is a "$(back a "$dom" state)" 4 || {
    diag "$(console a "$dom")" "$(cat "$WORK/a/netback.log")"; }
same 'the frontend says so too' \
    "$(store a "/local/domain/$dom/device/vif/0/state")" 4

client plain --rate 500 --count 500
wait "$client"
same 'the server answers' $? 0 || report plain
same 'all requests were answered' "$(field plain answered)" 500
same 'none was lost' "$(field plain lost)" 0

# ---- backends come and go --------------------------------------------------
client backends --rate 200 --retry-ms 50
kill "$(cat "$WORK/a/netback.pid")"
check 'a backend that ends closes its interfaces' \
    until_is a "$(back a "$dom" state)" 6
netback a
check 'the next one connects again' until_is a "$(back a "$dom" state)" 4
kill -9 "${children[-1]}"
wait "${children[-1]}" 2>/dev/null
same 'a backend was killed, the interface still says Connected' \
    "$(store a "$(back a "$dom" state)")" 4
netback a
check 'and the one after it goes on where that one stopped' \
    "$EMU" wait --node data/program --change "$WORK/a" "$dom"
client_end
same 'the client felt it but lost nothing' $? 0 || {
    report backends; diag "$(cat "$WORK/netback2.log")"; }
same 'every request was answered in the end' \
    "$(field backends answered)" "$(field backends sent)"

# ---- the switch comes back -------------------------------------------------
kill "$switch"; wait "$switch"
start_switch || bail 'no second switch'
client again --rate 200 --count 100
wait "$client"
same 'backends find a new switch by themselves' $? 0 || report again

# ---- move ------------------------------------------------------------------
# move FROM TO: by xmig over TCP; sets dom to its new domid.
listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}
move() {
    local port=$((20000 + RANDOM % 10000)) receiver end=$((SECONDS + 20))
    while listening $port; do port=$((port + 1)); done
    run "$2" "$B/bin/xmig" receive --once --listen "127.0.0.1:$port" \
        >"$WORK/receive.log" 2>&1 &
    receiver=$!
    children+=("$receiver")
    until listening $port; do
        [ $SECONDS -lt $end ] && kill -0 $receiver 2>/dev/null || return 1
        read -r -t 0.02 _ <>"$WORK/never"
    done
    run "$1" "$B/bin/xmig" migrate --json srv "127.0.0.1:$port" \
        >"$WORK/migrate.log" 2>&1 && wait $receiver || return 1
    dom=$(domid_of "$2" srv)
    [ -n "$dom" ]
}
move_log() {
    diag "$(cat "$WORK/migrate.log" "$WORK/receive.log")"
    host_log a; host_log b
}

client moves --rate 500
"$EMU" fault "$WORK/b" 'domctl:sethvmcontext nth=1 fail=EIO' ||
    bail 'no fault rule'
move a b
matches 'a move that fails at the last moment is called off' "$?" '[^0]'
matches 'the guest goes on where it was' \
    "$(await a "$dom" data/cancels 20)" '^1$' || move_log
same 'its network was never interrupted' \
    "$(console a "$dom" | sed -n '/suspend cancelled/,$p' | grep -c 'net:')" 0
"$EMU" fault --clear "$WORK/b"
move a b
same 'the guest moves to another host' $? 0 || move_log
matches 'it finds its memory right there' \
    "$(await b "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '
same 'the source keeps no backend directory' \
    "$(run a xenstore-ls /local/domain/0/backend/vif 2>/dev/null)" ''
same 'at the destination the interface is connected' \
    "$(store b "$(back b "$dom" state)")" 4
memo=/tool/xmig/suspend-us
matches 'how long it took to suspend is kept' "$(store a $memo)" '^[0-9]+$'
move b a
same 'it moves back' $? 0 || move_log
run a xenstore-write $memo 123456 /tool/xmig/state-us 20000 \
    /tool/xmig/commit-us 30000
move a b
same 'and forth again' $? 0 || move_log
matches 'its pause was predicted by that' \
    "$(tr -d ' \n' <"$WORK/migrate.log")" \
    '"expected-downtime-parts-us":\{"suspend":123456,'
parts=$(tr -d ' \n' <"$WORK/migrate.log" |
    grep -o '"expected-downtime-parts-us":{[^}]*}' | tail -n 1)
for part in state:20 commit:30; do
    matches "and by what ${part%:*} took" "$parts" \
        "\"${part%:*}\":${part#*:}[0-9]{3}[,}]"
    check 'which is learned anew' \
        [ "$(store a /tool/xmig/${part%:*}-us)" -lt ${part#*:}000 ]
done
check 'and it is learned anew' [ "$(store a $memo)" != 123456 ]
matches 'its memory is right' \
    "$(await b "$dom" 'data/verdict=ok*' 60)" 'resumes=3 '
client_end
same 'the client never reconnected and lost nothing' $? 0 || report moves
same 'no acknowledged write was forgotten' "$(field moves acked_lost)" 0
same 'every request was answered' \
    "$(field moves answered)" "$(field moves sent)"
diag "longest gap while moving three times: $(field moves longest_gap_us) us"

# ---- the end of a domain ---------------------------------------------------
client orphan --rate 100 --drain-ms 200
check 'destroy works' "$EMU" destroy "$WORK/b" "$dom"
client_end
same 'a client whose server is gone says "unanswered"' \
    "$(field orphan verdict)" unanswered
same 'no backend directory is left' \
    "$(run b xenstore-ls "/local/domain/0/backend/vif" 2>/dev/null)" ''
dom=$(create b "$(cfg next 'program=server' 64 1 "$vif")") ||
    bail 'no second guest' "$(tail -n 20 "$WORK/b/host.log")"
client next --rate 200 --count 100
wait "$client"
same 'another guest can have the address' $? 0 || report next

host_stop a
host_stop b
done_testing
