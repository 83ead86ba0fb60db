#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The spill of a post-copy: the source's host dies while most of the guest is
# there still, and the guest goes on with what stands in the file, or stands
# still and is lost by an operator's word, where that is not all.
# Timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start b --memory 192
mkdir "$WORK/spill"
source_says() { run a "$XMIG" status --json w | tr -d ' \n' | grep -q "\"spill\":\"$1\""; }
shows() { run a "$XMIG" status w | grep -qE "spill: $1"; }
is_held() { run b "$XMIG" status | grep -q held; }
draining() { run a "$XMIG" status | grep -q drain; }
arrived() { dom=$(domid_of b w); [ -n "$dom" ]; }
told() { grep -qE "$1" "$WORK/receive.out"; }
spills() { find "$WORK/spill" -type f; }
same_count() { [ "$(spills | wc -l)" = "$1" ]; }
xmig_opts=(-v)
# split OPTION...: a guest at b whose pages come from a very slowly.
split() {
    host_start a --memory 192
    boot a w 'program=dirty size=24M rate=20M order=random fill=8M publish=50ms' 64 2
    receive b -- --once --postcopy-spill "$WORK/spill" --recover-timeout 1s
    migrate_bg a w --postcopy --bandwidth 1 "$@"
    check "it runs there${1:+ ($*)}" until_ok 60 draining || logs
}
# The host, and the process that would go on serving the memory without it.
source_dies() {
    kill -9 "$(process_of "$sender")"
    wait "$sender"
    host_stop a
}
fenced() { # sets status
    run b "$XMIG" recover --fenced w >"$WORK/recover.out" 2>&1
    status=$?
}
lost_by_word() { # WHAT
    check "$1: the guest stands still" until_ok 40 is_held || logs
    fenced
    same "$1: recover --fenced there says that it is lost" $status 6
    matches "$1: and how much of it was missing" "$(cat "$WORK/recover.out")" \
        'is lost: [0-9]+ MiB \([1-9][0-9]* pages\) .* at its source'
    receiver_end
    same "$1: so says its receiver" $receiver_status 6 || logs
    same "$1: nothing of it stays" "$(domid_of b w)$(domid_of b w--incoming)" ''
    rm -f "$WORK"/spill/*
}

# ---- it is whole ----------------------------------------------------------------
split --postcopy-spill "$WORK/spill" --recover-timeout 60s
check 'the source says that the spill is whole' until_ok 60 source_says whole || logs
check 'in words, too' shows 'whole, ([0-9]+) of \1 pages'
fenced
same 'fencing is refused as long as the source is there' $status 1
matches 'and why' "$(cat "$WORK/recover.out")" 'does not wait for its source'
source_dies
check 'the source is dead, the guest goes on' until_ok 60 told 'is whole: [1-9][0-9]* pages' ||
    logs
check 'under its name' until_ok 20 arrived || logs
matches 'its memory is right' "$(right b "$dom")" 'resumes=1 ' || logs
check 'the spill is removed' until_ok 20 same_count 0
read -r placed dropped < <(sed -nE \
    's/.*post-copy: ([0-9]+) pages placed, ([0-9]+) dropped.*/\1 \2/p' "$WORK/receive.out")
read -r spilled < <(sed -nE 's/.*is whole: ([0-9]+) pages.*/\1/p' "$WORK/receive.out")
check "part of it came out of it ($spilled of $placed pages)" [ "$spilled" -gt 0 ]
check "at most 1 % came twice ($dropped)" \
    [ "$dropped" -le $((placed / 100)) ]
matches 'the journal says that it is all there' \
    "$(find "$WORK/b" -name '*.destination' -type f -exec cat {} +)" 'state=STARTED'
stop_receiver
same 'its receiver ends well' $receiver_status 0
"$EMU" destroy "$WORK/b" "$dom"

# ---- there is none, it is not whole, it is damaged -------------------------------
split
source_dies
lost_by_word 'without a spill'

split --postcopy-spill "$WORK/nowhere"
matches 'a directory that is not there: it is said' "$(cat "$WORK/migrate.out")" \
    'spill .*/nowhere/.*No such file.* goes on without a spill'
check 'the status, too' until_ok 20 source_says failed
source_dies
lost_by_word 'a directory that is not there'

host_start a --memory 192
boot a w 'program=dirty size=24M rate=20M order=random fill=8M' 64 2
receive b -- --once --postcopy-spill "$WORK/spill" --recover-timeout 1s
# What is written beyond is refused, as on a disk that is full.
(
    trap '' XFSZ
    ulimit -f 20480
    exec "$EMU" run "$WORK/a" -- "$XMIG" migrate --postcopy --bandwidth 1 \
        --postcopy-spill "$WORK/spill" w "127.0.0.1:$port"
) >"$WORK/migrate.out" 2>&1 &
sender=$!
children+=("$sender")
check 'no room: the status says so' until_ok 60 source_says failed || logs
matches 'and the sender' "$(cat "$WORK/migrate.out")" \
    'write the spill .*File too large.* goes on without a spill'
source_dies
check 'no room: what had been written is used' until_ok 40 is_held
lost_by_word 'no room'

split --postcopy-spill "$WORK/spill"
check 'a spill is whole' until_ok 60 source_says whole
printf 'no page' | dd of="$(spills)" bs=1 seek=20000000 conv=notrunc 2>/dev/null
source_dies
check 'it is damaged: it is said' until_ok 40 told \
    'batch [0-9]+: its checksum is wrong; that and what follows it is not used'
lost_by_word damaged

# ---- the push is done first ------------------------------------------------------
host_start a --memory 192
boot a w 'program=dirty size=8M rate=10M' 32 1
receive b -- --once --postcopy-spill "$WORK/spill" --recover-timeout 1s
migrate a w --postcopy --json --postcopy-spill "$WORK/spill"
receiver_end
same 'nothing breaks: it moves' $status$receiver_status 00 || logs
check 'and no spill is left' same_count 0
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" 'resumes=1 '
done_testing
