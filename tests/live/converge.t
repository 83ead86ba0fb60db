#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Guests that write faster than is sent: what is said about them, what is done
# when time is up, and that slowing them down makes them finish and leaves no
# trace.  And the log of events with its picture.
# Timeout: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
DO=$B/tests/live/domdo

host_start a --memory 256
host_start b --memory 256
boot a w 'program=dirty size=16M order=sequential publish=100ms' 48 1
# It gets its name just after it runs; sets dom.
arrived() { dom=$(domid_of b w); [ -n "$dom" ]; }
lives() { "$EMU" wait --node data/writes --change --timeout 20 "$WORK/$1" "$2"; }
cap() { run "$1" "$DO" cap "$2"; }
notes() { run "$1" xenstore-ls /tool/xmig 2>/dev/null | grep -c cap-; }
said() { matches "$1" "$(cat "$WORK/migrate.out")" "$2"; }
# 16 MiB at 40 MiB/s take 0.4 s; the guest writes to all of it meanwhile.
slow=(--bandwidth 40 --downtime-limit 50)
receive b
unmoved() { # WHAT
    same "$1: the guest stays" $status 2 || logs
    check "$1: and goes on" lives a "$dom"
}

# ---- what is said -------------------------------------------------------------
migrate a w "${slow[@]}" --max-iters 4 --abort_if_busy
unmoved 'too busy'
said 'it is said what it does' 'does not converge: the guest dirties (at least )?[0-9.]+ MiB/s and [0-9.]+ MiB/s are sent'
said 'how much it writes to' 'writes to 1[56789]\.[0-9] MiB'
said 'which limit would do' '--downtime-limit [0-9]+ would let it finish'
said 'which bandwidth' '--bandwidth [0-9]+ \(now 40\)'
said 'and that it could be slowed down' '--auto-converge on would slow it down by (at least|about) [0-9]+ %'
limit=$(grep -oE 'downtime-limit [0-9]+' "$WORK/migrate.out" | head -1 | grep -oE '[0-9]+')

# ---- the remedies are true ------------------------------------------------------
migrate a w --bandwidth 40 --downtime-limit "$limit" --abort-if-busy --json
same "with the limit that was named ($limit ms) it finishes" $status 0 || logs
took=$(figure downtime)
check "and keeps to it ($took ms)" [ "$took" -le $((limit + limit / 2)) ]
until_ok 20 arrived
matches 'its memory is right' "$(right b "$dom")" resumes=1
stop_receiver
move b a w
receive b

# ---- stalled -----------------------------------------------------------------------
migrate a w "${slow[@]}" --stall-window 1s --max-iters 1000 --abort-if-busy
unmoved 'stalled'
said 'no progress is noticed' 'does not converge'
migrate a w "${slow[@]}" --stall-window 1s --max-iters 1000 --json
same 'by itself a stalled one is finished' $status 0 || logs
stop_receiver
move b a w
receive b

# ---- time is up ---------------------------------------------------------------------
migrate a w "${slow[@]}" --timeout 1 --max-iters 1000
unmoved 'out of time'
said 'it says so' 'within "timeout"'
migrate a w "${slow[@]}" --timeout 1 --timeout-suspend --max-iters 1000 --json
same 'with --timeout-suspend it finishes then' $status 0 || logs
took=$(figure total-time)
check "soon after ($took ms)" [ "$took" -ge 1000 -a "$took" -le 6000 ]
stop_receiver
move b a w
receive b

# ---- slowed down -----------------------------------------------------------------------
run a "$DO" setcap "$dom" 150
migrate a w "${slow[@]}" --max-iters 100 --auto-converge --json --log-json "$WORK/log.json"
same 'slowed down it finishes' $status 0 || logs
slower=$(figure cpu-throttle-percentage)
check "it is reported by how much ($slower %)" [ "$slower" -ge 20 ]
took=$(figure downtime)
# Unhindered it would be the 400 ms that all of it takes.
check "within the limit, nearly ($took ms)" [ "$took" -le 200 ]
until_ok 20 arrived
same 'it has no cap there' "$(cap b "$dom")" 0
same 'and no note is left' "$(notes a)$(notes b)" 00
matches 'its memory is right' "$(right b "$dom")" resumes=
stop_receiver
move b a w
receive b

# Failures give the cap back.
run a "$DO" setcap "$dom" 150
slowed() { [ "$(cap a "$dom")" != 150 ]; }
migrate_bg a w "${slow[@]}" --downtime-limit 1 --max-iters 1000 --auto-converge
check 'it is slowed down' until_ok 30 slowed
diag "cap $(cap a "$dom")"
run a "$XMIG" cancel w >"$WORK/cancel.out" 2>&1
sender_end
unmoved 'cancelled'
same 'cancelled: the cap is what it was' "$(cap a "$dom")" 150
same 'cancelled: no note is left' "$(notes a)" 0
migrate_bg a w "${slow[@]}" --downtime-limit 1 --max-iters 1000 --auto-converge
until_ok 30 slowed
kill -9 "$(process_of "$sender")"
sender_end
check 'killed: it is slow for now' slowed
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'killed: recover gives the cap back' "$(cap a "$dom")" 150
same 'killed: no note is left' "$(notes a)" 0
# Switched on while it runs.
run a "$DO" setcap "$dom" 0
slowed_from_0() { [ "$(cap a "$dom")" != 0 ]; }
unslowed() { [ "$(cap a "$dom")" = 0 ]; }
migrate_bg a w "${slow[@]}" --downtime-limit 1 --max-iters 1000
more_rounds() { [ "$(run a "$XMIG" status --json | sed -n 's/.*sync-count":\([0-9]*\).*/\1/p')" -gt 3 ]; }
check 'rounds go by' until_ok 20 more_rounds
check 'and nobody is slowed down unasked' unslowed
run a "$XMIG" set w auto-converge=on
check 'asked for while it runs, it is' until_ok 20 slowed_from_0
run a "$XMIG" set w downtime-limit=1000
sender_end
same 'and it ends' $status 0 || logs
stop_receiver

# ---- what is written all the time is kept back -------------------------------------
# 64 MiB, of which 4 (1024 pages) get most of the writes.
boot a hot 'program=dirty size=64M rate=200M order=hot fill=16M publish=100ms' 100 2
keeps_back() { # FROM TO RESUMES [OPTION...]
    local from=$1 to=$2 resumes=$3 kept
    shift 3
    move "$from" "$to" hot --debug --bandwidth 20 "$@"
    same "a guest with hot pages moves: $*" $status 0 || logs
    kept=$(sed -n 's/.*round [1-9]: \([0-9]*\) pages .* are kept back.*/\1/p' \
        "$WORK/migrate.out" | head -1)
    check "its hot pages are not in every round (${kept:-none})" \
        [ "${kept:-0}" -ge 256 -a "${kept:-0}" -le 8192 ] ||
        diag "$(grep -E 'round |kept' "$WORK/migrate.out")"
    matches 'and its memory is right' "$(right "$to" "$dom")" "resumes=$resumes"
}
keeps_back a b 1 --max-iters 4
keeps_back b a 2 --max-iters 3 --compressed --parallel 3
keeps_back a b 3 --postcopy-after-precopy --postcopy-rounds 3
"$EMU" destroy "$WORK/b" "$dom"

# ---- the log and its picture -----------------------------------------------------------
json() { python3 -c 'import json,sys
for l in open(sys.argv[1]): print(json.loads(l)["event"])' "$1"; }
matches 'the log is JSON, a line each' "$(json "$WORK/log.json" 2>&1 | sort -u | xargs)" \
    '^begin end round sample state throttle$'
check 'it can be drawn' "$XMIG" report -o "$WORK/log.svg" "$WORK/log.json"
check 'as SVG' python3 -c 'import sys, xml.dom.minidom as m
assert m.parse(sys.argv[1]).documentElement.tagName == "svg"' "$WORK/log.svg"
svg=$(cat "$WORK/log.svg")
for word in 'pause, ms' 'rate, MiB/s' 'left, MiB' 'slower, %' 'seconds since' 'last-dirty' \
    'dirtied by the guest' 'predicted'; do
    matches "it shows \"$word\"" "$svg" "$word"
done
head -c 20000 "$WORK/log.json" >"$WORK/torn.json"
check 'a log that is torn is drawn, too' "$XMIG" report "$WORK/torn.json"
sed 's|"domain":"w"|"domain":"</text><script>"|' "$WORK/log.json" >"$WORK/evil.json"
"$XMIG" report -o "$WORK/evil.svg" "$WORK/evil.json"
matches 'markup in it stays text' "$(cat "$WORK/evil.svg")" '&lt;/text&gt;&lt;script&gt;'
same 'and nothing else' "$(grep -c '<script' "$WORK/evil.svg")" 0
refuse 'another file is refused' 'line 1 is not' "$XMIG" report "$0"
refuse 'an empty one, too' 'nothing in it' "$XMIG" report /dev/null
[ -z "${SVG-}" ] || cp "$WORK/log.svg" "$WORK/log.json" "$SVG"
host_stop a
host_stop b
done_testing
