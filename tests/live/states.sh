# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests that have to meet a migration in a given state, behind
# migrate.sh: ways to hold one there.  states.c says which there are.
# shellcheck disable=SC2034,SC2154
DO=$B/tests/live/domdo

x() { local h=$1; shift; run "$h" "$XMIG" "$@"; }
key() { # HOST KEY: of the one migration that runs there
    x "$1" status --json 2>/dev/null | sed -n "s/^ *\"$2\":\"\{0,1\}\([^\",]*\).*/\1/p" | tail -1
}   # the last of its name: figures come first
state_is() { [ "$(key "$1" state)" = "$2" ]; }

# Not createdomain: under Xen a process does not end while a call of it runs.
slow_build='domctl:max_mem nth=1 delay=2500'
slow_context='domctl:sethvmcontext nth=1 delay=2500'
slow_start='domctl:unpausedomain nth=1 delay=2500'
slow_destroy='domctl:destroydomain nth=1 delay=1500'
begin_opts=()
by_link=
endless=(--downtime-limit 1 --max-iters 1000 --bandwidth 40)
# begin FAULT OPTION...: from a to b, whose calls meet the fault.
begin() {
    if [ -n "$1" ]; then receive b "XMIG_EMU_FAULT=$1"; else receive b; fi
    shift
    [ -z "${by_link-}" ] || link_start
    migrate_bg a w "${begin_opts[@]}" "$@"
}
# A post-copy that was slow for the state's sake, or whose link is down.
release() { # STATE
    case $1 in
    held)
        kill -USR1 "$link"
        until_ok 20 x a set w bandwidth=0 >/dev/null 2>&1 ;;
    drain) until_ok 20 x a set w bandwidth=0 >/dev/null 2>&1 ;;
    esac
}
link_gone() {
    [ -n "${link_port-}" ] || return 0
    link_stop
    unset link_port
}
# reach STATE END: a migration that stays in the state for a while.
reach() {
    case $1 in
    setup) begin "$slow_build" ;;
    live) begin '' --bandwidth 4 ;;
    armed) begin '' "${endless[@]}" ;;
    suspending)
        begin '' "${endless[@]}"
        until_ok 20 state_is a armed
        run a "$DO" pause "$dom"
        x a set max-iters=1 ;;
    switchover) begin "$slow_context" ;;
    commit) begin "$slow_start" ;;
    early)  # of commit: GO has left, and the state is not in place there
        begin "$slow_context" --early-go on
        until_ok 20 state_is b switchover
        set -- commit "$2" ;;
    drain) begin '' --postcopy --bandwidth 1 ;;
    held)
        by_link=1 begin '' --postcopy --bandwidth 1
        until_ok 20 state_is a drain
        kill -USR2 "$link"
        until_ok 20 state_is b held ;;
    rollback)
        begin "$slow_destroy" --bandwidth 4
        until_ok 20 state_is a live
        x a cancel --no-wait ;;
    *) bail "no way to state $1" ;;
    esac
    until_ok 20 state_is "$2" "$1" || bail "state $1 is not reached" "$(cat "$WORK/migrate.out")"
}
