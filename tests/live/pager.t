#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Absent pages: the seam's programs take a running guest's memory away and
# give it back, on a host whose memory is there from the start and on a sparse
# one; the owner of the ring is killed.  The guest judges.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

program() { # HOST NAME DOMAIN BY
    local out=$WORK/out rc
    run "$1" "$B/tests/live/$2" "$3" "$4" >"$out" 2>&1
    rc=$?
    sed -n 's/^# /# /p' "$out"
    same "$1: each claim of $2 holds, by $4" "$(grep '^not ok' "$out")$rc" 0
    [ $rc = 0 ] || diag "$(cat "$out")"
}
paged() { # HOST VCPUS BY: the programs, and the guest's verdict
    local dom
    dom=$(create "$1" "$(cfg worker \
        'program=dirty size=24M rate=40M order=random verify=200ms' 64 $2)") ||
        bail 'create failed'
    await "$1" "$dom" data/state=running >/dev/null ||
        bail 'no guest' "$(console "$1" "$dom")"
    program "$1" pager "$dom" "$3"
    program "$1" pager_take "$dom" "$3"
    # Two verdicts: the second one's walk began when all was back.
    for _ in 1 2; do
        run "$1" xenstore-rm "/local/domain/$dom/data/verdict"
        await "$1" "$dom" 'data/verdict=ok *' >"$WORK/verdict"
    done
    matches "$1: the guest found its memory right" "$(cat "$WORK/verdict")" \
        '^ok '
    [ -s "$WORK/verdict" ] || diag "$(console "$1" "$dom")"
    "$EMU" destroy "$WORK/$1" "$dom"
}

host_start a --memory 256
host_start s --memory 256 --untouched
for by in paging access; do
    paged a 2 $by
    # More than the ring has entries.
    paged a 28 $by
    paged s 2 $by
done
done_testing
