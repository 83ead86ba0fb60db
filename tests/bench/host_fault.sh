#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# host-fault: what a touch of an absent page costs the guest on an emulated
# host by itself, when the pager answers from memory at once; alone, and with
# a push beside it.  The guest measures.  Also how fast pages become absent and
# are placed.  A quiet machine, please.
#   usage: [B=build] host_fault.sh      prints "what: figures" lines
# HOST_MIB, ABSENT_MIB, PAGES: a smaller host, for a look
set -eu
TOP=$(cd "$(dirname "$0")/../.." && pwd)
B=${B:-$TOP/build}
emu=$B/emu/xmig-emu
dir=$(mktemp -d /tmp/xf.XXXXXX)
trap '"$emu" stop "$dir/h" >/dev/null 2>&1; rm -rf "$dir"' EXIT
guest() { # MEMORY EXTRA
    printf 'name = "w"\ntype = "pvh"\nmemory = %s\nkernel = "builtin"\nextra = "%s"\n' \
        "$1" "$2" >"$dir/cfg"
}
"$emu" start --memory "${HOST_MIB:-1024}" "$dir/h" >/dev/null
for how in "alone 8000" "push 1"; do
    guest 96 'program=dirty size=64M order=random slow=5us publish=100ms'
    dom=$("$emu" create "$dir/h" "$dir/cfg")
    "$emu" wait --node data/state=running "$dir/h" "$dom" >/dev/null
    "$emu" run "$dir/h" -- "$B/tests/live/pager" "$dom" paging "${how#* }" >"$dir/out" ||
        { cat "$dir/out"; exit 1; }
    "$emu" wait --node data/program --change "$dir/h" "$dom" >/dev/null
    "$emu" wait --node data/program --change "$dir/h" "$dom" >"$dir/program"
    echo "host-fault ${how% *}: $(cat "$dir/program")"
    grep 'by faults' "$dir/out" || true
    "$emu" destroy "$dir/h" "$dom"
done
guest "${ABSENT_MIB:-512}" program=idle
dom=$("$emu" create --paused "$dir/h" "$dir/cfg")
"$emu" run "$dir/h" -- "$B/tests/bench/absent" "$dom" 0x1000 "${PAGES:-0x1c000}"
