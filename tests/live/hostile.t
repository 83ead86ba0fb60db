#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Peers that break the session protocol (docs/stream.md section 2) in every
# way that was thought of: a fake source against xmig receive, a fake
# destination against xmig migrate.  Each time there is one clear sentence, the
# documented exit status, the guest runs on, and nothing is left behind.
# The fakes are tests/live/hostile.c, and a case is its script.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
# It gets its name just after it runs.
arrived() {
    local end=$((SECONDS + 20))
    until there=$(domid_of b w); [ -n "$there" ]; do [ $SECONDS -lt $end ] || return 1; done
}
XMIG=$B/bin/xmig
PEER=$B/tests/live/hostile
PATIENCE=300ms

host_start a --memory 192
host_start b --memory 192

# ---- helpers -------------------------------------------------------------------
listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}
port=$((30000 + RANDOM % 2000))
receive() { # a receiver at b; sets receiver
    while listening $port; do port=$((port + 1)); done
    run b "$XMIG" -v receive --listen "127.0.0.1:$port" --io-timeout $PATIENCE \
        --recover-timeout 0 >>"$WORK/receive.out" 2>&1 &
    receiver=$!
    children+=("$receiver")
    eventually 20 listening $port || bail 'no receiver' "$(cat "$WORK/receive.out")"
}
# The process itself, below the launcher that the shell started.
stop_receiver() {
    kill -TERM "$(pgrep -P "$receiver" -x xmig || echo "$receiver")"
    wait "$receiver"
}
# What xenstore has of guests, but for the empty folders.
nodes() {
    run "$1" xenstore-ls -f / 2>/dev/null |
        grep -oE '^/(local/domain|vm)/[0-9a-f-]*[1-9a-f][0-9a-f-]*|^/local/domain/0/backend/.*'
}
left=
bare() { # HOST: nothing of a guest is there; says in left what is
    left="domains: $(domains "$1") nodes: $(nodes "$1") journals: $(journals "$1")"
    [ "$left" = 'domains:  nodes:  journals: ' ] && all_free "$1"
}
alive() { kill -0 "$receiver" 2>/dev/null; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/a" "$dom" >/dev/null; }

dom=$(create a "$(cfg w 'program=dirty size=4M rate=20M fill=8M publish=50ms' 24 2)") ||
    bail 'create failed'
await a "$dom" data/state=running 60 >/dev/null || bail 'no guest'

# ---- a fake source ---------------------------------------------------------------
# What a good one says up to a point; each has the ones before it.
said=(hello hello?)
HELLO=("${said[@]}")
said+=(domain policy params memory prepared?)
PREPARED=("${said[@]}")
said+=(lane:0 hello hello? joined? ctl)
JOINED=("${said[@]}")
said+=(round lane:0 zeros roundend ctl roundack?)
ROUND=("${said[@]}")
said+=(arm armed?)
ARMED=("${said[@]}")
said+=(next round:last lane:0 roundend ctl tsc context)
LAST=("${said[@]}")
said+=(stateend ready?)
READY=("${said[@]}")

# evil WHAT PATTERN WORD...: the receiver answers with a sentence that matches
# (PATTERN "": it need not) and nothing is left at b.
evil() {
    local what=$1 pattern=$2 rc why=
    shift 2
    run a "$PEER" source "$port" "$dom" "$@" >"$WORK/evil.out" 2>&1
    rc=$?
    [ $rc -eq 0 ] || why="the peer ended with $rc"
    [ -z "$pattern" ] || grep -qE "^says: .*$pattern" "$WORK/evil.out" ||
        why="$why; it was not told \"$pattern\""
    eventually 10 bare b || why="$why; left at b: $left"
    alive || why="$why; the receiver is gone"
    if [ -z "$why" ]; then
        ok "$what"
    else
        not_ok "$what"
        diag "$why" "script: $*" "$(cat "$WORK/evil.out")" \
            "$(tail -n 5 "$WORK/receive.out")"
    fi
    alive || { wait "$receiver"; receive; }
}

receive
evil 'garbage for HELLO' 'does not belong|sequence number' garbage:200
evil 'a little garbage' '' garbage:9 drop
evil 'nothing at all' '' drop
evil 'silence from the start' 'silent|no byte|timed out|too long'
evil 'other versions' 'no protocol version.*speaks 1 ... 1, the peer 7 ... 9' \
    hello:min=7,max=9
evil 'a version that has gone' 'HELLO: versions 0 ... 0' hello:min=0,max=0
evil 'versions the wrong way round' 'versions 3 ... 1' hello:min=3,max=1
evil 'other architecture' 'architecture: 1 here, 2 at' hello:arch=2
evil 'other page size' 'page size: 2\^12 here, 2\^16' hello:shift=16
evil 'wrong magic' 'magic: the peer is not xmig' hello:magic=1234
evil 'unknown role' 'unknown role 9' hello:role=9
evil 'no role' 'unknown role 0' hello:role=0
evil 'a fault connection of no migration' 'a lane of a migration that is not here' hello:role=3
evil 'lane of a control connection' 'lane 3 on control' hello:lane=3
evil 'reserved bytes' 'reserved' hello:reserved=1
evil 'no migration id' 'no migration id' hello:id=0,id2=0
evil 'a bulk connection of no migration' 'migration that is not here' \
    hello:role=2
evil 'a bulk connection without the token' 'without the right token' \
    "${PREPARED[@]}" lane:0 hello:token=1
evil 'a bulk connection too early' 'lane 0 does not belong' \
    "${HELLO[@]}" lane:0 hello
evil 'a lane too many' 'lane 1 does not belong' "${JOINED[@]}" lane:1 hello
evil 'a lane that is there' 'lane 0 is there already' \
    "${JOINED[@]}" lane:1 hello:lane=0
evil 'HELLO twice' 'HELLO came where DOMAIN was due' "${HELLO[@]}" hello

# ---- frames
evil 'wrong checksum' 'checksum' "${HELLO[@]}" 'domain:!crc'
evil 'a gap in the numbers' 'sequence number 3 where 1 was due' \
    "${HELLO[@]}" 'domain:!seq=2'
evil 'a number twice' 'sequence number 0 where 1' \
    "${HELLO[@]}" 'domain:!seq=-1'
evil 'records swapped' 'POLICY.*sequence number 2 where 1' \
    "${HELLO[@]}" 'policy:!seq=1' 'domain:!seq=-1'
evil 'too long' 'length 1048584, may be' "${HELLO[@]}" 'domain:!len=1048584'
evil 'far too long' 'length 4294967288, may be' \
    "${HELLO[@]}" 'domain:!len=4294967288'
evil 'too short' 'length 8, may be' "${HELLO[@]}" 'domain:!len=8'
evil 'not a multiple of 8' 'multiple of 8' "${HELLO[@]}" 'domain:!len=1001'
evil 'longer than it is' 'checksum|moved no byte|silent|timed out|no byte' \
    "${HELLO[@]}" 'domain:!len=65536'
evil 'cut in the header' '' "${HELLO[@]}" 'domain:!cut=7' drop
evil 'cut in the body' '' "${HELLO[@]}" 'domain:!cut=100' drop
evil 'half a record, then nothing' 'no byte|silent|timed out' \
    "${HELLO[@]}" 'domain:!cut=100'
evil 'half a batch, then nothing' 'silent' \
    "${JOINED[@]}" round lane:0 'pages:!cut=900'
evil 'unknown record' 'type 0x100ff does not belong' \
    "${HELLO[@]}" 'raw:!type=0x100ff'
evil 'record of an unknown mechanism' 'unexpected record 0x90001' \
    "${READY[@]}" 'raw:!type=0x90001,bytes=16'
evil 'record of no mechanism' 'type 0x5 does not' "${HELLO[@]}" 'raw:!type=5'

# ---- DOMAIN, POLICY, params, MEMORY
bad() { # WHAT PATTERN DOMAIN-ARGUMENTS
    evil "$1" "$2" "${HELLO[@]}" "domain:$3" policy params memory
}
bad 'no vcpus' '0 vcpus, may be' vcpus=0
bad 'many vcpus' '513 vcpus, may be' vcpus=513
bad 'vcpus more than this Xen gives' 'vcpus|vCPUs' vcpus=512,populated=1
bad 'unknown flags' 'unknown flags' flags=0x102
bad 'post-copy that was not agreed on' 'post-copy without the capability' flags=6
bad 'no gfns' '0 gfns' gfns=0
bad 'too many gfns' 'gfns, may be' gfns=0x4000000000000000
bad 'gfns beyond all reason' 'gfns end at' gfns=0x1000000000
bad 'more gfns than can be kept account of' 'gfns end at' \
    gfns=0x400000000,maxmem=0x1000000000
bad 'more pages than gfns' 'pages populated of' populated=0xffffffffffffffff
bad 'more memory than the host has' 'not enough memory.* MiB.* MiB' \
    populated=0x80000
bad 'a memory limit beyond all reason' 'memory limit' maxmem=0xffffffffffffffff
bad 'a paging pool beyond all reason' 'not enough memory' \
    paging=0xffffffffffffff00
bad 'no lanes' '0 lanes' lanes=0
bad 'many lanes' '17 lanes' lanes=17
bad 'no name' 'no name' name=
long=$(printf '%0200d' 0)
bad 'too long a name' 'name' "name=$long"
bad 'a name with a slash' '/' name=a/b
bad 'a name with a blank' "can't be the name" 'name=a b'
bad 'a name with control characters' 'control character' \
    "name=$(printf '\e[31mred')"
bad 'a name with 8-bit control characters' 'control character' \
    "name=$(printf 'x\xc2\x9b31m')"
bad 'emulation of who knows what' '' emulation=0xffffffff
bad 'too many grant frames' '' grants=0xffffffff
bad 'too many pairs' 'more than 256' nopairs,pairs=257
bad 'pairs without end' 'does not end' nopairs,endless
bad 'too long a key' 'key of' "nopairs,pair=data/$long$long~1"
bad 'a key with blanks' 'in a key' 'nopairs,pair=data/a b~1'
bad 'a value that is none' 'is not a value' 'nopairs,pair=vif/0/mac~hello'
grep -q $'\e' "$WORK/receive.out" && not_ok 'no escape sequence was printed' ||
    ok 'no escape sequence was printed'
bad 'a value with control characters' 'is not a value' \
    "nopairs,pair=vif/0/mac~$(printf '\e[31mred')"
grep -q $'\e' "$WORK/receive.out" && not_ok 'no escape sequence was printed' ||
    ok 'no escape sequence was printed'

before=$(run b xenstore-ls -f / | grep -v '^/tool/xmig' | sort)
for key in /local/domain/0/name ../0/name data/../../../0/x data//x \
    control/shutdown name domid vm console/ring-ref device/vif/0/backend \
    backend/vif/0 /vm/x memory/../../0/x attr/; do
    evil "a node outside: $key" '' "${HELLO[@]}" "domain:nopairs,pair=$key~evil" \
        policy params memory prepared? error
done
same 'none of it was written' \
    "$(run b xenstore-ls -f / | grep -v '^/tool/xmig' | sort)" "$before"

other=$(create b "$(cfg other 'program=idle' 16 1)") || bail 'no other guest'
await b "$other" data/state=running >/dev/null
uuid=$(store b "/local/domain/$other/vm")
# What the guest itself writes may change at any time.
other_ls() { run b xenstore-ls "$uuid"; run b xenstore-ls -f "/local/domain/$other" | grep -v /data; }
other_before=$(other_ls)
bare_b=$(declare -f bare)
bare() {
    left="domains: $(domains "$1") journals: $(journals "$1")"
    [ "$left" = 'domains: other journals: ' ]
}
evil 'the uuid of another domain' 'a domain with the uuid .* is here' \
    "${HELLO[@]}" "domain:uuid=${uuid#/vm/}" policy params memory
same 'that domain still has its nodes' "$(other_ls)" "$other_before"
evil 'the name of another domain' '"other" is here already' \
    "${HELLO[@]}" domain:name=other
eval "$bare_b"
"$EMU" destroy "$WORK/b" "$other" || bail 'destroy failed'

evil 'a policy that lies' 'POLICY' "${HELLO[@]}" domain policy:leaves=4097
evil 'a policy that is shorter' 'POLICY: body of' \
    "${HELLO[@]}" domain policy:leaves=3
evil 'a policy no host has' 'polic' "${HELLO[@]}" domain policy:greedy
evil 'unknown kind of state' 'unknown kind 9' \
    "${HELLO[@]}" domain policy params:kind=9
evil 'state of another length' 'STATE: 8000 bytes' \
    "${HELLO[@]}" domain policy params:bytes=8000
evil 'state before parameters' 'kind 1 where the HVM' \
    "${HELLO[@]}" domain policy tsc
evil 'a parameter that does not travel' 'parameter 2 is not' \
    "${HELLO[@]}" domain policy params:add=2
evil 'a parameter that does not exist' 'parameter 999 is not' \
    "${HELLO[@]}" domain policy params:add=999
evil 'a ring page out of range' 'ring page' \
    "${HELLO[@]}" domain policy params:index=1,value=0x7000000000
evil 'ranges out of order' 'MEMORY: range 1' \
    "${PREPARED[@]:0:5}" memory:range=9+4,range=2+1
evil 'ranges that overlap' 'MEMORY: range 1' \
    "${PREPARED[@]:0:5}" memory:range=0+8,range=4+8
evil 'a range out of range' 'MEMORY: range 0' \
    "${PREPARED[@]:0:5}" memory:range=0+0x2000000
evil 'an endless range' 'MEMORY: range 0' \
    "${PREPARED[@]:0:5}" memory:range=8+0xffffffffffffffff
evil 'an empty range' 'MEMORY: range 0' "${PREPARED[@]:0:5}" memory:range=8+0
evil 'more ranges than there are' 'MEMORY: body of' \
    "${PREPARED[@]:0:5}" memory:ranges=900
evil 'more memory than the limit' 'limit' \
    "${PREPARED[@]:0:5}" memory:range=0+0x20000

# ---- pages and rounds
batch() { # WHAT PATTERN ARGUMENTS
    evil "$1" "$2" "${JOINED[@]}" round lane:0 "pages:$3"
}
batch 'pages out of range' 'lie outside' run=0x2000000+1*1
batch 'a run that wraps' 'lie outside' run=1+0xffffffff*2
batch 'a run of nothing' 'lie outside' run=1+0*2
batch 'kind 0' 'unknown kind 0' run=1+1*0
batch 'kind 9' 'unknown kind 9' run=1+1*9
batch 'no runs' 'PAGES' runs=0
batch 'more runs than there are' 'PAGES' runs=99
batch 'too many runs' 'PAGES' runs=5000
batch 'less data than the runs name' 'PAGES' run=1+2*1,data=1
batch 'data that is not there' 'PAGES: body of' run=1+1*1,run=2+1*2,data=2
batch 'data that no run names' 'runs name 1 pages with data, the head 2' \
    run=1+1*1,run=2+1*1,@32.8=0x0200000000000002
batch 'pages of the next round' 'pages of round 1 .* within round 0' round=1
batch 'reserved bytes of a run' 'reserved' @28.4=1
evil 'pages of another lane' 'not all of lane 1 of 2' \
    "${HELLO[@]}" domain:lanes=2 "${PREPARED[@]:3}" \
    lane:0 hello hello? joined? lane:1 hello hello? joined? pages:run=0+1*2
evil 'a run over two chunks' 'not all of lane 0 of 2' \
    "${HELLO[@]}" domain:lanes=2 "${PREPARED[@]:3}" \
    lane:0 hello hello? joined? pages:run=510+4*2

# Coded batches: what was not agreed on, what does not unpack, deltas of
# nothing.
CODED=(hello:caps=0x2e7 "${JOINED[@]:1}" round lane:0)
coded() { # WHAT PATTERN ARGUMENTS
    evil "coded: $1" "$2" "${CODED[@]}" "coded:$3"
}
evil 'coded: not agreed on' 'method 2 was not agreed on' \
    "${JOINED[@]}" round lane:0 coded:zstd
evil 'coded: a delta that was not agreed on' 'kind 6 was not agreed on' \
    "${JOINED[@]}" round lane:0 coded:run=0+1*6
evil 'coded: on control' 'does not belong on a control' "${JOINED[@]}" coded
coded 'unknown method' 'unknown method 3' zstd,method=3
coded 'no runs' '0 runs' zstd,runs=0
coded 'more runs than there are' 'CODED' zstd,runs=9
coded 'reserved bytes' 'reserved' reserved=1
coded 'material without bound' 'which are to become 1048577' zstd,plain=1048577
coded 'material without any bound' 'which are to become 4294967295' \
    zlib,plain=4294967295
coded 'larger than it becomes' 'which are to become 4' zlib,plain=4
coded 'longer than it is' 'CODED: body of' coded=5000,plain=5000
for method in zlib zstd; do
    coded "$method, a bomb" 'unpack' "run=0+16*1,more=65536,$method,plain=65536"
    coded "$method, too little" 'unpack|announced|missing' \
        "run=0+16*1,$method,plain=69632"
    coded "$method, junk" 'unpack' "run=0+16*1,$method,junk=1"
    coded "$method, more than the runs name" '4 bytes behind' \
        "run=0+16*1,$method,more=4"
done
coded 'the other method' 'unpack' zlib,method=2
coded 'less than the runs name' 'runs name 1 pages with data' \
    run=1+1*6,run=2+1*2,@48.8=0x0100000000000002
coded 'pages out of range' 'lie outside' zstd,run=0x2000000+1*1
coded 'pages of the next round' 'pages of round 1 .* within round 0' \
    zlib,round=1
coded 'a delta of nothing' 'not .*received' run=3+1*6
coded 'a delta too few' 'there is nothing for gfn 0x2' run=0+2*6,@40.4=3
coded 'a delta that is cut off' 'cut off' run=0+1*6,@48.2=9
coded 'a delta that is none' 'delta of 1 bytes: a step is cut off' \
    run=0+1*6,more=1,@48.2=1
coded 'a delta that leaves the page' 'leaves the page' \
    run=0+1*6,more=20,@48.2=20,@50.2=0xff80
evil 'coded: a delta of a hole' 'not .*received' "${CODED[@]}" \
    pages:run=5+1*1 pages:run=5+1*4 coded:run=5+1*6
evil 'coded: pages and deltas of them do no harm' '' "${CODED[@]}" \
    zeros coded:zstd,run=0+4*1 coded:zlib,run=2+4*1 coded:run=0+6*6 roundend \
    ctl roundack? arm armed? next round:last lane:0 roundend ctl tsc context \
    stateend ready? error

evil 'ROUND_END counts wrong' 'ROUND_END of round 0 with 7 pages, after 1' \
    "${JOINED[@]}" round lane:0 pages roundend:pages=7
evil 'ROUND_END of another round' 'ROUND_END of round 3' \
    "${JOINED[@]}" round lane:0 roundend:round=3
evil 'ROUND_END changes the lanes' 'lanes can.t change' \
    "${JOINED[@]}" round lane:0 roundend:lanes=2
evil 'control records on a lane' 'GO.* does not belong on a bulk' \
    "${JOINED[@]}" lane:0 go
evil 'pages on control' 'PAGES.* does not belong on a control' \
    "${JOINED[@]}" pages
evil 'a page twice, in a batch and in a round, does no harm' '' \
    "${JOINED[@]}" round lane:0 pages:run=0+2*1,run=1+1*1,run=0+8*2 \
    pages:run=3+1*1 zeros roundend ctl roundack? arm armed? \
    next round:last lane:0 roundend ctl tsc context stateend ready? error
evil 'fewer pages than there are' '[0-9]+ pages .* received, [0-9]+ are' \
    "${JOINED[@]}" round lane:0 zeros:less=3 roundend ctl roundack? \
    next round:last lane:0 roundend ctl tsc context stateend
evil 'a page that never was there' 'received' \
    "${ROUND[@]}" next round:last lane:0 pages:run=0xfe000+1*2 roundend ctl \
    tsc context stateend
evil 'a hole made of memory' 'received' \
    "${ROUND[@]}" next round:last lane:0 pages:run=0+512*4 roundend ctl \
    tsc context stateend
evil 'a round after the last' 'after the last|round 2' \
    "${LAST[@]}" next round
evil 'pages after the last round' 'round 2 on a lane, 1 was the last' \
    "${READY[@]}" lane:0 next pages
evil 'ROUND with unknown flags' 'ROUND: unknown flags' "${JOINED[@]}" round:flags=4
evil 'ROUND out of turn' 'ROUND 7 where 0 was due' "${JOINED[@]}" round:round=7

# ---- state and the decision
evil 'a TSC of no mode' 'time stamp' "${ROUND[@]}" next round:last tsc:mode=77
evil 'a context of junk' 'context' \
    "${ROUND[@]}" next round:last context:junk
evil 'a context that is cut' 'context' \
    "${ROUND[@]}" next round:last context:bytes=100
evil 'an empty context' 'context' \
    "${ROUND[@]}" next round:last context:bytes=0
evil 'a context of zeros' 'context' \
    "${ROUND[@]}" next round:last 'context:bytes=64,@8.8=0,@16.8=0'
evil 'no context' 'without the HVM context' "${ARMED[@]}" next round:last lane:0 roundend ctl \
    tsc stateend
evil 'parameters a second time' 'second time' "${LAST[@]}" params
evil 'state before the last round' 'before the last round' "${ROUND[@]}" tsc
evil 'state after the last state' 'after STATE_END' "${READY[@]}" context
evil 'nodes outside, late' '' "${LAST[@]}" pairs:pair=../0/x~evil stateend ready? error
evil 'STATE_END counts wrong' 'received' "${LAST[@]}" stateend:populated=1
evil 'STATE_END twice' 'STATE_END' "${READY[@]}" stateend
evil 'STATE_END before the last round' 'STATE_END' "${ARMED[@]}" stateend
evil 'ARM twice' 'ARM came twice' "${ARMED[@]}" arm
evil 'GO at once' 'GO came where' "${HELLO[@]}" go
evil 'GO before READY' 'GO out of turn' "${ARMED[@]}" go
evil 'GO without ARM' 'GO out of turn' "${ROUND[@]}" next round:last lane:0 roundend \
    ctl tsc context stateend ready? go
evil 'an ERROR' '' "${READY[@]}" error
evil 'early GO that was not agreed on' 'early GO was not agreed' \
    "${ARMED[@]}" next 'round:last,early'
EARLY=(hello:caps=0x1007 "${ARMED[@]:1}" next)
evil 'early GO, announced in the middle' 'early GO, but not the last' \
    "${EARLY[@]}" round:early
evil 'early GO, before it is announced' 'GO out of turn' "${EARLY[@]}" go
evil 'state on a lane, which was not announced' 'STATE on lane 0, which may not' \
    "${EARLY[@]}" round:last lane:0 roundend tsc
evil 'state on a lane, and no word of the last round' 'silent' "${EARLY[@]}" lane:0 tsc
EARLY+=('round:last,early')
evil 'early GO without ARM' 'GO out of turn' hello:caps=0x1007 "${ROUND[@]:1}" \
    next 'round:last,early' go
evil 'early GO, and state on control' 'STATE belongs on lane 0' "${EARLY[@]}" tsc
evil 'early GO, and state within the round' 'STATE on lane 0, which may not' \
    "${EARLY[@]}" lane:0 tsc
evil 'early GO, and a lane that brings nothing more' 'silent' "${EARLY[@]}" go
evil 'early GO, and no state' 'silent' "${EARLY[@]}" go lane:0 roundend
evil 'early GO, and a lane that is gone' 'closed|reset' "${EARLY[@]}" go droplanes
evil 'early GO, and a lane that is gone before the end of the state' 'closed|reset' \
    "${EARLY[@]}" go lane:0 roundend tsc context droplanes
EARLY+=(lane:0 roundend tsc)
evil 'early GO, and no context' 'without the HVM context' "${EARLY[@]}" stateend ctl go
evil 'early GO, and a context of junk' 'context' "${EARLY[@]}" context:junk ctl go
EARLY+=(context)
evil 'early GO, and pages that are missing' 'received' \
    "${EARLY[@]}" stateend:populated=1 ctl go
EARLY+=(stateend ctl)
evil 'early GO, and an ERROR in place of it' '' "${EARLY[@]}" ready? error
evil 'early GO, and state twice' 'after STATE_END' "${EARLY[@]}" ready? lane:0 tsc
EARLY+=(go)
evil 'early GO, and silence in place of it' 'silent' "${EARLY[@]::${#EARLY[@]}-1}" ready?

# Every record where it does not belong.
for at in HELLO JOINED READY; do
    declare -n so_far=$at
    for rec in hello domain policy memory prepared joined roundack armed ready \
        refused running query outcome pages roundend; do
        [ "$at$rec" != HELLOdomain ] || continue
        evil "$rec after $at" 'does not belong|may not send|came where' \
            "${so_far[@]}" $rec
    done
done

# ---- gone, silent, deaf, after each word
for ((i = 1; i <= ${#READY[@]}; i++)); do
    evil "gone after \"${READY[*]:i-1:1}\" ($i)" '' "${READY[@]:0:i}" drop
done
for ((i = 2; i <= ${#READY[@]}; i++)); do
    case ${READY[i-1]} in *\?) continue ;; esac
    evil "silent after \"${READY[*]:i-1:1}\" ($i)" 'silent|no byte|timed out' \
        "${READY[@]:0:i}"
done
evil 'lanes gone' '' "${ROUND[@]}" droplanes
evil 'reads nothing' '' "${JOINED[@]}" lane:0 flood:roundend

# ---- GO, and what is not the guest
evil_go() { # WHAT WORD...: behind GO; the guest of zeros starts, and is not waited for
    local what=$1
    shift
    run a "$PEER" source "$port" "$dom" "${GO[@]}" "$@" >"$WORK/evil.out" 2>&1
    started() { [ "$(domains b)" = evil ]; }
    check "$what: it is here" eventually 10 started || diag "$(cat "$WORK/evil.out")"
    run b "$XMIG" recover >/dev/null 2>&1
    "$EMU" destroy "$WORK/b" "$(domid_of b evil)" 2>/dev/null
    run b xenstore-rm "/local/domain/$(domid_of b evil)" 2>/dev/null
    rm -f "$WORK/b/xmig/"*.*
    check "$what: the receiver serves on" alive
}
GO=("${READY[@]}" go)
evil_go 'GO twice' running? go drop
evil_go 'gone after GO' halfclose
evil_go 'pages after GO' running? lane:0 pages drop
GO=("${EARLY[@]}")
evil_go 'early GO' ready? running? drop
GO=(hello:caps=0x1007 "${ARMED[@]:1}" next)
brings=(lane:0 roundend tsc context stateend ctl)
GO+=('round:last,early' go "${brings[@]}")
evil_go 'early GO that is faster than the state' ready? running? drop
GO=(hello:caps=0x1007 "${ARMED[@]:1}" next "${brings[@]}" 'round:last,early' go)
evil_go 'early GO, and state that is faster than the word of it' ready? running? drop
GO=("${EARLY[@]}")
evil_go 'early GO twice' ready? running? go drop
evil_go 'gone after early GO' halfclose
check 'nothing else is left' eventually 5 bare b || diag "$left"

evil 'GO lost with the connection' '' "${READY[@]}" go:!cut=8 drop

# ---- questions
matches 'a question about an unknown migration' \
    "$(run a "$PEER" source "$port" "$dom" drop ask hello hello? query outcome? drop)" \
    'outcome: 3'
run a "$PEER" source "$port" "$dom" drop ask hello hello? query:flags=8 >"$WORK/evil.out"
matches 'a question with unknown flags' "$(cat "$WORK/evil.out")" 'says: .*QUERY'
run a "$PEER" source "$port" "$dom" drop ask hello hello? domain >"$WORK/evil.out"
matches 'no question' "$(cat "$WORK/evil.out")" 'says: .*DOMAIN.* does not belong'

# ---- many at once, and a good one among them
stop_receiver
PATIENCE=3s
receive
PATIENCE=300ms
crowd=()
for ((i = 0; i < 16; i++)); do
    case $((i % 4)) in
    0) script=(hang) ;;
    1) script=("${HELLO[@]}" "domain:name=evil$i,populated=64,maxmem=65536" policy params hang) ;;
    2) script=(garbage:5 hang) ;;
    3) script=("${HELLO[@]}" hang) ;;
    esac
    run a "$PEER" source "$port" "$dom" "${script[@]}" >/dev/null 2>&1 &
    crowd+=($!)
done
run a "$XMIG" migrate w "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
same 'a good one passes among bad ones' $? 0 || diag "$(cat "$WORK/migrate.out")"
for p in "${crowd[@]}"; do
    kill "$(pgrep -P "$p" -x hostile || echo "$p")" 2>/dev/null
    wait "$p" 2>/dev/null
done
arrived
matches 'its memory is right' "$(right b "$there")" 'resumes=1 '
bare a || not_ok "nothing is left at its source: $left"
only_w() { [ "$(domains b)" = w ]; }
check 'of the bad ones nothing is left' eventually 10 only_w
refuse 'a second receiver on the port' 'in use' \
    run b "$XMIG" receive --listen "127.0.0.1:$port"
# ---- a fake destination ------------------------------------------------------------
# It is the guest's turn at b; a has a receiver for the way back.
bring_back() {
    while listening $port; do port=$((port + 1)); done
    run a "$XMIG" receive --listen "127.0.0.1:$port" --once >"$WORK/receive.out" 2>&1 &
    children+=($!)
    eventually 20 listening $port
    run b "$XMIG" migrate w "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
    same 'and back' $? 0 || diag "$(cat "$WORK/migrate.out")"
    wait $!
    dom=$(domid_of a w)
}
stop_receiver
same 'the receiver ends well' $? 0
bring_back

# fake WORD...: a destination; sets fake and fake_port
fake() {
    : >"$WORK/fake.out"
    "$PEER" dest "$@" >"$WORK/fake.out" 2>&1 &
    fake=$!
    eventually 20 grep -q ^port: "$WORK/fake.out" || bail 'no fake'
    fake_port=$(sed -n 's/^port: //p' "$WORK/fake.out")
}
migrate_opts=()
migrate_to() { # PORT: sets status
    run a "$XMIG" migrate w "127.0.0.1:$1" --io-timeout $PATIENCE \
        --recover-timeout 0 --connect-timeout 2s "${migrate_opts[@]}" >"$WORK/migrate.out" 2>&1
    status=$?
    kill $fake 2>/dev/null
    wait $fake
}
# liar WHAT PATTERN WORD...: migrate says so, the guest runs on at a.
liar() {
    local what=$1 pattern=$2 why=
    shift 2
    fake "$@"
    migrate_to "$fake_port"
    [ $status -eq 2 ] || why="exit status $status"
    grep -qE "$pattern" "$WORK/migrate.out" || why="$why; it did not say \"$pattern\""
    grep -q $'\e' "$WORK/migrate.out" && why="$why; an escape sequence was printed"
    [ "$(domains a)" = w ] || why="$why; at a: $(domains a)"
    lives || why="$why; the guest does not run"
    [ -z "$(journals a)" ] || why="$why; journals: $(journals a)"
    if [ -z "$why" ]; then
        ok "$what"
    else
        not_ok "$what"
        diag "$why" "script: $*" "$(cat "$WORK/migrate.out" "$WORK/fake.out")" \
            "$(run a "$XMIG" list)"
        run a "$XMIG" recover --fenced >/dev/null 2>&1
    fi
}
silent='silent|no byte|timed out'
liar 'garbage for HELLO' 'does not belong|sequence number' until:HELLO garbage:200 hang
liar 'other versions' 'no protocol version.*speaks 1 ... 1, the peer 8 ... 9' \
    until:HELLO hello:min=8,max=9
liar 'other architecture' 'architecture: 1 here, 7' until:HELLO hello:arch=7
liar 'no token' 'HELLO' until:HELLO hello:token=0,@64.8=0
liar 'HELLO of a lane' 'HELLO' until:HELLO hello:role=2
liar 'HELLO with a bad checksum' 'checksum' until:HELLO 'hello:!crc'
liar 'HELLO with a wrong number' 'sequence number 4' until:HELLO 'hello:!seq=4'
liar 'half a HELLO' "$silent" until:HELLO 'hello:!cut=30'
liar 'not a HELLO' 'PREPARED came where HELLO' until:HELLO prepared
liar 'ERROR for HELLO' 'says: the moon is full' until:HELLO 'error:text=the moon is full'
liar 'ERROR with escape sequences' 'control character' \
    until:DOMAIN "error:text=$(printf 'x\e[2J\e]0;owned\a')"
liar 'ERROR with 8-bit escape sequences' 'control character' \
    until:DOMAIN "error:text=$(printf 'x\xc2\x9b2J')"
liar 'ERROR of no code' 'no error code' until:DOMAIN error:code=0
liar 'ERROR of an unknown code' 'says: no longer' until:DOMAIN error:code=4000
liar 'ERROR without a word' 'no reason' until:DOMAIN error:text=
liar 'not enough memory there' 'says: too small' until:POLICY 'error:code=12,text=too small'
liar 'ARMED before ARM' 'ARMED before its time' until:MEMORY armed prepared until:GO
liar 'READY early' 'READY before its time' until:MEMORY prepared ready until:GO
liar 'RUNNING without GO' 'RUNNING before its time' until:MEMORY prepared running until:GO
liar 'RUNNING instead of READY' 'RUNNING before its time' until:STATE_END running until:GO
liar 'REFUSED before GO' 'REFUSED before its time' until:ARM refused until:GO
liar 'PREPARED twice' 'PREPARED came twice' until:MEMORY prepared prepared until:GO
liar 'ARMED twice' 'ARMED came twice' until:ARM armed armed until:GO
liar 'rounds that were not sent' 'ROUND_ACK for round 7' until:ROUND roundack:round=7 until:GO
liar 'a round twice' 'ROUND_ACK for round 0' \
    until:ROUND_END ctl roundack roundack until:GO
liar 'joined as another lane' 'joined as lane 3' until:BULK hello joined:lane=3
liar 'records of the source' 'may not send GO' until:ARM go
liar 'records of a lane on control' 'does not belong' until:ARM roundend
liar 'an unknown record' 'does not belong' until:ARM 'raw:!type=0x100ee'
liar 'a record of a mechanism' 'unexpected record' until:ARM 'raw:!type=0x20001'
liar 'too long a record' 'length' until:ARM 'armed:!len=4096'

stages='HELLO DOMAIN POLICY STATE MEMORY BULK PAGES ROUND ROUND_END ARM
    ROUND_END,2 STATE,2 STATE,3 STATE_END'
for at in $stages; do
    liar "gone at $at" 'closed|reset|gone|pipe|refused' "until:$at" close
done
for at in $stages; do
    liar "silent at $at" "$silent" "until:$at" hang
done
liar 'lanes gone' 'lane|closed|reset|pipe' until:PAGES droplanes hang
liar 'lanes gone as they join, and why' 'says: full' \
    until:BULK droplanes ctl error:text=full
liar 'lanes refused, and why' 'says: full' \
    until:BULK 'error:text=not here' ctl error:text=full

# After GO only the destination's word counts.
liar 'REFUSED' 'had given up: no longer' until:GO refused until:BYE
liar 'gone after GO, but it says ABANDONED' '.' \
    until:GO drop answer:outcome=2 until:BYE

# doubt WHAT WORD...: the copy stays, until an operator has fenced the other.
doubt() {
    local what=$1
    shift
    fake "$@"
    migrate_to "$fake_port"
    same "$what: in doubt" $status 5 || diag "$(cat "$WORK/migrate.out" "$WORK/fake.out")"
    matches "$what: says what to do" "$(cat "$WORK/migrate.out")" 'xmig recover'
    same "$what: the copy is suspended" \
        "$(run a "$XMIG" list | awk '$1 ~ /^w/ { print $1, substr($5, 4, 1) }')" \
        'w--migratedaway s'
    run a "$XMIG" migrate w--migratedaway 127.0.0.1:9 >"$WORK/migrate.out" 2>&1
    same "$what: it can't be sent elsewhere" $? 2
    run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
    same "$what: recover alone does not settle it" $? 5
    run a "$XMIG" recover --fenced w >"$WORK/migrate.out" 2>&1
    same "$what: fenced it is" $? 0 || diag "$(cat "$WORK/migrate.out")"
    check "$what: the guest goes on" lives
    same "$what: nothing is open" "$(domains a)$(journals a)" w
}
doubt 'silent after GO' until:GO hang
doubt 'gone after GO' until:GO close
doubt 'nonsense after GO' until:GO ready until:ASKING close
doubt 'garbage after GO' until:GO garbage:100 close
doubt 'half of RUNNING' until:GO 'running:!cut=20' close
doubt 'it knows nothing' until:GO drop answer:outcome=3 until:BYE
doubt 'it does not say' until:GO drop answer:outcome=4 until:BYE
doubt 'no such outcome' until:GO drop answer:outcome=9 until:BYE
doubt 'two boot ids' until:GO drop answer:outcome=1,boot=5 until:BYE
doubt 'an answer with escape sequences' until:GO drop \
    "answer:outcome=2,text=$(printf 'x\e[2J')" until:BYE

# Where GO goes with the state, doubt begins there.
migrate_opts=(--early-go on)
AGREES=(until:HELLO hello:caps=4103)
liar 'early GO: READY for the round' 'READY before its time' \
    "${AGREES[@]}" until:ARM armed ready until:GO
liar 'early GO: REFUSED for the round' 'REFUSED before its time' \
    "${AGREES[@]}" until:ARM refused until:GO
liar 'early GO: REFUSED for the state' 'had given up: no longer' \
    "${AGREES[@]}" until:STATE,2 ctl refused until:BYE
liar 'early GO: REFUSED' 'had given up: no longer' \
    "${AGREES[@]}" until:GO refused until:BYE
liar 'early GO: gone, but it says ABANDONED' '.' \
    "${AGREES[@]}" until:GO drop answer:outcome=2 until:BYE
doubt 'early GO: silent' "${AGREES[@]}" until:STATE_END until:GO hang
doubt 'early GO: gone' "${AGREES[@]}" until:STATE_END until:GO close
doubt 'early GO: an ERROR, which is no decision' "${AGREES[@]}" until:STATE_END until:GO error close
doubt 'early GO: RUNNING before READY' "${AGREES[@]}" until:STATE_END until:GO running close
doubt 'early GO: READY twice' "${AGREES[@]}" until:STATE_END until:GO ready ready close
migrate_opts=()

# Two at once.
receive
fake until:ARM hang
run a "$XMIG" migrate w "127.0.0.1:$fake_port" --io-timeout 5s >"$WORK/first.out" 2>&1 &
first=$!
open_journal() { [ -n "$(journals a)" ]; }
eventually 10 open_journal
run a "$XMIG" migrate w "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
same 'a second migration of the domain is refused' $? 2
matches 'and says why' "$(cat "$WORK/migrate.out")" 'is running or unsettled'
kill $fake; wait $fake
wait $first
same 'the first one fails by itself' $? 2
check 'the guest runs on' lives
matches 'after all that its memory is right' "$(right a "$dom")" 'ok'

run a "$XMIG" migrate w "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
same 'a good migration passes' $? 0 || diag "$(cat "$WORK/migrate.out")"
arrived
matches 'its memory is right' "$(right b "$there")" 'resumes='
stop_receiver
check 'nothing is left at a' bare a || diag "$left"
"$EMU" destroy "$WORK/b" "$there"
check 'nothing is left at b' bare b || diag "$left"

# It runs there, and BYE is answered (capability 10), or is not.
bye() { # WHAT WORD...: sets status; its guest goes to nobody
    create a "$(cfg v "program=idle" 16 1)" >/dev/null
    fake until:HELLO hello:caps=1031 until:GO running until:BYE "$@"
    run a "$XMIG" migrate v "127.0.0.1:$fake_port" --io-timeout $PATIENCE \
        --connect-timeout 1s >"$WORK/migrate.out" 2>&1
    same "$what: the guest has moved" "$?$(domains a)" 0 ||
        diag "$(cat "$WORK/migrate.out" "$WORK/fake.out")"
    wait $fake
}
unconfirmed='has not said that it is done'
kept() { cat "$WORK/a/xmig/"*.source 2>/dev/null | grep -c state=DONE; }
what='BYE is answered'
bye bye
same "$what: nothing is said of it" "$(grep -c "$unconfirmed" "$WORK/migrate.out")" 0
same "$what: no journal is kept" "$(kept)" 0
what='BYE is not answered'
bye close
same "$what: it is said" "$(grep -c "$unconfirmed" "$WORK/migrate.out")" 1
same "$what: so that it can be said again" "$(kept)" 1

found=$(grep -E 'Sanitizer|runtime error:' -A 25 "$WORK/receive.out")
same 'no sanitizer had anything to say' "$found" ''

done_testing
