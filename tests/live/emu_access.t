#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Xen's mem_access on an emulated host: its refusals, what access pages have,
# and guests whose whole memory is denied while they run.  The guest judges.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

guest() { # HOST VCPUS EXTRA: dom
    dom=$(create "$1" "$(cfg worker "$3" 64 "$2")") || bail 'create failed'
    await "$1" "$dom" data/state=running >/dev/null ||
        bail 'no guest' "$(console "$1" "$dom")"
}
gone() { # HOST
    "$EMU" destroy "$WORK/$1" "$dom"
    check "$1: all its frames are free" eventually 20 all_free "$1"
}
holds() { # HOST PROGRAM [CASE...]: with dom
    local out=$WORK/out rc
    run "$1" "$B/tests/live/$2" "$dom" "${@:3}" >"$out" 2>&1
    rc=$?
    sed -n 's/^# /# /p' "$out"
    same "$1: each claim of ${*:2} holds" "$(grep '^not ok' "$out")$rc" 0 ||
        diag "$(cat "$out")" "$(host_log "$1")"
}
judged() { # HOST: the second verdict's walk began after what came before
    for _ in 1 2; do
        run "$1" xenstore-rm "/local/domain/$dom/data/verdict"
        await "$1" "$dom" 'data/verdict=ok *' >"$WORK/verdict"
    done
    matches "$1: the guest found its memory right" "$(cat "$WORK/verdict")" \
        '^ok ' || diag "$(console "$1" "$dom")"
}
busy='program=dirty size=24M rate=40M order=random verify=200ms'

host_start a --memory 128
guest a 2 "$busy"
holds a emu_access
judged a
holds a emu_access_guest served unanswered left
judged a
holds a emu_access_guest found
judged a
gone a

guest a 28 "$busy"
holds a emu_access_guest crowded served
judged a
gone a

guest a 1 'program=idle fill=8M verify=100ms'
holds a emu_access_guest reads
judged a
gone a
guest a 1 'program=dirty size=8M rate=40M verify=off'
holds a emu_access_guest writes
gone a

guest a 2 "$busy"
holds a emu_access_guest required
matches 'the console says why' "$(console a "$dom")" 'has no access to'
gone a
host_stop a

# Frames come into being when they are touched first.
host_start s --memory 128 --untouched
guest s 2 "$busy"
holds s emu_access_guest served left
judged s
holds s emu_access_guest found
judged s
gone s
host_stop s

host_start v --memory 128 --no-vmx
guest v 1 program=idle
holds v emu_access no-vmx
gone v
done_testing
