#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The main job, shown on one machine without Xen: a guest moves from one
# emulated Xen host to another while it works and a client outside talks to
# it.  Leaves nothing behind.
#
#   B=build tools/emu/demo/run.sh [OPTION...]
#
# The options are those of xmig migrate; without any, the speed is held at
# 150 MiB/s, as on a network, so that there is something to watch.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${B:-build}" && pwd)
PATH=$build/bin:$build/emu:$PATH
[ $# -gt 0 ] || set -- --bandwidth 150
mac=00:16:3e:00:00:01
work=$(mktemp -d /tmp/xmig-demo.XXXXXX)
host_a=$work/A host_b=$work/B switch='' client='' receiver=''

cleanup() {
    local rc=$?
    trap - EXIT
    for pid in $client $receiver; do
        kill "$pid" 2>/dev/null || true
    done
    for host in "$host_a" "$host_b"; do
        [ ! -d "$host" ] || xmig-emu stop "$host" >/dev/null 2>&1 || true
    done
    [ -z "$switch" ] || kill "$switch" 2>/dev/null || true
    wait 2>/dev/null || true
    if [ -n "${KEEP-}" ]; then echo "kept: $work"; else rm -rf "$work"; fi
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

say() { printf '\n-- %s\n' "$*"; }
fail() {
    local f
    echo "demo: $*" >&2
    for f in "$work"/*.log "$host_a"/*.log "$host_b"/*.log; do
        [ ! -s "$f" ] || { echo "-- ${f#"$work"/}:" >&2
                           tail -n 15 "$f" >&2; }
    done
    exit 1
}
ready() {                   # ready WHAT: one line within 30 s
    read -r -t 30 _ <&"$fifo" || fail "$1 does not become ready"
}
# A key's value in the JSON object on stdin.
json() {
    tr -d '\n' | sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}
ms() { awk -v us="$1" 'BEGIN { printf "%.2f ms", us / 1000 }'; }
on_a() { xmig-emu run "$host_a" -- "$@"; }
on_b() { xmig-emu run "$host_b" -- "$@"; }

# A port nobody uses; listening() tells when somebody does.
listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}
port=$((20000 + RANDOM % 10000))
while listening $port; do port=$((port + 1)); done

say "a network switch and two emulated Xen hosts, A and B"
mkfifo "$work/ready"
# Held open, so that no word is lost with the one who wrote it.
exec {fifo}<>"$work/ready"
xmig-emu-switch --socket "$work/switch" --ready-fd 3 3<>"$work/ready" \
    2>"$work/switch.log" &
switch=$!
ready "the switch"
for host in "$host_a" "$host_b"; do
    xmig-emu start --memory 768 --switch "$work/switch" "$host" ||
        fail "host $host does not start"
done

say "a guest on A: $(sed -n 's/^\(memory\|vcpus\|extra\) *= */\1 /p' \
    "$here/server.cfg" | paste -sd ' ')"
domid=$(xmig-emu create "$host_a" "$here/server.cfg") || fail "no guest"
xmig-emu wait --node data/state=running "$host_a" "$domid" >/dev/null ||
    fail "the guest does not come up"
on_a xmig list

say "a client outside: 500 numbered requests a second"
xmig-emu-client --switch "$work/switch" --mac $mac --rate 500 --json \
    --ready-fd 3 3<>"$work/ready" \
    >"$work/client.json" 2>"$work/client.log" &
client=$!
ready "the client"

say "B: xmig receive"
on_b xmig receive --once --listen "127.0.0.1:$port" >"$work/receive.log" 2>&1 &
receiver=$!
for ((i = 0; ; i++)); do
    ! listening $port || break
    if [ $i -ge 300 ] || ! kill -0 $receiver 2>/dev/null; then
        fail "B does not listen"
    fi
    sleep 0.1
done

say "A: xmig migrate $* demo 127.0.0.1:$port"
on_a xmig -t migrate --json "$@" demo "127.0.0.1:$port" \
    >"$work/migrate.json" || fail "the migration failed"
wait $receiver || fail "the receiver failed"
receiver=''

# The guest checks every page as it arrived; then the client has its say.
domid=$(xmig-emu list "$host_b" | awk '$1 == "demo" { print $2 }')
verdict=$(xmig-emu wait --timeout 60 --node 'data/verdict=ok*' "$host_b" \
    "$domid") || fail "the guest is not well"
guest_us=$(xmig-emu wait --node data/downtime_us "$host_b" "$domid")
kill $client
wait $client || fail "the client is not content: $(cat "$work/client.json")"
client=''

say "on A now:"
on_a xmig list
echo "   on B now:"
on_b xmig list

say "what it took"
m() { json "$1" <"$work/migrate.json"; }
c() { json "$1" <"$work/client.json"; }
printf '   %-28s %s\n' \
    "total time" "$(m total-time) ms" \
    "downtime, the engine says" "$(ms "$(m downtime-us)")" \
    "downtime, the guest says" "$(ms "$guest_us")" \
    "longest gap, the client says" "$(ms "$(c longest_gap_us)")" \
    "sent" "$(awk -v b="$(m transferred)" -v m="$(m total)" 'BEGIN {
        printf "%.1f MiB, the guest has %.0f MiB", b / 2 ^ 20, m / 2 ^ 20 }')" \
    "rounds" "$(m dirty-sync-count)" \
    "the guest on its memory" "$verdict" \
    "the client on its writes" "$(c verdict): $(c answered) of $(c sent \
        ) answered, $(c acked_lost) acknowledged ones forgotten"
