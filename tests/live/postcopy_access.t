#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Post-copy whose fault source is mem_access: guests run before their memory is
# there, and judge it; the link is cut, the receiver killed; and it is refused
# where it would not be safe, or can't be had.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
. "$(dirname "$0")/postcopy.sh"

host_start a --memory 256
host_start b --memory 256
access=(--postcopy --fault-source access)
faults() { check "$1: vCPUs have waited for pages ($(part requests))" [ "$(part requests)" -gt 0 ]; }

kind idle 'program=idle fill=24M' 1 "${access[@]}"
kind dirty 'program=dirty size=24M rate=60M order=random' 2 "${access[@]}"
faults dirty
# Pages that are given up and populated anew while they are absent.
kind balloon 'program=dirty size=8M rate=20M balloon=12M balloon-period=5ms' 2 "${access[@]}"
kind lanes 'program=dirty size=24M rate=60M order=zipf' 2 "${access[@]}" --parallel 3
kind 'after rounds' 'program=dirty size=24M order=random' 2 --postcopy-after-precopy \
    --postcopy-rounds 2 --bandwidth 100 --fault-source access

# ---- when things break -----------------------------------------------------------
boot a w 'program=dirty size=24M rate=20M order=random fill=8M publish=50ms' 64 2
receive b -- --once
link_start 20000000
run a "$XMIG" migrate "${access[@]}" --json w "127.0.0.1:$link_port" >"$WORK/migrate.out" 2>&1
same 'the link is cut: it moves' $? 0 || logs
receiver_end
link_stop
same 'the link was cut' "$(link_cuts)" 1
link_port=
dom=$(domid_of b w)
matches 'the link was cut: its memory is right' "$(right b "$dom")" 'resumes=1 '
destroy b "$dom"

boot a w 'program=dirty size=24M rate=4M order=random fill=8M publish=50ms' 64 2
left() { run a "$XMIG" status --json | tr -d ' \n' | sed -nE 's/.*"remaining":([0-9]+).*/\1/p'; }
runs_there() { local n; n=$(left); [ "${n:-0}" -gt 0 ] && [ "$n" -lt 64000000 ]; }
is_held() { run b "$XMIG" status | grep -q held; }
hurry() { run a "$XMIG" set w bandwidth=0 >/dev/null 2>&1; }
receive b
migrate_bg a w "${access[@]}" --bandwidth 1 --json
check 'it runs there, most of it is here' until_ok 60 runs_there || logs
children+=("$(pgrep -P "$(process_of "$receiver")" -x xmig-holder)")
kill -9 "$(process_of "$receiver")"
wait "$receiver" 2>/dev/null
check 'its receiver is killed: a holder has it' until_ok 40 is_held || logs
receive b
until_ok 60 hurry
sender_end
same 'its holder goes on: it moves' $status 0 || logs
dom=$(domid_of b w)
matches 'its holder went on: its memory is right' "$(right b "$dom")" 'resumes=1 ' || logs
same 'nothing is left at the source' "$(domains a)" ''
stop_receiver
destroy b "$dom"

# ---- refused ----------------------------------------------------------------------
# refused WHAT WHY DOMAIN [OPTION...]: and the guest goes on.
refused() {
    local what=$1 why=$2 name=$3
    shift 3
    migrate a "$name" "$@"
    check "$what: refused" [ $status -ne 0 ]
    matches "$what: and why" "$(cat "$WORK/migrate.out")" "$why"
    check "$what: it goes on at the source" lives a "$dom"
}
boot a w 'program=dirty size=8M rate=8M publish=100ms' 32 1
receive b
"$EMU" fault "$WORK/b" 'access_op:set_access nth=3 fail=ENOMEM'
refused 'no right can be taken away' 'absent: .*memory' w "${access[@]}"
same 'nothing is left of it' "$(domains b)" ''
run a xenstore-write "/local/domain/$dom/device/vif/0/backend-id" 0
refused 'a device' 'has the device vif/0, whose backend' w "${access[@]}"
run a xenstore-rm "/local/domain/$dom/device/vif"
stop_receiver
"$EMU" stop "$WORK/b"
host_start c --memory 128 --no-vmx
receive c
refused 'no VMX' 'mem_access needs a processor with VMX' w "${access[@]}"
same 'nothing is left of it there' "$(domains c)" ''
stop_receiver
done_testing
