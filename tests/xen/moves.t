#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Guests go from host to host and back, many times: by xl with our helper, and
# by xmig migrate with a disk that both hosts reach and a network interface;
# then what can go wrong on the way does.  TIMES there and back, once if not set.
# Timeout: 2400
. "$(dirname "$0")/lib.sh"
: "${TIMES:=1}"
hosts
# Few rounds: it is the number of moves that counts here.
SET='downtime-limit=1s precopy.max-iters=4'
OPTIONS=(--downtime-limit 1s --max-iters 4)

# there_and_back COMMAND...: each move is judged; prints how many went well.
there_and_back() {
    local i n=0
    for ((i = 0; i < TIMES; i++)); do
        "$@" A B w >&3 && on B checked w 1 >&3 || break
        "$@" B A w >&3 && on A checked w 1 >&3 || break
        n=$((n + 1))
    done
    echo $n
}
exec 3>"$WORK/said"
refused() { ! "$@"; }

# ---- xl with our helper -------------------------------------------------------
guest A w rate=20 dirty=4
same "xl and our helper: there and back $TIMES times" \
    "$(there_and_back xl_move)" "$TIMES" || diag "$(tail -n 40 "$WORK/said")"
happy 'by xl' A w
gone A w
bare 'by xl' A
bare 'by xl' B

# ---- a disk and a network -------------------------------------------------------
# With less memory, Linux can find none for the rings of its disk on resume.
guest A w memory=160 rate=20 dirty=4 ip=10.9.0.101 disk=/dev/vda
happy 'with disk and network' A w
answers() { # WHAT: its network reaches it from everywhere
    check "$1: it answers A" on A ping -q -c 1 -W 20 10.9.0.101
    check "$1: it answers B" on B ping -q -c 1 -W 20 10.9.0.101
}
wrote() { # WHAT HOST: to its disk, since the last time
    local now
    now=$(on "$2" checked w 1 | grep -o 'disk=[0-9]*' | cut -d = -f 2)
    check "$1: it wrote to its disk" [ "${now:-0}" -gt "${before-0}" ]
    before=$now
}
answers 'created'
wrote 'created' A
check 'it moves by xl and our helper' xl_move A B w
happy 'by xl' B w
answers 'by xl'
wrote 'by xl' B
bare 'by xl' A

receive A
receive B
by_xmig() { xmig_move "$@" "${OPTIONS[@]}"; }
check 'it moves by xmig' by_xmig B A w
happy 'by xmig' A w
answers 'by xmig'
wrote 'by xmig' A
bare 'by xmig' B
same "xmig migrate: there and back $TIMES times" \
    "$(there_and_back by_xmig)" "$TIMES" || diag "$(tail -n 40 "$WORK/said")"
happy 'by xmig' A w
answers 'by xmig'
wrote 'by xmig' A
bare 'by xmig' B
check 'xl still knows it as its own' on A xl save -c w /tmp/w.img
on A rm -f /tmp/w.img
happy 'saved and kept' A w

# ---- a destination without memory --------------------------------------------------
free=$(on B xl info free_memory)
on B guest big memory=$((free - 70)) || bail 'no guest big'
on B xl pause big
check 'xmig: no room at the destination' \
    refused xmig_move A B w
matches 'which is said' "$(cat "$WORK/sent")" 'not enough memory'
happy 'no room' A w
check 'xl: no room at the destination' refused xl_move A B w
happy 'no room, by xl' A w
same 'nothing came about there' "$(domains B)" big
gone B big
bare 'no room' B
check 'with room again it moves' by_xmig A B w
happy 'moved' B w

# ---- a receiver that is killed ------------------------------------------------------
arriving() { on "$1" xl list w--incoming >/dev/null 2>&1; }
in_background B xmig migrate --bandwidth 4 w A:8002
check 'a slow migration is under way' eventually 60 arriving A
kill_receiver A KILL
wait "$child"
same 'receiver killed: the guest stays, says the exit status' $? 2
diag "$(cat "$WORK/B.out")"
happy 'receiver killed' B w
# The next one tidies up behind it.
receive A
bare 'receiver killed' A
check 'and takes the guest' by_xmig B A w
happy 'moved again' A w
in_background A env LIBXL_SAVE_HELPER=$OURS XMIG_SAVE_HELPER_SET=bandwidth=4 \
    PLAINSSH_ENV=LIBXL_SAVE_HELPER=$OURS xl migrate -s plainssh w B
check 'a slow migration by xl is under way' eventually 60 arriving B
on B sh -c 'kill -9 $(pidof xmig-save-helper)'
wait "$child"
check 'its helper killed: xl says that it failed' [ $? -ne 0 ]
happy 'helper killed' A w
bare 'helper killed' B

# ---- a cable that is pulled ---------------------------------------------------------
in_background A xmig migrate --bandwidth 4 --io-timeout 5s w B:8002
check 'a slow migration is under way' eventually 60 arriving B
"$LAB" link B off
wait "$child"
same 'cable pulled: the guest stays, says the exit status' $? 2
diag "$(cat "$WORK/A.out")"
"$LAB" link B on
happy 'cable pulled' A w
kill_receiver B
bare 'cable pulled' B
receive B
check 'plugged in again: it moves' by_xmig A B w
happy 'moved in the end' B w
answers 'in the end'

kill_receiver A
kill_receiver B
gone B w
bare 'in the end' A
bare 'in the end' B
done_testing
