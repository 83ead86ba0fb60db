#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig save and xmig restore with the Nth hypercall or mapping failing, for
# every N until they no longer meet it.  A save that fails leaves the guest
# running and no file; a restore that fails leaves no domain; and whatever
# succeeds in spite of a failure must be right, as the guest judges.
# Timeout: 600
. "$(dirname "$0")/../live/lib.sh"
XMIG=$B/bin/xmig
f=$WORK/f
prog='program=dirty size=2M rate=4M publish=100ms'
calls='sysctl domctl memory_op hvm_op event_channel_op map'

host_start a --memory 128
xmig() { run a "$XMIG" "$@"; }
domains() { xmig list | awk 'NR > 1 && $2 != 0 { print $1 }' | sort | xargs; }
destroy_all() {
    local d
    for d in $(domains); do "$EMU" destroy "$WORK/a" "$(domid_of a "$d")"; done
}
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/a" "$1" >/dev/null; }
judged() { # DOM: its verdict after the last resume is good
    await a "$1" 'data/verdict=ok*' 20 >/dev/null
}
boot() {
    dom=$(create a "$(cfg worker "$prog" 16 2)") || bail 'create failed'
    await a "$dom" data/state=running 30 >/dev/null || bail 'no guest'
    # From here on it has a verdict.
    xmig save -c worker /dev/null >"$WORK/out" 2>&1 ||
        bail 'save fails' "$(cat "$WORK/out")"
}
wrong() {
    diag "$*" "$(cat "$WORK/out")"
    failures=$((failures + 1))
}

# One save with that rule; sets rc.  The guest is there again afterwards.
try_save() { # RULE
    rm -f "$f"
    XMIG_EMU_FAULT=$1 xmig save worker "$f" >"$WORK/out" 2>&1
    rc=$?
    if [ "$rc" = 0 ]; then
        [ "$(domains)" = '' ] || wrong "$1: saved, and still there"
        xmig restore "$f" >"$WORK/out" 2>&1 || wrong "$1: does not restore"
        dom=$(domid_of a worker)
    else
        [ ! -e "$f" ] || wrong "$1: leaves a file"
        [ "$rc" -le 2 ] || wrong "$1: status $rc"
        [ "$(domains)" = worker ] || wrong "$1: no guest is left"
        lives "$dom" || wrong "$1: the guest does not run"
    fi
    judged "$dom" || wrong "$1: $(console a "$dom")"
}
try_restore() { # RULE
    XMIG_EMU_FAULT=$1 xmig restore "$WORK/good" >"$WORK/out" 2>&1
    rc=$?
    if [ "$rc" = 0 ]; then
        dom=$(domid_of a worker)
        judged "$dom" || wrong "$1: $(console a "$dom")"
        destroy_all
    else
        [ "$rc" = 1 ] || wrong "$1: status $rc"
        [ "$(domains)" = '' ] || wrong "$1: leaves $(domains)"
        [ "$(run a xenstore-list /local/domain | xargs)" = 0 ] ||
            wrong "$1: leaves nodes"
        destroy_all
    fi
}
sweep() { # save|restore CALL
    local n misses=0 limit
    failures=0 hits=0
    # The types of all frames up to the highest take a thousand domctls, each
    # like the other.
    limit=80
    # Some failures are no reason to fail: the end is a row of successes.
    for ((n = 1; misses < 4 && n < limit; n++)); do
        "try_$1" "$2 nth=$n fail=EIO"
        if [ "$rc" = 0 ]; then
            misses=$((misses + 1))
        else
            misses=0 hits=$((hits + 1))
        fi
        [ $failures -lt 3 ] || break
    done
    same "$1: $hits failing calls of $2 do no harm" $failures 0
    total=$((total + hits))
}

boot
total=0
for call in $calls; do sweep save "$call"; done
same 'save met failures' $((total > 20)) 1

xmig save worker "$WORK/good" >"$WORK/out" 2>&1 ||
    bail 'save failed' "$(cat "$WORK/out")"
total=0
for call in $calls; do sweep restore "$call"; done
same 'restore met failures' $((total > 20)) 1
host_stop a
done_testing
