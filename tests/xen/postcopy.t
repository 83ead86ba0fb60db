#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Post-copy and the hybrid on real Xen: a Linux guest runs at the other host
# before its memory is there and finds all of it right; each page comes once.
# As a domain of libxl with a disk and a network interface, and bare; and what
# it takes when its receiver is killed, or the cable pulled, in the middle.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
hosts --full

SLOW=(--io-timeout 300s)
figure() { # NAME: of xmig migrate --json
    grep -oE "\"$1\": ?[0-9]+" "$WORK/sent" | tail -n 1 | grep -oE '[0-9]+$' ||
        echo 0
}
# goes WHAT FROM TO OPTION...: by post-copy, judged
goes() {
    local what=$1 from=$2 to=$3 sum
    shift 3
    on "$from" xmig migrate --json "$@" "${SLOW[@]}" w "$to:8002" \
        >"$WORK/sent" 2>&1
    same "$what: it moves" $? 0 || diag "$(cat "$WORK/sent")" "$(received "$to")"
    happy "$what" "$to" w
    sum=$(($(figure first) + $(figure pushed) + $(figure demanded) +
        $(figure neighbours) + $(figure holes)))
    check "$what: pages were left for post-copy" [ "$(figure pages)" -gt 0 ]
    same "$what: each of them was sent, once" "$sum" "$(figure pages)"
    check "$what: some were sent ahead or waited for" \
        [ $(($(figure first) + $(figure requests))) -gt 0 ]
    diag "$what: downtime $(figure downtime) ms, total $(figure total-time) ms," \
        "$(figure pages) pages: $(figure first) ahead," \
        "$(figure requests) requests," \
        "$(figure demanded) demanded, $(figure neighbours) neighbours," \
        "$(figure pushed) pushed, $(figure duplicates) twice," \
        "longest wait $(figure fault-max-us) us"
    bare "$what" "$from"
}

# unsafe WHAT WHY: by mem_access it is refused, and stays where it is.
unsafe() {
    on A xmig migrate --postcopy --fault-source access "${SLOW[@]}" w B:8002 \
        >"$WORK/sent" 2>&1
    check "$1, by mem_access: refused" [ $? -ne 0 ]
    matches "$1, by mem_access: and why" "$(cat "$WORK/sent")" "$2"
    bare "$1, by mem_access" B
}

# After the first round, which takes seconds, something is dirty; a short second
# one may find the guest's processor asleep.  No pause that is possible here is
# within that limit, which would make it pre-copy's.
HYBRID=(--postcopy-after-precopy --postcopy-rounds 1 --downtime-limit 1ms)
receive A "${SLOW[@]}"
receive B "${SLOW[@]}"

# ---- a domain of libxl ---------------------------------------------------------
guest A w rate=200 memory=160 ip=10.9.0.101 disk=/dev/vda
happy 'before' A w
unsafe 'a domain with a disk' 'has the device [a-z]*/[0-9]*, whose backend'
goes 'libxl, post-copy' A B --tcp --postcopy
check 'it answers' on A ping -q -c 2 -w 30 10.9.0.101
goes 'libxl, hybrid' B A --tcp "${HYBRID[@]}"
same 'after a round' "$(figure dirty-sync-count)" 1
gone A w

# ---- nobody's ------------------------------------------------------------------
guest A w rate=200
check 'a domain that libxl does not know' \
    on A sh -c 'xmig save w /tmp/f && xmig restore /tmp/f && rm /tmp/f'
unsafe 'on a processor of AMD' 'needs a processor with VMX'
goes 'post-copy' A B --postcopy
goes 'hybrid' B A "${HYBRID[@]}"
same 'after a round' "$(figure dirty-sync-count)" 1

# ---- what breaks while it is split ----------------------------------------------
state() { on "$1" xmig status | grep -q "$2"; }
slowly() { # FROM TO OPTION...: sets child
    in_background "$1" xmig migrate --json --postcopy --bandwidth 2 "${@:3}" w "$2:8002"
    check 'a slow post-copy is under way' eventually 120 state "$1" drain
}
arrives() { # WHAT FROM TO
    on "$2" xmig set w bandwidth=0
    wait "$child"
    same "$1: it arrives" $? 0 || {
        diag "$(cat "$WORK/$2.out")" "$(received "$3")"
        done_testing
    }
    happy "$1" "$3" w
    bare "$1" "$2"
}
slowly A B "${SLOW[@]}"
kill_receiver B KILL
check 'the receiver is killed: its holder takes the ring' eventually 120 state B held
receive B "${SLOW[@]}"
arrives 'receiver killed' A B

kill_receiver A
receive A --io-timeout 8s
slowly B A --io-timeout 8s --recover-timeout 300s
"$LAB" link A off
check 'the cable is pulled: both ends say so' eventually 120 state B held
check 'the guest stands still' eventually 120 state A held
"$LAB" link A on
check 'it is plugged in: they go on' eventually 240 state B drain
arrives 'cable pulled' B A

kill_receiver A
kill_receiver B
gone A w
done_testing
