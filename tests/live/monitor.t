#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig status, set and cancel against migrations that run: at both ends and
# in every state, with the guest judged after each.
# Timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
. "$(dirname "$0")/states.sh"

host_start a --memory 192
host_start b --memory 192

# ---- helpers ---------------------------------------------------------------
# It gets its name just after it runs; sets dom.
arrived() { dom=$(domid_of b w); [ -n "$dom" ]; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/$1" "$2"; }
nothing_at() { [ -z "$("$EMU" list "$WORK/$1" | awk 'NR > 1 && $2 != 0')" ]; }
sockets() { ls -A "$WORK/$1/xmig/run" 2>/dev/null; }
# The guest runs on at a, and b never had it.
stays() { # WHAT
    check "$1: the guest goes on" lives a "$dom" || logs
    check "$1: nothing is left at the destination" until_ok 20 nothing_at b
    same "$1: no journal is open" "$(journals a; journals b)" ''
    same "$1: no socket is left" "$(sockets a)$(sockets b)" ''
}
boot a w 'program=dirty size=12M rate=200M order=random fill=8M publish=100ms' 32 2

# ---- status and set ----------------------------------------------------------
matches 'nothing runs' "$(x a status)" 'No migration runs'
same 'and nothing as JSON' "$(x a status --json | tr -d ' \n')" '[]'
refuse 'nothing is there to cancel' 'no migration' x a cancel
receive b
migrate_bg a w --bandwidth 1 --downtime-limit 1 --max-iters 1000
check 'a migration shows at the source' until_ok 20 state_is a live
check 'and at the destination' until_ok 20 state_is b armed
same 'the same at both ends' "$(key a id)" "$(key b id)"
same 'with its roles' "$(key a role) $(key b role)" 'source destination'
matches 'status says what it is, by name' "$(x a status w)" \
    "^w +$dom +source +live +[0-9.]+ .*127.0.0.1:$port +[0-9a-f-]{36}"
matches 'and by id' "$(x b status "$(key b id)")" '^w +[0-9]+ +destination '
refuse 'another name is unknown' 'no migration of "v"' x a status v
same 'the option is as given' "$(key a bandwidth)" 1
same 'the socket is for its owner only' "$(stat -c %a "$WORK/a/xmig/run/"*)" 600
same 'in a directory for its owner only' "$(stat -c %a "$WORK/a/xmig/run")" 700

refuse 'an option that is not live stays' "can't be changed" x a set lanes=3
refuse 'nonsense is refused' 'not a number' x a set w bandwidth=much
refuse 'what is out of range, too' 'out of range' x a set downtime_limit=0
refuse 'of several options none is set if one is wrong' 'no such option' \
    x a set bandwidth=99 colour=blue
same 'it is as it was' "$(key a bandwidth)" 1
refuse 'the destination sets nothing' 'at the source' x b set bandwidth=9
sent() { key a transferred; }
before=$(sent)
check 'the bandwidth is changed' x a set bandwidth=30MiB/s max_iters=900
same 'and shows' "$(key a bandwidth) $(key a precopy.max-iters)" '30 900'
# The first round would take 20 s at 1 MiB/s.
check 'it goes faster from now on' until_ok 4 state_is a armed
diag "sent $before, then $(sent)"

x a status --watch --json --interval 50 w >"$WORK/watch.out" 2>&1 &
watcher=$!
children+=("$watcher")
watched() { grep -c . "$WORK/watch.out"; }
several() { [ "$(watched)" -ge 8 ]; }
check 'it can be watched' until_ok 20 several
check 'with a downtime that it can reach it ends' x a set downtime-limit=2000
sender_end
same 'well' $status 0 || logs
wait "$watcher"
same 'the watcher ends with it, as well' $? 0 || diag "$(tail -3 "$WORK/watch.out")"
matches 'having seen the end' "$(tail -n 1 "$WORK/watch.out")" \
    '"status":"completed".*"end":true'
same 'progress never ran backwards' "$(grep -oE '"progress-permille":[0-9]+' \
    "$WORK/watch.out" | cut -d: -f2 | sort -nc 2>&1)" ''
until_ok 20 arrived
matches 'the guest finds its memory right' "$(await b "$dom" 'data/verdict=ok*' 60)" resumes=1
stop_receiver
move b a w
same 'and back' $status 0

# ---- a process that is killed --------------------------------------------------
receive b
migrate_bg a w --bandwidth 4
until_ok 20 state_is a live
kill -9 "$(process_of "$sender")"
sender_end
check 'it left its socket' [ -n "$(sockets a)" ]
matches 'which nobody takes for a migration' "$(x a status)" 'No migration'
same 'and which is gone then' "$(sockets a)" ''
until_ok 20 nothing_at b
x a recover >/dev/null 2>&1
stop_receiver

# ---- cancel in every state -------------------------------------------------------
try() { # STATE END WANT
    local state=$1 end=$2 want=$3 what="$1 at $2" rc
    reach "$state" "$end"
    same "$what: cancellable as it should be" "$(key "$end" cancellable)" \
        "$([ "$want" = cancel ] && echo true || echo false)"
    if [ "$state" = suspending ]; then
        # Asked to suspend and paused it can't be had back: it is let go.
        x "$end" cancel --no-wait w >"$WORK/cancel.out" 2>&1
        rc=$?
        run a "$DO" unpause "$dom"
    else
        x "$end" cancel w >"$WORK/cancel.out" 2>&1
        rc=$?
    fi
    release "$state"
    sender_end
    link_gone
    stop_receiver
    if [ "$want" = refuse ]; then
        same "$what: cancel is refused" $rc 1
        matches "$what: with the reason" "$(cat "$WORK/cancel.out")" \
            'point of no return|neither host has all of it'
        same "$what: the migration completes" $status 0 || logs
        move b a w
        same "$what: and the guest comes back" $status 0 || logs
        return
    fi
    same "$what: cancel succeeds" $rc 0 || diag "$(cat "$WORK/cancel.out")"
    same "$what: the migration fails, the guest stays" $status 2 || logs
    matches "$what: it says why" "$(cat "$WORK/migrate.out")" 'cancel'
    stays "$what"
}
"$B/tests/live/states" >"$WORK/states"
while read -r state want _ <&3; do
    case $want in
    cancel | refuse | moot)
        try "$state" a $want
        # The source alone asks and undoes.
        case $state in suspending | rollback) continue ;; esac
        [ "$state" != live ] || continue    # D is armed within milliseconds
        try "$state" b $want ;;
    unseen) ;;
    unreachable)
        check "nothing reaches state $state" \
            sh -c "! grep -rn 'STATE_${state^^})' '$TOP/src' --include=*.c | grep state_set" ;;
    *) not_ok "state $state has a row" ;;
    esac
done 3<"$WORK/states"

# ---- and then it still moves -------------------------------------------------------
move a b w
same 'after all that it moves' $status 0 || logs
matches 'and finds its memory right' "$(await b "$dom" 'data/verdict=ok*' 60)" resumes=
host_stop a
host_stop b
done_testing
