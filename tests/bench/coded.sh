#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# What coding pages gains, and what it costs where it gains nothing: time,
# bytes and CPU of both ends.
#   usage: tests/bench/coded.sh [MIB [RUNS]]     (B names the build tree)
. "$(dirname "$0")/../live/lib.sh"
. "$(dirname "$0")/../live/migrate.sh"
mib=${1:-512} runs=${2:-3}

# Sets used: seconds of user and system time of all that was waited for.
cpu() {
    times >"$WORK/times"
    used=$(awk 'NR == 2 { split($1, u, /[ms]/); split($2, s, /[ms]/)
        print u[1] * 60 + u[2] + s[1] * 60 + s[2] }' "$WORK/times")
}
of() { # OBJECT NAME: a figure within an object of the JSON
    sed -n "/\"$1\":{/,/}/p" "$WORK/migrate.out" |
        grep -oE "\"$2\": ?[0-9]+" | head -1 | grep -oE '[0-9]+$' || echo 0
}
here=a there=b
one() { # WHAT [OPTION...]
    local what=$1 before
    shift
    cpu
    before=$used
    move "$here" "$there" w "$@"
    cpu
    # shellcheck disable=SC2154 # move sets it
    [ "$status" = 0 ] || bail "$what" "$(cat "$WORK/migrate.out")"
    read -r here there <<<"$there $here"
    awk -v what="$what" -v ms="$(figure total-time)" \
        -v sent="$(figure transferred)" -v c0="$before" -v c1="$used" \
        -v down="$(figure downtime-us)" -v rounds="$(figure dirty-sync-count)" \
        -v packed="$(of compression pages)" -v delta="$(of xbzrle-cache pages)" \
        'BEGIN { printf "%-28s %6d ms %7.1f MiB %6.2f s CPU %7.1f ms down " \
            "%3d rounds %6d compressed %6d deltas\n", what, ms, \
            sent / 1048576, c1 - c0, down / 1000, rounds, packed, delta }'
}
guest() { # EXTRA
    [ -z "$dom" ] || "$EMU" destroy "$WORK/$here" "$(domid_of "$here" w)"
    here=a there=b
    boot a w "$1" "$mib" 1
}

dom=
host_start a --memory $((mib + 64))
host_start b --memory $((mib + 64))
fill=$((mib - 32))M
for kind in 'sparse=70' 'sparse=0'; do
    guest "program=idle fill=$fill $kind verify=off"
    echo "# idle guest of $mib MiB, $kind"
    one '100 MiB/s, plain' --bandwidth 100
    one '100 MiB/s, compressed' --bandwidth 100 --compressed
    one '100 MiB/s, zlib' --bandwidth 100 --compressed --comp-methods zlib
    # Moves go to and fro: either goes both ways, as the hosts' memory differs.
    for ((i = 0; i < runs; i++)); do
        one 'no cap, plain'
        one 'no cap, compressed' --compressed
        one 'no cap, compressed' --compressed
        one 'no cap, plain'
    done
done
guest "program=dirty size=$((mib / 8))M rate=$((mib / 6))M same=100 verify=off"
echo "# guest that writes to $((mib / 8)) MiB, a row of each page"
cap=(--bandwidth $((mib / 8)) --max-iters 30)
one 'plain' "${cap[@]}"
one 'deltas' "${cap[@]}" --comp-methods delta
one 'zstd' "${cap[@]}" --compressed --comp-methods zstd
one 'zstd and deltas' "${cap[@]}" --compressed
