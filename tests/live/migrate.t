#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate: guests of every kind move and judge their memory themselves;
# whatever goes wrong, one copy runs, the sentence says what happened, and
# the destination keeps nothing.
# Timeout: 900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
DO=$B/tests/live/domdo

host_start a --memory 320
host_start b --memory 320

# ---- helpers ---------------------------------------------------------------
destroy() { "$EMU" destroy "$WORK/$1" "$2" || bail 'destroy failed'; }
lives() { "$EMU" wait --node data/program --change --timeout 20 "$WORK/$1" "$2"; }
free_mib() { run "$1" "$XMIG" list | awk 'NR > 1 { s += $3 } END { print s }'; }
nodes() { # HOST: what xenstore holds of guests, but dom0's own
    { run "$1" xenstore-list /local/domain; run "$1" xenstore-list /vm
      run "$1" xenstore-ls /local/domain/0/backend; } 2>/dev/null |
        grep -vxE '0|00000000-0000-0000-0000-000000000000' | xargs
}
# Nothing of a guest is at HOST.
bare() {
    same "$2: no domain is left" "$(domains "$1")" ''
    same "$2: no xenstore node is left" "$(nodes "$1")" ''
    same "$2: no journal is open" "$(journals "$1")" ''
}
stays() { # WHAT: w runs on at a, b is bare
    check "$1: the guest runs on" lives a "$dom" || logs
    same "$1: under its name" "$(domains a)" w
    bare b "$1"
}

# ---- guests of every kind ----------------------------------------------------------
# kind NAME EXTRA VCPUS MORE-OPTIONS...: there and back, judged twice.
kind() {
    local name=$1 extra=$2 vcpus=$3
    shift 3
    boot a w "$extra publish=100ms" 64 "$vcpus"
    move a b w "$@"
    same "$name moves" $status 0 || logs
    matches "$name finds its memory right" "$(right b "$dom")" 'resumes=1 '
    [ "$name" != "${want_figures-}" ] || figures
    move b a w "$@"
    same "$name moves back" $status 0 || logs
    matches "$name finds its memory right again" "$(right a "$dom")" 'resumes=2 '
    # A server that nobody asks for anything has nothing to show.
    [ "$name" = server ] || check "$name goes on" lives a "$dom"
    bare b "$name"
    destroy a "$dom"
}
figures() {
    local total sent zero
    total=$(figure total) sent=$(figure normal) zero=$(figure duplicate)
    diag "total $((total / 4096)) sent $sent zero $zero rounds $(figure dirty-sync-count)"
    case $want_figures in
    dirty)
        check 'dirty: there was more than one round' \
            [ "$(figure dirty-sync-count)" -gt 1 ]
        check 'dirty: pages were sent again' \
            [ $((sent + zero)) -gt $((total / 4096)) ] ;;
    zeros)
        check 'zeros: most pages went as marks' [ "$zero" -gt "$sent" ]
        check 'zeros: and not as bytes' \
            [ "$(figure transferred)" -lt $((total / 2)) ] ;;
    esac
}
kind idle 'program=idle fill=24M' 1
want_figures=dirty
kind dirty 'program=dirty size=16M rate=60M order=random fill=8M' 2
kind zipf 'program=dirty size=24M rate=40M order=zipf' 3
kind greedy 'program=dirty size=8M order=sequential' 2 --max-iters 6
want_figures=zeros
kind zeros 'program=dirty size=4M rate=8M fill=40M zero=90' 2
kind balloon 'program=dirty size=8M rate=20M balloon=12M balloon-period=5ms' 2
kind server 'program=server size=8M' 1
want_figures=
kind lanes 'program=dirty size=16M rate=60M order=random fill=8M' 2 --parallel 5
kind 'balloon on lanes' \
    'program=dirty size=8M rate=20M balloon=12M balloon-period=2ms' 2 --parallel 3
kind 'whole zeros' 'program=dirty size=8M rate=20M fill=16M zero=50' 2 --zero-pages off

# ---- many times, and a name of its own -----------------------------------------------
boot a w 'program=dirty size=12M rate=50M order=random publish=100ms' 32 2
for i in 1 2 3 4; do
    move a b w; ok1=$status; right b "$dom" >/dev/null || ok1=lost
    move b a w; [ "$status$ok1" = 00 ] || break
    right a "$dom" >/dev/null || break
done
same 'eight moves in a row' "$i$status" 40 || logs
matches 'the guest counts them' "$(right a "$dom")" 'resumes=8 '
move a b w --name v
same 'it can get another name on the way' "$status$(domains b)" 0v
receive a -- --once
migrate b v --name w
receiver_end
same 'and its own on the way back' "$status$(domains a)" 0w
dom=$(domid_of a w)

# ---- bandwidth, cancel ------------------------------------------------------------------
move a b w --bandwidth 32
took=$(figure total-time)
check "32 MiB at 32 MiB/s take about a second ($took ms)" \
    [ "${took:-0}" -ge 800 -a "${took:-0}" -le 4000 ]
move b a w
same 'and back' $status 0

placing() { [ "$(domains b)" = w--incoming ]; }
receive b
migrate_bg a w --bandwidth 4
check 'a slow migration is under way' until_ok 20 placing
kill -INT "$(process_of "$sender")"
sender_end
same 'interrupted, it says that the guest stays' $status 2
matches 'and why' "$(cat "$WORK/migrate.out")" '[Cc]ancel'
stays 'cancelled'

migrate_bg a w --bandwidth 4
until_ok 20 placing
"$EMU" destroy "$WORK/b" "$(domid_of b w--incoming)"
sender_end
same 'destroyed where it was to go: the guest stays' $status 2
matches 'and it is known at once' "$(cat "$WORK/migrate.out")" 'was destroyed here'
stays 'destroyed there'

# ---- refused beforehand --------------------------------------------------------------------
migrate a nobody
same 'no such domain' $status 1
matches 'says so' "$(cat "$WORK/migrate.out")" 'no domain "nobody"'
big=$(create b "$(cfg big 'program=idle fill=4M' 290 1)") || bail 'no big guest'
migrate a w
same 'no room at the destination' $status 2
matches 'tells the numbers' "$(cat "$WORK/migrate.out")" \
    'not enough memory.* [0-9]+ MiB.* [0-9]+ MiB'
destroy b "$big"
twin=$(create b "$(cfg w 'program=idle' 16 1)") || bail 'no twin'
migrate a w
same 'a name that is taken' $status 2
matches 'names it' "$(cat "$WORK/migrate.out")" '"w" is here already'
destroy b "$twin"
run a "$DO" pause "$dom"
migrate a w
same 'a paused domain' $status 2
matches 'is told to be paused' "$(cat "$WORK/migrate.out")" 'is paused'
run a "$DO" unpause "$dom"
stays 'refused'
stop_receiver
same 'the receiver ends when asked' $receiver_status 0
migrate a w
same 'nobody listens' $status 2
matches 'and it says where' "$(cat "$WORK/migrate.out")" "127.0.0.1.*$port"
check 'the guest runs on' lives a "$dom"

# ---- the guest has its own plans --------------------------------------------------------------
receive b
move_and() { # COMMAND...: in the middle of a slow migration
    migrate_bg a w --bandwidth 4 --suspend-timeout 500ms
    until_ok 20 placing || bail 'no migration' "$(cat "$WORK/migrate.out")"
    "$@"
    sender_end
}
in_the_middle() { run a "$DO" "$1" "$dom"; }
move_and in_the_middle crash
same 'a guest that crashes meanwhile' $status 2
matches 'is said to have crashed' "$(cat "$WORK/migrate.out")" 'crash'
bare b 'crashed'
destroy a "$dom"
boot a w 'program=dirty size=12M rate=50M order=random publish=100ms' 32 2
move_and in_the_middle destroy
same 'a guest that is destroyed meanwhile is lost' $status 6
matches 'and it says so' "$(cat "$WORK/migrate.out")" 'destroyed|no such domain'
bare b 'destroyed'
# Its nodes are whose who destroyed it.
run a xenstore-rm "$(store a "/local/domain/$dom/vm")"
run a xenstore-rm "/local/domain/$dom"
boot a w 'program=dirty size=12M rate=50M order=random publish=100ms' 32 2
fast_then_pause() { # paused for good: it can't suspend
    run a "$DO" pause "$dom"
    migrate a w --suspend-timeout 300ms
}
migrate_bg a w --bandwidth 16 --suspend-timeout 300ms
until_ok 20 placing
run a "$DO" pause "$dom"
sender_end
same 'a guest that does not suspend in time' $status 2
matches 'says how long it was given' "$(cat "$WORK/migrate.out")" \
    'did not suspend within 300 ms.*paused'
run a "$DO" unpause "$dom"
# It may still obey the event; recover resumes it then.
run a "$XMIG" recover >/dev/null 2>&1
check 'it goes on when it may' lives a "$dom"
bare b 'not suspended'
shrink() {
    run a xenstore-write "/local/domain/$dom/memory/target" 24576
    await a "$dom" data/ballooned=2048 >/dev/null
}
move_and shrink
same 'a guest that shrinks meanwhile moves' $status 0 || logs
dom=$(domid_of b w)
matches 'and finds its memory right' "$(right b "$dom")" 'resumes=1 '
check 'as small as it was asked to be' await b "$dom" data/ballooned=2048 60
same 'and its target has come along' \
    "$(store b "/local/domain/$dom/memory/target")" 24576
stop_receiver
move b a w
migrate a w --downtime-limit 1 --max-iters 2 --abort-if-busy on
stop=$status
receive b
migrate a w --downtime-limit 1 --max-iters 2 --bandwidth 8 --abort-if-busy on
same 'too busy a guest is left alone if asked for' "$stop$status" 22
matches 'and what would help is said' "$(cat "$WORK/migrate.out")" 'busy.*downtime-limit'
stays 'busy'
stop_receiver

# ---- the receiver dies ------------------------------------------------------------------------
slow='domctl:sethvmcontext nth=1 delay=3000'
late='domctl:unpausedomain nth=1 delay=3000'
said() { grep -q "$1" "$WORK/$2/host.log"; }
# Kill the receiver once the host has met its fault.
faults_met() { grep -c 'fault:' "$WORK/b/host.log"; }
kill_receiver() { kill -9 "$(process_of "$receiver")"; receiver_end; }
# die RULE WHAT [OPTION...]: kill the receiver while RULE holds it up.
die() {
    local rule=$1 met
    shift
    met=$(faults_met)
    receive b "XMIG_EMU_FAULT=$rule"
    migrate_bg a w "$@"
    more() { [ "$(faults_met)" -gt "$met" ]; }
    until_ok 30 more || bail 'the fault was not met' "$(cat "$WORK/migrate.out")"
    kill_receiver
}
# A receiver that starts tidies up behind one that died.
tidy() { receive b; stop_receiver; }

receive b
migrate_bg a w --bandwidth 4
until_ok 20 placing
kill_receiver
sender_end
same 'receiver killed in the live phase: the guest stays' $status 2
tidy
stays 'killed live'
# Told to give up, and killed before it had tidied up: ABANDONED is all it left.
met=$(faults_met)
receive b 'XMIG_EMU_FAULT=domctl:destroydomain nth=1 delay=3000'
migrate_bg a w --bandwidth 4
until_ok 20 placing
kill -INT "$(process_of "$sender")"
met_one() { [ "$(faults_met)" -gt "$met" ]; }
check 'a receiver is killed while it tidies up' until_ok 20 met_one
kill_receiver
sender_end
tidy
stays 'killed while it tidied up'
cancels=$(store a "/local/domain/$dom/data/cancels")
die "$slow"
sender_end
same 'receiver killed before READY: the guest stays' $status 2 || logs
check 'it was suspended and goes on' await a "$dom" "data/cancels=$((cancels + 1))"
tidy
stays 'killed before READY'
# Both ends meet a failure: the guest is suspended and can't be resumed at once.
receive b 'XMIG_EMU_FAULT=domctl:sethvmcontext nth=1 fail=EINVAL'
run a env 'XMIG_EMU_FAULT=domctl:resumedomain nth=1 fail=EIO' "$XMIG" migrate \
    w "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
same 'a guest that can not be resumed' $? 2
matches 'is told to be suspended still' "$(cat "$WORK/migrate.out")" 'still suspended'
stop_receiver
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover need not ask anybody' $? 0 || logs
stays 'resumed later'
die "$late" --recover-timeout 500ms
sender_end
same 'receiver killed after GO: in doubt' $status 5 || logs
same 'the copy stays, and says what it is' "$(domains a)" w--migratedaway
same 'and is suspended' "$(run a "$XMIG" list | awk '$1 ~ /^w/ { print substr($5, 4, 1) }')" s
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover cannot settle it alone' $? 5
receive b
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'with the destination back it is settled' $? 0 || logs
stop_receiver
same 'the guest is there' "$(domains b)" w
same 'and not here' "$(domains a)" ''
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" 'resumes='
same 'no journal is open at the source' "$(journals a)" ''
move b a w

die "$late" --recover-timeout 500ms
sender_end
"$EMU" destroy "$WORK/b" "$(domid_of b w--incoming)"
run a "$XMIG" recover --fenced w >"$WORK/migrate.out" 2>&1
same 'an operator who has fenced the destination gets the guest back' $? 0 || logs
check 'it goes on' lives a "$dom"
same 'under its name' "$(domains a)" w
rm -f "$WORK/b/xmig/"*.*

# ---- the sender dies --------------------------------------------------------------------------
kill_sender() { kill -9 "$(process_of "$sender")"; sender_end; }
receive b
migrate_bg a w --bandwidth 4
until_ok 20 placing
kill_sender
gone() { [ -z "$(domains b)" ]; }
check 'sender killed in the live phase: the destination tidies up' until_ok 20 gone
check 'the guest never noticed' lives a "$dom"
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover settles that without the peer' $? 0 || logs
stays 'sender killed live'
stop_receiver
met=$(faults_met)
receive b "XMIG_EMU_FAULT=$late"
migrate_bg a w
more() { [ "$(faults_met)" -gt "$met" ]; }
until_ok 30 more
kill_sender
runs_there() { [ "$(domains b)" = w ]; }
check 'sender killed after GO: the guest starts at the destination' until_ok 20 runs_there
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover destroys the copy here' "$?$(domains a)" 0 || logs
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" 'resumes='
stop_receiver
bare a 'after it all'

# ---- the receiver is stopped -------------------------------------------------------------------
receive a
migrate_bg b w --bandwidth 4
arriving() { [ "$(domains a)" = w--incoming ]; }
until_ok 20 arriving
kill -TERM "$(process_of "$receiver")"
sender_end
receiver_end
same 'receiver stopped in the live phase: the guest stays' $status 2
matches 'and the sender is told' "$(cat "$WORK/migrate.out")" 'stopped'
check 'it runs on' lives b "$dom"
bare a 'receiver stopped'
destroy b "$dom"
bare b 'in the end'

host_stop a
host_stop b
done_testing
