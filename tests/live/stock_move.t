#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Debian's own libxenguest moves dirtying guests between two emulated hosts
# whose dirty logs work differently, and every page arrives as it was.
# Timeout: 240
. "$(dirname "$0")/lib.sh"
need_root "xenconsoled, and hosts of either kind of dirty log"

host_start a --memory 320 --dirty-log async
host_start b --memory 320 --dirty-log sync

# move FROM TO DOM OPTION...: sets result; the libraries' place is the same
# for all hosts.
move() {
    local from=$1 to=$2 dom=$3
    shift 3
    result=$(run "$from" "$B/tests/live/stock_move" "$@" \
                 "$WORK/$from" "$dom" "$WORK/$to" 2>&1)
}
moves() { # WHAT FROM TO DOM OPTION...
    local what=$1
    shift
    if move "$@"; then ok "$what"; else not_ok "$what"; fi
    diag "$result"
}
field() { grep -oE "\b$1=[0-9]+" <<<"$result" | cut -d= -f2; }

one() { # FROM TO EXTRA VCPUS OPTION...
    local from=$1 to=$2 extra=$3 vcpus=$4 dom
    shift 4
    dom=$(create "$from" "$(cfg worker "$extra" 96 "$vcpus")") ||
        bail "create failed"
    await "$from" "$dom" data/state=running 60 >/dev/null ||
        bail "no guest" "$(console "$from" "$dom")"
    moves "$extra, $vcpus vCPUs, $from to $to $*" "$from" "$to" "$dom" \
        --compare --keep-paused "$@"
    matches '... took several rounds or found nothing to do' \
        "$(field rounds)" '^[1-5]$'
    "$EMU" destroy "$WORK/$from" "$dom" || bail "destroy failed"
    [ -z "$(field domid)" ] ||
        "$EMU" destroy "$WORK/$to" "$(field domid)" || bail "destroy failed"
}

one a b 'program=idle' 1
one a b 'program=dirty size=48M rate=100M order=random' 2
one b a 'program=dirty size=48M rate=100M order=random' 2
one a b 'program=dirty size=32M rate=50M order=zipf' 1 --store
one b a 'program=dirty size=32M rate=50M order=sequential' 1 --store
one a b 'program=dirty size=32M rate=50M order=zipf' 1 --debug
done_testing
