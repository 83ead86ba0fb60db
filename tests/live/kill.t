#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# In every state of a migration an end of it is killed, or the whole host, or
# the link is cut: states.c says where the guest has to be then.  Never do two
# copies run; what is not lost with its host runs at one of them, whole, after
# "xmig recover"; and the other one has nothing.  By itself it kills hosts only
# in the states from the switch-over on; KILL=full: in all.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
. "$(dirname "$0")/states.sh"

# ---- what is there ----------------------------------------------------------
runs_at() { # HOST: a copy that is not paused
    "$EMU" list "$WORK/$1" 2>/dev/null | awk 'NR > 1 && $(NF-4) != 0 && $(NF-1) !~ /[pscd]/ { n++ } END { exit !n }'
}
two_run() { runs_at a && runs_at b; }
nothing_at() { [ -z "$("$EMU" list "$WORK/$1" 2>/dev/null | awk 'NR > 1 && $(NF-4) != 0')" ]; }
host_die() { # HOST, with all that runs on it
    local p
    kill -9 "$(cat "$WORK/$1/host.pid")"
    for p in $(pgrep -x xmig); do
        grep -qzx "XMIG_EMU=$WORK/$1" "/proc/$p/environ" 2>/dev/null &&
            kill -9 "$p"
    done
    "$EMU" stop "$WORK/$1" >/dev/null 2>&1
}
host_again() {
    "$EMU" start --memory 128 "$WORK/$1" >"$WORK/again.out" 2>&1 ||
        bail "host $1 does not start again" "$(cat "$WORK/again.out")"
    # It has forgotten what it may have lost, and is another boot.
    rm -f "$WORK/$1/xmig/"*.*
}
guest() { boot a w 'program=dirty size=8M rate=100M order=random fill=6M publish=50ms' 24 1; moves=0; }

# ---- one death ----------------------------------------------------------------
die() { # VICTIM STATE
    case $1 in
    source) kill -9 "$(process_of "$sender")" ;;
    destination)
        kill -9 "$(process_of "$receiver")"
        # Its port is free then.
        wait "$receiver" ;;
    source-host) host_die a ;;
    destination-host) host_die b ;;
    # In the state held it is cut already.
    link) [ "$2" = held ] || kill -USR1 "$link" ;;
    esac
}
settle() { # what an operator does, and processes do by themselves
    two_run && touched=1
    x a recover >"$WORK/recover.out" 2>&1
}
is_at() { # HOST, alone and settled
    local other=a
    [ "$1" != a ] || other=b
    two_run && touched=1
    nothing_at "$other" && runs_at "$1" && [ -n "$(domid_of "$1" w)" ] &&
        [ -z "$(journals a)" ]
}
try() { # STATE VICTIM WANT
    local what="$2 dies in $1" touched=0 at
    begin_opts=(--recover-timeout 20s)
    [ "$2" != destination-host ] || begin_opts=(--recover-timeout 1s)
    by_link=
    [ "$2" != link ] || by_link=1
    reach "$1" a
    die "$2" "$1"
    # It was held for the state's sake.
    [ "$1" != suspending ] || [ "$2" = source-host ] || run a "$DO" unpause "$dom"
    # On the same port, where it will be asked for.
    [ "$2" != destination ] || receive b
    case $2 in destination | link) release "$1" ;; esac
    [ "$1$2" != heldsource ] || kill -USR1 "$link"
    sender_end
    case $3 in
    lost)
        check "$what: nothing of it runs at the destination" until_ok 20 nothing_at b
        at='' ;;
    source) at=a ;;
    destination) at=b ;;
    fenced)
        same "$what: the source does not know" $status 5 || logs
        check "$what: and nothing runs" eval '! runs_at a'
        x a recover >"$WORK/recover.out" 2>&1
        check "$what: nor does it after asking" eval '! runs_at a'
        x a recover --fenced >"$WORK/recover.out" 2>&1
        at=a ;;
    held)
        held() { [ "$(key b state)" = held ] && ! runs_at b; }
        check "$what: the guest stands still at the destination" until_ok 20 held || logs
        x b recover --fenced w >"$WORK/recover.out" 2>&1
        same "$what: lost, by an operator's word" $? 6 || diag "$(cat "$WORK/recover.out")"
        check "$what: nothing of it stays" until_ok 20 nothing_at b
        at='' ;;
    gone)
        same "$what: the source gives up asking" $status 4 || logs
        x a recover >"$WORK/recover.out" 2>&1
        check "$what: and never runs its copy" eval '! runs_at a'
        x a recover --fenced >"$WORK/recover.out" 2>&1
        same "$what: lost, by an operator's word" $? 6 || diag "$(cat "$WORK/recover.out")"
        check "$what: nothing of it stays" until_ok 20 nothing_at a
        at='' ;;
    *) not_ok "$what: the table says \"$3\"" ;;
    esac
    if [ "$2" = source-host ] && [ "$at" = b ]; then
        here() { two_run && touched=1; runs_at b && [ -n "$(domid_of b w)" ]; }
        check "$what: it runs at the destination" until_ok 20 here || logs
    elif [ -n "$at" ]; then
        [ "$2" = destination-host ] || settle
        if [ "$2" = destination-host ]; then
            alone() { runs_at a && [ -z "$(journals a)" ]; }
            check "$what: it runs on at the source" until_ok 20 alone ||
                logs
        else
            check "$what: it runs at host $at alone" until_ok 20 is_at $at ||
                { logs; diag "$(cat "$WORK/recover.out")" "$("$EMU" list "$WORK/a")" "$("$EMU" list "$WORK/b")"; }
        fi
    fi
    same "$what: never do two copies run" $touched 0
    put_right "$2" "$at"
}
# A guest that is well at a, and both hosts, for the next one.
put_right() { # VICTIM AT
    link_gone
    [ "$1" != destination-host ] || host_again b
    kill -0 "$receiver" 2>/dev/null && [ "$1" != destination-host ] && stop_receiver
    if [ "$1" = source-host ]; then
        host_again a
        local left
        left=$(domid_of b w)
        [ -z "$left" ] || {
            matches "$what: it is whole" "$(await b "$left" 'data/verdict=ok*' 60)" "resumes=$((moves + 1)) "
            "$EMU" destroy "$WORK/b" "$left"
        }
        rm -f "$WORK/b/xmig/"*.*
        guest
        return
    fi
    if [ -z "$2" ]; then
        rm -f "$WORK/a/xmig/"*.*
        guest
        return
    fi
    if [ "$2" = b ]; then
        moves=$((moves + 1))
        move b a w
    else
        dom=$(domid_of a w)
        check "$what: it goes on" "$EMU" wait --node data/writes --change "$WORK/a" "$dom"
        # The next migration of it tells that it is whole.
        [ "$1" = destination ] || return
        move a b w
        moves=$((moves + 1))
        move b a w
    fi
    moves=$((moves + 1))
    matches "$what: it still moves, and is whole" \
        "$(await a "$dom" 'data/verdict=ok*' 60)" "resumes=$moves "
}

host_start a --memory 128
host_start b --memory 128
guest
"$B/tests/live/states" >"$WORK/states"
nr_states=0
while read -r state cancel s d sh dh cut <&3; do
    case $cancel in unseen | unreachable) continue ;; esac
    nr_states=$((nr_states + 1))
    try "$state" source "$s"
    try "$state" destination "$d"
    try "$state" link "$cut"
    case $state in
    switchover | commit | drain | held) ;;
    *) [ "${KILL-}" = full ] || continue ;;
    esac
    try "$state" source-host "$sh"
    try "$state" destination-host "$dh"
done 3<"$WORK/states"
# GO has come, and waits for the state to be in place: who asks meanwhile has
# it abandoned, and if nobody is left to ask it runs there.
try early source source
try early destination source
try early link source
try early source-host destination
check "$nr_states states" [ "$nr_states" -ge 9 ]
done_testing
