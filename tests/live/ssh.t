#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate by ssh, or rather by a program in its place that runs its
# command on another emulated host: guests move over one and several
# connections and judge their memory; whatever becomes of a connection, one
# copy runs, the sentence says what ssh said, and no process is left.
# Timeout: 600
. "$(dirname "$0")/lib.sh"
XMIG=$B/bin/xmig
export SSH_WORK=$WORK SSH_EMU=$EMU SSH_PATH=$B/bin:$PATH
mkdir "$WORK/bin"
cp "$TOP/tests/live/fake_ssh.py" "$WORK/bin/ssh"
PATH=$WORK/bin:$PATH

host_start a --memory 192 --dirty-log async
host_start b --memory 192 --dirty-log sync

# ---- helpers ---------------------------------------------------------------
loud=
forget() { rm -f "$WORK"/run.* "$WORK"/relay.* "$WORK"/remote.*; }
migrate() { # [ENV=V...] HOST OPTION...: sets status, output in $WORK/out
    local env=()
    while [[ $1 = *=* ]]; do env+=("$1"); shift; done
    local host=$1
    shift
    forget
    run "$host" env "${env[@]}" "$XMIG" ${loud:+"$loud"} migrate "$@" >"$WORK/out" 2>&1
    status=$?
}
migrate_bg() { # as migrate; sets sender
    local env=()
    while [[ $1 = *=* ]]; do env+=("$1"); shift; done
    local host=$1
    shift
    forget
    run "$host" env "${env[@]}" "$XMIG" migrate "$@" >"$WORK/out" 2>&1 &
    sender=$!
    children+=("$sender")
}
sender_end() { wait "$sender"; status=$?; }
# The process itself, below the shell's own.
process_of_sender() { pgrep -P "$sender" -x xmig || echo "$sender"; }
logs() { diag "$(cat "$WORK/out")"; }
said() { matches "$1" "$(cat "$WORK/out")" "$2"; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/$1" "$2"; }
sockets() { find "$WORK/a/xmig/attach" "$WORK/b/xmig/attach" -type s -printf '%f ' 2>/dev/null; }
alive() { # of all runs, relays and commands
    cat "$WORK"/relay.* "$WORK"/remote.* 2>/dev/null | while read -r p; do
        [ ! -d "/proc/$p" ] || echo "$p"
    done | xargs
}
none_alive() { [ -z "$(alive)" ]; }
runs() { find "$WORK" -maxdepth 1 -name 'run.*' | wc -l; }
clean() { # WHAT
    if grep -qE 'Sanitizer|runtime error:' "$WORK/out"; then
        not_ok "$1: a sanitizer has found something"
        logs
    fi
    check "$1: no process is left" eventually 20 none_alive || diag "$(alive)"
    same "$1: no socket is left" "$(sockets)" ''
}
stays() { # WHAT: w runs on at a, b has nothing of it
    nothing() { [ -z "$(domains b)" ]; }
    same "$1: the exit status" $status 2 || logs
    check "$1: the guest runs on" lives a "$dom" || logs
    same "$1: under its name" "$(domains a)" w
    check "$1: nothing is left at the destination" eventually 20 nothing
    same "$1: no journal is left at the source" "$(journals a)" ''
    clean "$1"
}

dom=$(create a "$(cfg w 'program=dirty size=16M rate=40M order=random zero=20 publish=100ms' 48 2)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'

# ---- there and back --------------------------------------------------------------
moves=0
move() { # FROM TO WHAT [ENV...] -- [OPTION...]
    local from=$1 to=$2 what=$3 env=()
    shift 3
    while [ "$1" != -- ]; do env+=("$1"); shift; done
    shift
    migrate "${env[@]}" "$from" "$@" w "$to"
    moves=$((moves + 1))
    same "$what: it moves" $status 0 || logs
    dom=$(domid_of "$to" w)
    matches "$what: it finds its memory right" "$(right "$to" "$dom")" "resumes=$moves "
    same "$what: it is gone here" "$(domains "$from")" ''
    same "$what: no journal is left" "$(journals a)$(journals b)" ''
    clean "$what"
}
move a b 'by ssh' --
same 'ssh ran twice' "$(runs)" 2
move b a 'four lanes' -- --parallel 4
same 'ssh ran five times' "$(runs)" 5
move a b 'over pipes' SSH_PIPES=1 -- --parallel 2
move b a 'another command' -- -e -s "$WORK/bin/ssh -4"
move a b 'noise' SSH_MODE=noise --
said 'what ssh warns of is shown behind the name of the host, harmless' \
    '^b: Warning: .\[1mthis.\[0m host is monitored$'
loud=-vvv
move b a 'a host far away' SSH_DELAY=20 --
said 'the round trip is measured' 'round trip [4-9][0-9]{4} us$'
said 'and spared in the pause' 'GO will go with the state'
move a b 'a host nearby' --
said 'its round trip is measured, too' 'round trip [0-9]+ us$'
loud=
migrate b -s '' w "exec $WORK/bin/ssh a xmig receive --stdio"
moves=$((moves + 1))
same 'a whole command line' $status 0 || logs
dom=$(domid_of a w)
matches 'and its memory is right' "$(right a "$dom")" "resumes=$moves "
clean 'a whole command line'

# ---- there is no connection -------------------------------------------------------------
migrate SSH_MODE=refused a w b
said 'ssh refused: its status and its words' \
    'ssh b xmig receive --stdio" ended with status 255 \(ssh: connect to host b port 22: Connection refused\)'
said 'and another way' 'HOST:PORT'
stays 'ssh refused'
migrate SSH_PATH=/usr/bin:/bin a w b
said 'xmig is not there: it says so' 'ended with status 127 .*xmig.*not found'
said 'and what to do' 'Is xmig installed there'
stays 'xmig not there'
migrate a -s /nonexistent/ssh w b
said 'no ssh: it says so' 'ended with status 127'
stays 'no ssh'
for mode in banner garbage; do
    migrate SSH_MODE=$mode a w b
    said "$mode: it is shown" 'wrote ".*" where "xmig receive'
    stays $mode
done
migrate SSH_MODE=banner a w b
said 'a banner: its first line' 'wrote "Welcome to this host!" where'
migrate SSH_MODE=hang a --ssh-timeout 300ms w b
said 'ssh hangs: it says for how long' 'no answer within 300 ms'
stays 'ssh hangs'
migrate SSH_MODE=once a w b
said 'only one connection: the lane says so' 'ended with status 255'
stays 'only one connection'
migrate a w a
said 'to oneself: it is noticed' 'is this very host'
same 'to oneself: the guest stays' "$status$(domains a)" 2w
clean 'to oneself'
twin=$(create b "$(cfg w 'program=idle' 16 1)") || bail 'no twin'
migrate a w b
said 'refused over there: its words' '"w" is here already'
"$EMU" destroy "$WORK/b" "$twin"
stays 'refused over there'
migrate_bg SSH_MODE=hang a w b
hanging() { [ -e "$WORK/relay.1" ]; }
check 'ssh asks for a password' eventually 20 hanging
kill -INT "$(process_of_sender)"
sender_end
said 'cancelled while ssh hangs: it says so' 'cancelled'
stays 'cancelled while ssh hangs'

# ---- it breaks in the middle ------------------------------------------------------------------
armed() { grep -qs state=PERMIT "$WORK"/a/xmig/*.source; }
in_the_middle() { # LANES COMMAND...
    local lanes=$1
    shift
    migrate_bg a --parallel "$lanes" --bandwidth 4 --timeout 15 w b
    eventually 20 armed || bail 'no migration' "$(cat "$WORK/out")"
    "$@"
    sender_end
}
relay() { cat "$WORK/relay.$1"; }
remote() { cat "$WORK/remote.$1"; }
kill_relay() { kill -9 "$(relay "$1")"; }
kill_remote() { kill "-$2" "$(remote "$1")"; }
in_the_middle 1 kill_relay 1
said 'the control connection breaks: how its ssh ended' 'was ended by signal 9'
stays 'the control connection breaks'
in_the_middle 3 kill_relay 3
stays 'a lane breaks'
in_the_middle 1 kill_remote 1 9
same 'the receiver is killed: its domain is left' "$status$(domains b)" 2w--incoming
run b "$XMIG" recover >"$WORK/out" 2>&1
stays 'recover there removes it'
in_the_middle 1 kill_remote 1 9
in_the_middle 1 kill_remote 1 TERM
said 'the next one does, too' 'stopped'
stays 'the receiver is stopped'
# Its connection was handed over: nobody needs it.
at_once() { kill_remote 2 9; kill_remote 3 TERM; kill -TERM "$(process_of_sender)"; }
in_the_middle 2 at_once
said 'processes of lanes are killed: nothing breaks' 'cancelled$'
stays 'processes of lanes are killed'
interrupt() { kill -INT "$(relay 1)" "$(relay 2)" "$(process_of_sender)"; }
in_the_middle 1 interrupt
said 'an interrupt of all the terminal: a cancel' 'cancelled'
stays 'an interrupt of all the terminal'
: >"$WORK/down"
migrate a w b
stays 'the network is down'
rm "$WORK/down"

# At random places, of control (1) and of a lane (2).
seed=${SEED:-$RANDOM}
RANDOM=$seed
diag "seed $seed"
for i in 1 2 3 4 5 6 7 8; do
    n=$((1 + i % 2))
    [ $n = 1 ] && cut=$((RANDOM % 30000)) || cut=$((RANDOM * 32768 % 30000000 + RANDOM))
    migrate SSH_CUT=$n:$cut a --max-iters 3 w b
    if [ $status = 0 ]; then
        ok "cut $n after $cut bytes: it was through"
        moves=$((moves + 1))
        dom=$(domid_of b w)
        move b a 'back' --
    else
        stays "cut $n after $cut bytes"
    fi
done
# One that was armed and given up stays, as its source might still ask.
for journal in "$WORK/b/xmig/"*.destination; do
    [ -e "$journal" ] || continue
    matches 'a journal that is left is of one that was given up' \
        "$(cat "$journal")" 'state=ABANDONED'
    rm "$journal"
done

# ---- after GO ---------------------------------------------------------------------------------
late='domctl:unpausedomain nth=1 delay=2000'
faults_met() { grep -c 'fault:' "$WORK/b/host.log"; }
at_go() { # ENV... -- OPTION...: until the destination has GO
    local met env=()
    met=$(faults_met)
    while [ "$1" != -- ]; do env+=("$1"); shift; done
    shift
    migrate_bg "SSH_FAULT=$late" "${env[@]}" a "$@" w b
    more() { [ "$(faults_met)" -gt "$met" ]; }
    eventually 30 more || bail 'the fault was not met' "$(cat "$WORK/out")"
}
at_go --
kill_relay 1
sender_end
moves=$((moves + 1))
same 'ssh lost after GO: a new one asks, and the guest runs there' "$status$(domains b)" 0w || logs
same 'and not here' "$(domains a)" ''
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" "resumes=$moves "
same 'no journal is left' "$(journals a)$(journals b)" ''
clean 'ssh lost after GO'
move b a 'and back' --

at_go -- --recover-timeout 300ms
: >"$WORK/down"
kill_relay 1
sender_end
same 'no ssh after GO: in doubt' $status 5 || logs
same 'the copy here says what it is' "$(domains a)" w--migratedaway
run a "$XMIG" recover >"$WORK/out" 2>&1
same 'recover cannot reach the other host' $? 5
said 'and says what ssh said' 'Connection refused'
rm "$WORK/down"
forget
there() { [ "$(domains b)" = w ]; }
check 'the guest runs there' eventually 20 there
run a env -u SSH_FAULT "$XMIG" recover >"$WORK/out" 2>&1
same 'recover asks by the same command' "$?$(runs)" 02 || logs
same 'the guest is not here any more' "$(domains a)" ''
moves=$((moves + 1))
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" "resumes=$moves "
same 'no journal is left' "$(journals a)$(journals b)" ''
clean 'recovered'
move b a 'and back' --

slow='domctl:sethvmcontext nth=1 delay=2000'
late=$slow at_go --
kill_remote 1 9
sender_end
run b "$XMIG" recover >/dev/null 2>&1
stays 'the receiver dies before GO'
at_go -- --recover-timeout 30s
kill_remote 1 9
sender_end
same 'the receiver dies after GO: a fresh one finishes what the journal says' \
    "$status$(domains b)" 0w || logs
moves=$((moves + 1))
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" "resumes=$moves "
clean 'the receiver dies after GO'
# ---- by hand ----------------------------------------------------------------------------------
refuse 'nobody speaks' 'closed the connection|silent' \
    run a "$XMIG" receive --stdio </dev/null
out=$(printf 'GET / HTTP/1.0\r\n\r\n' | run a "$XMIG" receive --stdio 2>/dev/null | wc -c)
check 'a stranger gets an ERROR record, no text' [ "$out" -gt 0 -a "$out" -lt 600 ]
done_testing
