#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate of a domain of libxl when something goes wrong: it runs on where
# it was, nothing is left at the destination, neither of ours nor of libxl's,
# and where the outcome is not known the journals settle it.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/live/migrate.sh"
. "$TOP/tests/live/libxl.sh"

host_start a --memory 256
host_start b --memory 256
name_at() { "$EMU" list "$WORK/$1" | awk 'NR > 1 && $2 { print $1 }'; }
placing() { [ "$(name_at b)" = w--incoming ]; }
lives() { writes a "$dom" >/dev/null; }
# stays WHAT: it runs on at a, under its name, and b is as it was.
stays() {
    check "$1: the guest runs on" lives
    same "$1: under its name" "$(name_at a)" w
    check "$1: nothing is left at the destination" clean b
    same "$1: no journal is open" "$(find "$WORK/a/xmig" -maxdepth 1 -name "*.source")" ''
}
says() { matches "$1: it says why" "$(cat "$WORK/migrate.out")" "$2"; }
failed() { # WHAT PATTERN
    same "$1: failed, the guest is at the source" "$status" 2 || logs
    says "$1" "$2"
    stays "$1"
}

xl_boot a w 'program=dirty size=12M rate=50M order=random publish=100ms' 32 2

# ---- libxl fails -----------------------------------------------------------------
# try WHAT RULE PATTERN: a receiver whose Nth hypercall fails.
try() {
    receive b "XMIG_EMU_FAULT=$2" -- --once
    migrate a w
    receiver_end
    failed "$1" "$3"
}
try 'no domain can be created' 'domctl:createdomain nth=1 fail=ENOMEM' 'libxl'
try 'libxl can not finish its domain' 'domctl:max_vcpus nth=1 fail=ENOMEM' libxl
try 'memory runs out' 'memory_op:populate_physmap nth=3 fail=ENOMEM' \
    'memory|ENOMEM|populate'
try 'the policy does not fit' 'domctl:set_cpu_policy nth=1 fail=EINVAL' policy
try 'the context does not fit' 'domctl:sethvmcontext nth=1 fail=EINVAL' context

# ---- somebody dies, somebody cancels, at each stage ------------------------------------
kill_receiver() { kill -9 "$(process_of "$receiver")"; receiver_end; }
tidy() { receive b; stop_receiver; }
faults_met() { grep -c 'fault:' "$WORK/b/host.log"; }
# held RULE [OPTION...]: a migration that RULE holds up at the destination.
held() {
    local met rule=$1
    shift
    met=$(faults_met)
    receive b "XMIG_EMU_FAULT=$rule"
    migrate_bg a w "$@"
    more() { [ "$(faults_met)" -gt "$met" ]; }
    eventually 30 more || bail 'the fault was not met' "$(cat "$WORK/migrate.out")"
}
interrupt() { kill -INT "$(process_of "$sender")"; sender_end; }
libxl_makes='domctl:max_vcpus nth=1 delay=1500'
libxl_waits='domctl:set_cpu_policy nth=1 delay=1500'
at_the_end='domctl:sethvmcontext nth=1 delay=1500'
after_go='domctl:unpausedomain nth=1 delay=2000'

held "$libxl_waits"
helper=$(pgrep -P "$(process_of "$receiver")" -x exe)
kill -9 "$helper" || not_ok 'there is a helper'
sender_end
failed 'helper killed' 'libxl'
stop_receiver

held "$libxl_makes"
interrupt
failed 'cancelled while libxl makes the domain' '[Cc]ancel'
stop_receiver
held "$libxl_waits"
interrupt
failed 'cancelled while libxl waits' '[Cc]ancel'
stop_receiver
receive b
migrate_bg a w --bandwidth 4
eventually 20 placing
interrupt
failed 'cancelled while it is copied' '[Cc]ancel'
stop_receiver
held "$at_the_end"
interrupt
failed 'cancelled while it is suspended' '[Cc]ancel'
stop_receiver

held "$libxl_makes"
kill -TERM "$(process_of "$receiver")"
sender_end
receiver_end
failed 'receiver stopped while libxl makes the domain' 'stopped|cancel'
receive b
migrate_bg a w --bandwidth 4
eventually 20 placing
kill -TERM "$(process_of "$receiver")"
sender_end
receiver_end
failed 'receiver stopped while it is copied' 'stopped'

for rule in "$libxl_makes" "$libxl_waits" "$at_the_end"; do
    held "$rule"
    kill_receiver
    sender_end
    tidy
    failed "receiver killed at ${rule% nth*}" '.'
done
receive b
migrate_bg a w --bandwidth 4
eventually 20 placing
kill_receiver
sender_end
tidy
failed 'receiver killed while it is copied' '.'

receive b
migrate_bg a w --bandwidth 4
eventually 20 placing
kill -9 "$(process_of "$sender")"
sender_end
check 'sender killed: the destination tidies up' clean b
run a "$XMIG" recover >/dev/null 2>&1
stays 'sender killed'
stop_receiver

# ---- nobody knows ----------------------------------------------------------------------
held "$after_go" --recover-timeout 500ms
kill_receiver
sender_end
same 'receiver killed after GO: in doubt' "$status" 5 || logs
same 'the copy says what it is' "$(name_at a)" w--migratedaway
matches 'libxl knows it by that name' "$(run_xl a xl list 2>&1)" \
    '^w--migratedaway .* [-rbps]+s[-cd]* '
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'it stays in doubt without the destination' $? 5
receive b
run a "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'which settles it' $? 0 || logs
stop_receiver
check 'nothing is left at the source' clean a
same 'it is there, under its name' "$(run_xl b xl list | awk 'NR > 2 { print $1 }')" w
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" 'resumes='
move b a w
same 'and it can be moved again' "$status" 0 || logs
dom=$(domid_of a w)
right a "$dom" >/dev/null
check 'nothing is left' clean b

held "$after_go" --recover-timeout 500ms
kill_receiver
sender_end
run b xl destroy w--incoming
run a "$XMIG" recover --fenced w >"$WORK/migrate.out" 2>&1
same 'who has fenced the destination gets it back' $? 0 || logs
check 'it goes on' lives
same 'under its name' "$(run_xl a xl list | awk 'NR > 2 { print $1 }')" w
rm -f "$WORK/b/xmig/"*.destination

# ---- after all that -----------------------------------------------------------------------
move a b w
same 'a good migration passes' "$status" 0 || logs
dom=$(domid_of b w)
matches 'its memory is right' "$(right b "$dom")" 'resumes='
check 'nothing is left at the source' clean a
check 'xl destroy works' run_xl b xl destroy w
check 'nothing is left at the destination' clean b

host_stop a
host_stop b
done_testing
