#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Stock xl migrate with xmig-save-helper at both ends, and the Nth hypercall or
# mapping of the helper failing at the one or the other, for every N until
# it no longer meets it.  A migration that fails leaves the guest running
# where it was and nothing at the other end; whatever succeeds in spite of a
# failure must be right, as the guest judges.
# Timeout: 900
. "$(dirname "$0")/../live/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"
calls='sysctl domctl memory_op hvm_op map'

# The helper of one end meets the fault, xl itself does not.
for side in save restore; do
    cat >"$WORK/helper.$side" <<END
#!/bin/sh
if [ "\$1" = --$side-domain ]; then
    XMIG_EMU_FAULT=\$(cat $WORK/rule.$side)
    [ -z "\$XMIG_EMU_FAULT" ] || export XMIG_EMU_FAULT
fi
exec $B/libexec/xmig-save-helper "\$@"
END
    chmod +x "$WORK/helper.$side"
    : >"$WORK/rule.$side"
done
cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
export LIBXL_SAVE_HELPER=$WORK/helper.restore
exec $EMU run --mount $WORK/\$host -- "\$@" 2>$WORK/out.there
END
chmod +x "$WORK/ssh"
export XMIG_SAVE_HELPER_SET='precopy.min-remaining=0 downtime-limit=1ms precopy.max-iters=2'

wrong() {
    diag "$*" "$(tail -qn 12 "$WORK/out" "$WORK/out.there")"
    failures=$((failures + 1))
}
other() { [ "$1" = a ] && echo b || echo a; }
none_at() { [ "$(run_xl "$1" xl list 2>/dev/null | grep -c '^w')" = 0 ]; }

at=a
# One migration with that rule; sets rc.
try() { # SIDE RULE
    local to
    to=$(other $at)
    echo "$2" >"$WORK/rule.$1"
    LIBXL_SAVE_HELPER=$WORK/helper.save \
        run_xl $at xl migrate -s "$WORK/ssh" w "$to" >"$WORK/out" 2>&1
    rc=$?
    : >"$WORK/rule.$1"
    if [ "$rc" = 0 ]; then
        none_at $at || wrong "$1 $2: moved, and still there"
        at=$to
        dom=$(domid_of $at w)
        await $at "$dom" 'data/verdict=ok*' 20 >/dev/null ||
            wrong "$1 $2: $(console $at "$dom")"
    else
        none_at "$to" || wrong "$1 $2: leaves a domain at the destination"
        "$EMU" wait --node data/writes --change --timeout 20 "$WORK/$at" \
            "$dom" >/dev/null || wrong "$1 $2: the guest does not go on"
        grep -qE '^(xmig: )?error: ' "$WORK/out" "$WORK/out.there" ||
            wrong "$1 $2: no reason given"
    fi
}
sweep() { # SIDE CALL
    local n misses=0
    failures=0 hits=0
    # Some failures are no reason to fail: the end is a row of successes.  The
    # types of all frames take a thousand domctls, each like the other.
    for ((n = 1; misses < 6 && n < 20; n++)); do
        try "$1" "$2 nth=$n fail=EIO"
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

for h in a b; do host_start $h --memory 96; done
conf=$(xl_cfg w 'program=dirty size=2M rate=4M publish=100ms' 16 2)
run_xl a xl create -e "$conf" >"$WORK/out" 2>&1 ||
    bail 'xl create failed' "$(cat "$WORK/out")"
dom=$(domid_of a w)
await a "$dom" data/state=running >/dev/null || bail 'no guest' "$(console a "$dom")"
# From here on it has a verdict.
failures=0
try save ''
same 'without a fault it moves' "$rc $failures" '0 0'

for side in save restore; do
    total=0
    for call in $calls; do sweep $side "$call"; done
    check "$side met failures ($total)" [ $total -gt 15 ]
done
run_xl $at xl destroy w >"$WORK/out" 2>&1 || diag "$(cat "$WORK/out")"
for h in a b; do
    check "host $h holds nobody's frames any more" eventually 10 all_free $h ||
        diag "$("$EMU" status "$WORK/$h")"
done
done_testing
