#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate of domains of libxl between real hosts: with a network interface
# and a disk on storage that both share; and what fails leaves nothing behind.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
truncate -s 32M "$WORK/disk"
hosts --disk "$WORK/disk" A B

# An emulated processor copies slowly: the last round may take its time.
slow=(--tcp --max-iters 2 --downtime-limit 5s)
receive() { # HOST [OPTION...]
    local host=$1
    in_background "$host" xmig receive --once -e "${@:2}"
    listening() { on "$host" sh -c 'netstat -ltn | grep -q :8002'; }
    eventually 60 listening || bail 'no receiver' "$(cat "$WORK/$host.out")"
}
move() { # WHAT FROM TO DOMAIN
    local out rc
    receive "$3" --trusted-peers
    out=$(on "$2" xmig migrate "${slow[@]}" "$4" "$3" 2>&1)
    rc=$?
    wait "$child"
    if [ $rc = 0 ]; then
        ok "$1: moved"
        diag "$out"
    else
        not_ok "$1: moved"
        diag "$out" "$(cat "$WORK/$3.out")"
    fi
}
stays() { # WHAT
    same "$1: it runs on at the source" "$(domains A)" w
    happy "$1" A w
    bare "$1" B
}
arriving() { [ "$(domains B)" = w--incoming ]; }

# ---- network and disk ----------------------------------------------------------
guest A w memory=128 ip=10.9.0.101 disk=/dev/vda
happy 'before' A w
move 'A to B' A B w
happy 'at B' B w
bare 'at B' A
check 'libxl knows its disk' on B sh -c 'xl block-list w | grep -q '^51712 ''
check 'it answers on the network' on A ping -c 3 -w 20 10.9.0.101
move 'B to A' B A w
happy 'at A again' A w
bare 'at A again' B

# ---- failures ---------------------------------------------------------------------
receive B
refuse 'disks are not for just anybody' 'trusted-peers' \
    on A xmig migrate "${slow[@]}" w B
wait "$child"
stays 'refused'

receive B --trusted-peers
start_sender() {
    on A xmig migrate --tcp --bandwidth 2 w B >"$WORK/A.out" 2>&1 &
    sender=$!
    children+=("$sender")
}
ended() { # WHAT
    wait "$sender"
    same "$1: the guest is said to be here" $? 2 || diag "$(cat "$WORK/A.out")"
    wait "$child"
}
start_sender
eventually 60 arriving || bail 'nothing arrives' "$(cat "$WORK/A.out")"
attached() {
    on B sh -c 'xenstore-exists /local/domain/0/backend/vbd &&
        xenstore-exists /local/domain/0/backend/vif'
}
check 'its devices are there before it is' eventually 60 attached
on B sh -c 'kill -9 $(pidof xmig)'
ended 'receiver killed'
on B sh -c 'timeout 5 xmig receive'             # tidies up
stays 'receiver killed'

receive B --trusted-peers
start_sender
eventually 60 arriving || bail 'nothing arrives' "$(cat "$WORK/A.out")"
on A sh -c 'kill -INT $(pidof xmig)'
ended 'cancelled'
stays 'cancelled'

gone A w
bare 'in the end' A
done_testing
