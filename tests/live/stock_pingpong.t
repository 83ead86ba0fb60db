#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Debian's own xc_domain_save() and xc_domain_restore() move a dirtying guest
# of several vCPUs there and back again over TCP, under both kinds of dirty
# log and with both kinds of foreign mapping; each time the guest goes on and
# judges its memory, and in the end nobody holds a frame of it.
# Timeout: 180
. "$(dirname "$0")/lib.sh"

move() { # FROM TO DOMID [ENV...]: prints the new domid
    local from=$1 to=$2 dom=$3 out
    shift 3
    out=$(env "$@" "$EMU" run "$WORK/$from" -- "$B/tests/bench/stock" \
        "$WORK/$from" "$WORK/$to" "$dom") || return
    tr ' ' '\n' <<<"$out" | sed -n 's/^domid=//p'
}

host_start a --memory 192 --dirty-log async
host_start b --memory 192 --dirty-log sync
dom=$(create a "$(cfg mover 'program=dirty size=24M rate=60M order=random' 64 3)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"

here=a there=b moves=0
for map in mmap mmap direct direct; do
    what="$here to $there, foreign mappings by $map"
    new=$(move $here $there "$dom" XMIG_EMU_MAP=$map) && [ -n "$new" ] ||
        bail "move from $what" "$(tail -n 5 "$WORK"/?/host.log)"
    ok "stock libxenguest moves it from $what"
    moves=$((moves + 1))
    same 'it is gone where it was' "$(domid_of $here mover)" ''
    read -r here there dom <<<"$there $here $new"
    matches 'the guest finds its memory right' \
        "$(await $here "$dom" 'data/verdict=ok*' 60)" "resumes=$moves "
    check 'and goes on writing' \
        "$EMU" wait --node data/writes --change "$WORK/$here" "$dom"
done

check 'destroy works' "$EMU" destroy "$WORK/$here" "$dom"
for h in a b; do
    # xenconsoled hears of a domain's end a little later.
    check "host $h holds nobody's frames any more" eventually 10 all_free $h ||
        diag "$("$EMU" status "$WORK/$h")"
done
done_testing
