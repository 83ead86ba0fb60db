#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig-emu: it starts all of a host or nothing, stops exactly what it
# started, and a domain that can't be made leaves nothing behind.
# Timeout: 180
. "$(dirname "$0")/lib.sh"

dead() { # PID: gone, or only waiting to be collected
    [ ! -d "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}
none_left() { # HOST: no process was started for it
    ! grep -qzsxF "XMIG_EMU=$WORK/$1" /proc/[0-9]*/environ
}

# ---- starts that fail ------------------------------------------------------
refuse 'a dirty log of no known kind is refused' 'dirty-log' \
    "$EMU" start --dirty-log never "$WORK/bad"
refuse 'a host without memory is refused' 'memory' \
    "$EMU" start --memory 0 "$WORK/bad"
refuse 'a switch that is not there is named' 'no switch at' \
    "$EMU" start --switch "$WORK/none" "$WORK/bad"
: >"$WORK/none"
mkdir -p "$WORK/bad/netback.log"
refuse 'a host whose last daemon fails does not start' 'start netback' \
    "$EMU" start --memory 64 --switch "$WORK/none" "$WORK/bad"
check 'and the daemons before it are stopped again' none_left bad
long=$WORK/$(printf 'x%.0s' {1..100})
refuse 'a directory too long for sockets is refused' 'too long' \
    "$EMU" start "$long"
refuse 'no directory at all is a usage error' 'usage' "$EMU" start

# ---- a host ----------------------------------------------------------------
host_start a --memory 128
matches 'env prints what a shell needs' "$("$EMU" env "$WORK/a")" \
    "^export XMIG_EMU='$WORK/a'"
same 'XMIG_EMU stands in for the directory' \
    "$(XMIG_EMU=$WORK/a "$EMU" list | wc -l)" 2
run a sh -c 'exit 7'
same 'run hands on the exit status' $? 7
same 'run sets the library path once' \
    "$(run a "$EMU" run "$WORK/a" -- printenv LD_LIBRARY_PATH)" \
    "$B/emu/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
run a "$WORK/no-such-program" 2>/dev/null
same 'a command that is not there gives 127' $? 127
refuse 'a verb that is not there is named' 'no verb "strat"' "$EMU" strat
if [ "$(id -u)" = 0 ] && unshare -m true 2>/dev/null; then
    run_xl a sh -c 'echo mine >/var/lib/xen/x && echo mine >/run/xen/x'
    same 'run --mount keeps /var/lib/xen and /run/xen apart' \
        "$(cat "$WORK"/a/var/*/x)$(ls /var/lib/xen/x /run/xen/x 2>/dev/null)" \
        "$(printf 'mine\nmine')"
    # shellcheck disable=SC2010 # names without surprises
    same '/run shows what it did before' \
        "$(run_xl a ls /run | grep -vx -e xen -e lock)" \
        "$(ls /run | grep -vx -e xen -e lock)"
else
    skip 'run --mount' 'needs root'
fi

# ---- domains that can't be made ---------------------------------------------
file=$(cfg worker 'program=idle' 16)
broken=''
for what in domctl memory_op hvm_op event_channel_op map; do
    for n in $(seq 40); do
        "$EMU" fault "$WORK/a" "$what nth=$n fail=ENOMEM" ||
            bail "no such rule: $what"
        if dom=$(create a "$file" 2>"$WORK/err"); then
            "$EMU" fault --clear "$WORK/a"
            "$EMU" destroy "$WORK/a" "$dom" ||
                broken+="destroy after $what $n; "
            break
        fi
        # Without the sentence, or with something left, it was no clean end.
        [ -s "$WORK/err" ] || broken+="$what $n says nothing; "
        "$EMU" fault --clear "$WORK/a"
        [ "$("$EMU" list "$WORK/a" | wc -l)" -eq 2 ] ||
            broken+="$what $n leaves a domain; "
    done
    [ "$n" -gt 1 ] || broken+="$what is never called; "
    [ "$n" -lt 40 ] || broken+="$what never ends; "
done
same 'create fails cleanly wherever the Nth hypercall fails' "$broken" ''
check 'and nobody holds a frame afterwards' eventually 10 all_free a ||
    diag "$("$EMU" status "$WORK/a")"
same 'nor is anything left in xenstore' \
    "$(run a xenstore-list /local/domain | tr '\n' ' ')" '0 '
refuse 'a rule that is none is refused' 'is no fault rule' \
    "$EMU" fault "$WORK/a" 'domctl fail=ENOMEM'

# ---- ends ------------------------------------------------------------------
dom=$(create a "$file") || bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
"$EMU" wait --node data/state=never --timeout 60 "$WORK/a" "$dom" \
    2>"$WORK/err" &
waiter=$!
# It has the host's process open, and so knows the domain.
waits() { grep -q '^Pid:' "/proc/$waiter"/fdinfo/*; }
check 'somebody waits for the guest' eventually 10 waits
host=$(cat "$WORK/a/host.pid")
kill -9 "$host"
check 'the host process dies' eventually 10 dead "$host"
wait $waiter
same 'who waits for a guest of a dead host is told' $? 1
matches 'with what happened' "$(cat "$WORK/err")" \
    'went away|gone|does not answer|Broken pipe|reset'
check 'stop cleans up after a host that died' "$EMU" stop "$WORK/a"
check 'nothing of it is left' none_left a
check 'the same directory can be used again' \
    "$EMU" start --memory 64 "$WORK/a"
same 'and knows nothing of before' "$("$EMU" list "$WORK/a" | wc -l)" 2

# A pid file that names a stranger.
sleep 600 &
stranger=$!
children+=("$stranger")
"$EMU" stop "$WORK/a" || bail 'stop failed'
for name in host xenstored xenconsoled netback; do
    echo "$stranger" >"$WORK/a/$name.pid"
done
check 'stop of a stopped host is no failure' "$EMU" stop "$WORK/a"
check 'and spares a stranger whose pid an old file holds' \
    kill -0 "$stranger"
done_testing
