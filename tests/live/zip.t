#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Compressed pages and pages told as changes: each method and pairs of it with
# lanes, zero pages and a bandwidth, judged by a guest that goes on writing;
# that the bytes shrink; that it switches itself off where nothing is to be
# gained; and a receiver that does not decode it.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192
host_start b --memory 192
# 24 MiB are written again and again; half of the pages in a row of 128 bytes
# only.  Of all of it a tenth is zeros, a tenth one word, and half has 6 bytes
# of 8 that are 0; the rest is random.
boot a w 'program=dirty size=24M rate=16M order=random fill=24M zero=10 uniform=10 sparse=50 same=50 publish=200ms' \
    64 2

here=a there=b moves=0 contents=0
# moved WHAT [OPTION...]: one whole move, judged by the guest.
moved() {
    local what=$1
    shift
    move $here $there w "$@"
    moves=$((moves + 1))
    same "$what: it moves" $status 0 || logs
    read -r here there <<<"$there $here"
    matches "$what: its memory is right" \
        "$(await $here "$dom" 'data/verdict=ok*' 120)" "resumes=$moves "
    contents=$(($(figure normal) * 4096))
}
# of OBJECT NAME: a figure within an object of the JSON.
of() {
    sed -n "/\"$1\":{/,/}/p" "$WORK/migrate.out" |
        grep -oE "\"$2\": ?[0-9]+" | head -1 | grep -oE '[0-9]+$' || echo 0
}
more() { [ "$2" -gt "$3" ] && ok "$1" || { not_ok "$1"; diag "$2 is not more than $3"; logs; }; }
again() { # pages were sent a second time at least
    more "$1: pages were written and sent again" "$(figure dirty-sync-count)" 1
}

# As it is, to compare with: content is all that travels.
moved plain --bandwidth 60
more 'plain: all contents travel' "$(figure transferred)" $((contents - 1))
more 'plain: zeros and repeated words do not' "$(figure duplicate)" 1800

always=(--comp-always on --bandwidth 30)
moved 'zstd' --compressed --comp-methods zstd "${always[@]}"
again 'zstd'
more 'zstd: pages were compressed' "$(of compression pages)" 4000
more 'zstd: bytes shrink' $((contents * 8 / 10)) "$(figure transferred)"
same 'zstd: no deltas without being asked for' "$(of xbzrle-cache pages)" 0

moved 'zlib over three lanes' --compressed --comp-methods zlib --lanes 3 \
    --comp-zlib-level 2 --comp-threads 3 "${always[@]}"
more 'zlib: bytes shrink' $((contents * 8 / 10)) "$(figure transferred)"

moved 'deltas alone' --comp-methods delta "${always[@]}" --bandwidth 40
again 'deltas alone'
more 'deltas alone: pages are told as changes' "$(of xbzrle-cache pages)" 50
more 'deltas alone: in a tenth of the bytes' \
    $(($(of xbzrle-cache pages) * 410)) "$(of xbzrle-cache bytes)"
more 'deltas alone: others have changed too much' \
    "$(of xbzrle-cache overflow)" 0
same 'deltas alone: nothing is compressed' "$(of compression pages)" 0

moved 'all, two lanes, a small cache' --compressed --lanes 2 \
    --comp-xbzrle-cache 4 --comp-zstd-level 3 "${always[@]}"
more 'all: compressed' "$(of compression pages)" 1000
more 'all: the cache is too small for it' "$(of xbzrle-cache cache-miss)" 100

moved 'zeros told as pages' --compressed --zero-pages off "${always[@]}"
same 'zeros told as pages: none is a mark' "$(figure duplicate)" 0
more 'zeros told as pages: bytes shrink' $((contents * 8 / 10)) \
    "$(figure transferred)"

# What the other end does not decode is not sent to it.
receive_opts=(--comp-accept off)
moved 'a receiver that does not decode' --compressed "${always[@]}"
same 'it gets no compressed pages' "$(of compression pages)" 0
matches 'and it is said' "$(run a "$XMIG" options 2>&1)" comp-accept
receive_opts=()

migrate $here w --compressed --comp-methods lz4
same 'an unknown method is refused' $status 2
matches 'by name' "$(cat "$WORK/migrate.out")" 'not "lz4"'

# A guest of random bits, and a link faster than any processor: it leaves
# itself off.  What is slow on a busy machine may still be coded for a while.
boot a r 'program=dirty size=2M rate=2M fill=40M publish=200ms' 64 1
here=a there=b moves=0
move a b r --compressed --bandwidth 60
same 'random pages: it moves' $status 0 || logs
more 'random pages: next to nothing was compressed' 500 "$(of compression pages)"
more 'random pages: no more bytes than there are' \
    $(($(figure normal) * 4096 * 102 / 100)) "$(figure transferred)"
matches 'random pages: right' "$(await b "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '

# It writes to a row of each page, faster than the link takes whole ones: its
# pages do not compress, and only what has changed of them gets across in time.
"$EMU" destroy "$WORK/b" "$dom" || bail 'destroy failed'
boot a c 'program=dirty size=16M rate=24M fill=16M same=100 publish=200ms' 64 1
for how in '--compressed' '--comp-methods delta'; do
    here=b there=a
    [ "$how" != --compressed ] || here=a there=b
    # shellcheck disable=SC2086 # two words
    move $here $there c $how --bandwidth 16 --max-iters 40
    same "$how pays by itself: it moves" $status 0 || logs
    more "$how pays by itself: pages are told as changes" \
        "$(of xbzrle-cache pages)" 1000
    more "$how pays by itself: so it comes to an end" 40 \
        "$(figure dirty-sync-count)"
    more "$how pays by itself: which is short" 300000 "$(figure downtime-us)"
    matches "$how pays by itself: its memory is right" \
        "$(await $there "$dom" 'data/verdict=ok*' 60)" 'resumes='
done
done_testing
