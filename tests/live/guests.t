#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The guest's programs on a real emulated host: they boot, run, suspend and go
# on, balloon, and say what is wrong when their memory or options are.
# Timeout: 240
. "$(dirname "$0")/lib.sh"

host_start a --memory 512

progress() { # DOM NAME: that figure of data/program
    store a "/local/domain/$1/data/program" | grep -oE "$2=[0-9]+" | cut -d= -f2
}
verdict() { store a "/local/domain/$1/data/verdict"; }
boot() { # NAME EXTRA MIB VCPUS: sets dom
    dom=$(create a "$(cfg "$@")") || bail "create $1 failed"
    await a "$dom" data/state=running 60 >/dev/null ||
        bail "no guest" "$(console a "$dom")"
}
destroy() { "$EMU" destroy "$WORK/a" "$1" || bail "destroy failed"; }

# ---- programs, and suspends taken back --------------------------------------
grows() { # DOM FIGURE
    local before
    before=$(progress "$1" "$2")
    "$EMU" wait --node data/program --change --timeout 20 "$WORK/a" "$1" \
        >/dev/null
    [ "$(progress "$1" "$2")" -gt "$before" ]
}
cycle() { # DOM ROUNDS store|event
    run a "$B/tests/live/guest_cycle" "$@"
}

each_program() {
    local name=$1 extra=$2 vcpus=$3 figure=$4
    boot "$name" "$extra publish=100ms" 64 "$vcpus"
    [ -n "$figure" ] && check "$name runs: $figure grows" grows "$dom" "$figure"
    check "$name survives 10 suspends by xenstore" cycle "$dom" 10 store
    matches "$name finds its memory right" "$(verdict "$dom")" \
        '^ok pages=[0-9]+ resumes=0 cancels=10 '
    destroy "$dom"
}
each_program idle 'program=idle fill=24M zero=20' 2 ticks
each_program cpu 'program=cpu fill=8M' 2 additions
each_program dirty 'program=dirty size=16M rate=80M order=zipf fill=8M' 3 written
each_program greedy 'program=dirty size=16M order=random' 2 written
each_program server 'program=server fill=8M' 1 ''
each_program balloon \
    'program=dirty size=16M rate=40M balloon=8M balloon-period=20ms' 2 written

# Stock libxenguest keeps a lock file in /run/xen.
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    boot event 'program=dirty size=8M rate=20M' 32 2
    check 'suspend by event channel' \
        run_xl a "$B/tests/live/guest_cycle" "$dom" 10 event
    destroy "$dom"
else
    skip 'suspend by event channel' 'needs root and mount namespaces'
fi

# ---- ballooning --------------------------------------------------------------
mem_of() { "$EMU" list "$WORK/a" | awk -v d="$1" '$2 == d { print $3 }'; }
boot target 'program=idle fill=4M publish=100ms' 64 1
kib=$(store a "/local/domain/$dom/memory/target")
full=$(mem_of "$dom")
run a xenstore-write "/local/domain/$dom/memory/target" $((kib - 16384))
check 'memory/target shrinks the guest' await a "$dom" data/ballooned=4096
same 'and the host has the memory' "$(mem_of "$dom")" $((full - 16))
check 'a ballooned guest goes on' cycle "$dom" 3 store
run a xenstore-write "/local/domain/$dom/memory/target" "$kib"
check 'memory/target gives it back' await a "$dom" data/ballooned=0
same 'and the guest is as big as before' "$(mem_of "$dom")" "$full"
destroy "$dom"

# ---- damage ------------------------------------------------------------------
# Checked pages take the lowest free frames.
boot damaged 'program=idle fill=8M' 32 2
check 'a bit of a page is flipped during a suspend' cycle "$dom" 0x20 corrupt
check 'the guest finds it and crashes' \
    "$EMU" wait --shutdown --timeout 20 "$WORK/a" "$dom"
matches 'its verdict says what and where' "$(verdict "$dom")" \
    '^bad gfn 0x20 is torn: .*first bad byte 1234 '
matches 'its console too' "$(console a "$dom")" 'BAD: gfn 0x20 is torn'
destroy "$dom"

# ---- ends --------------------------------------------------------------------
for word in poweroff reboot; do
    boot "$word" 'program=idle' 32 2
    run a xenstore-write "/local/domain/$dom/control/shutdown" "$word"
    check "$word is obeyed" \
        "$EMU" wait --shutdown --timeout 20 "$WORK/a" "$dom"
    same "$word is acknowledged" \
        "$(store a "/local/domain/$dom/control/shutdown")" ''
    destroy "$dom"
done

dom=$(create a "$(cfg wrong 'program=dirty sise=4M' 32)")
check 'an unknown option crashes the guest' \
    "$EMU" wait --shutdown --timeout 20 "$WORK/a" "$dom"
matches 'its console names it' "$(console a "$dom")" 'unknown option "sise"'
matches 'and so does its verdict' "$(verdict "$dom")" '^bad .*sise'
destroy "$dom"

done_testing
