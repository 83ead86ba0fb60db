#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Is what the emulated hosts taught us true?  A save that leaves the guest
# here, one that does not, a restore, and a migration are traced on real Xen
# and on emulated hosts (trace/trace.c), and what xmig asked for and was
# answered is compared.  hypercalls.explained says what differs by nature.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)
so=$B/tests/xen/xmig-trace.so
emu=$B/emu/xmig-emu
[ -e "$so" ] || bail 'no tracer' "$so"
port=$((20000 + RANDOM % 10000))
mkdir "$WORK/real" "$WORK/emu"

# ---- emulated ----------------------------------------------------------------
emulated() {
    local h rc
    for h in a b; do
        # The lab's processors are AMD's.
        "$emu" start --memory 256 --no-vmx "$WORK/emu-$h" || bail "host $h does not start"
    done
    emulated_moves
    rc=$?
    for h in a b; do
        "$emu" stop "$WORK/emu-$h" >&2
    done
    return $rc
}
at() { "$emu" run "$WORK/emu-$1" -- "${@:2}"; }
told() { # HOST NAME: emulated, traced to NAME
    at "$1" env LD_PRELOAD="$so" XMIG_TRACE="$WORK/emu/$2" \
        "$B/bin/xmig" "${@:3}"
}
emulated_moves() {
    local dom
    cat >"$WORK/w.cfg" <<'END'
name = "w"
type = "pvh"
memory = 96
kernel = "builtin"
tsc_mode = "native"
extra = "program=dirty size=8M rate=200K suspend=xenstore"
END
    dom=$("$emu" create "$WORK/emu-a" "$WORK/w.cfg") &&
        "$emu" wait --node data/state=running "$WORK/emu-a" "$dom" &&
        told a savec save -c w "$WORK/f" &&
        told a save save w "$WORK/f" &&
        told a restore restore "$WORK/f" || return
    while grep -q "$(printf ':%04X ' $port)" /proc/net/tcp; do
        port=$((port + 1))
    done
    told b receive receive --once --listen "127.0.0.1:$port" &
    children+=($!)
    eventually 20 grep -q "$(printf ':%04X [0-9A-F:]* 0A ' $port)" /proc/net/tcp
    told a migrate migrate w "127.0.0.1:$port" && wait "${children[-1]}"
}

# ---- real --------------------------------------------------------------------
# As text: the emulated hosts' libraries are not in the way there.
real() { # HOST NAME ARGUMENT...
    on "$1" env LD_PRELOAD=/xmig/tests/xen/xmig-trace.so \
        "XMIG_TRACE=/tmp/trace.$2" /xmig/bin/xmig "${@:3}"
}
fetch() { "$LAB" get "$1" "/tmp/trace.$2" >"$WORK/real/$2"; } # HOST NAME

hosts
check 'the moves on emulated hosts' emulated
guest A w memory=96 rate=5
# Nobody's domain, as the emulated one is: libxl has calls of its own.
check 'a domain that libxl does not know' \
    on A sh -c 'xmig save w /tmp/f && xmig restore /tmp/f && rm /tmp/f'
check 'save -c on real Xen' real A savec save -c w /tmp/f
happy 'save -c' A w
check 'save' real A save save w /tmp/f
check 'restore' real A restore restore /tmp/f
happy 'restore' A w
in_background B env LD_PRELOAD=/xmig/tests/xen/xmig-trace.so \
    XMIG_TRACE=/tmp/trace.receive /xmig/bin/xmig receive --once
check 'a receiver listens' eventually 30 on B sh -c 'netstat -ltn | grep -q :8002'
check 'migrate' real A migrate migrate w 10.9.0.2:8002
wait "$child"
same 'the receiver ends well' "$? $(tail -n 2 "$WORK/B.out")" \
    "0 $(grep '^w runs here as' "$WORK/B.out")"
happy 'migrate' B w
gone B w

for t in savec save restore migrate; do
    fetch A $t
done
fetch B receive
pairs=()
for t in savec save restore migrate receive; do
    check "there is a trace of $t" [ "$(wc -l <"$WORK/real/$t")" -gt 40 ]
    pairs+=("$WORK/real/$t" "$WORK/emu/$t")
done
check 'an emulated host does what real Xen does' \
    "$here/trace/compare.py" "$here/hypercalls.explained" "${pairs[@]}"
[ -z "${TRACES-}" ] || cp -r "$WORK/real" "$WORK/emu" "$TRACES"
done_testing
