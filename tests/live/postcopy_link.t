#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# A post-copy whose link breaks: at several points, twice in a row, while its
# ends find each other again; by TCP and by a command.  The guest stands still
# and goes on, each page is placed once, and the guest judges its memory.  The
# source's process is killed, and another one goes on; its host is gone, and
# what it had is lost and said to be.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"

host_start a --memory 192
host_start b --memory 192
# Each absent page was placed, once, whatever was lost on its way.
accounts() { # WHAT
    local placed dropped sent
    read -r placed dropped < <(sed -nE \
        's/.*post-copy: ([0-9]+) pages placed, ([0-9]+) dropped.*/\1 \2/p' "$WORK/receive.out")
    same "$1: every absent page was placed, once" "$placed" "$(part pages)"
    sent=$(($(part first) + $(part pushed) + $(part demanded) + $(part neighbours) + $(part holes)))
    same "$1: and sent as often as it was lost, and once" \
        "$sent" $(($(part pages) + $(part resent)))
    check "$1: at most 1 % came twice ($dropped)" \
        [ "$dropped" -le $(($(part pages) / 100)) ]
    diag "$1: $(part pages) pages, $(part resent) of them lost and sent again," \
        "$(part requests) requests"
}
turn() { # the guest is at the other host now
    local t=$at
    at=$to to=$t
}
whole() { # WHAT
    dom=$(domid_of $to w)
    moves=$((moves + 1))
    matches "$1: its memory is right" "$(right $to "$dom")" "resumes=$moves " ||
        logs
    same "$1: nothing is left at the source" "$(domid_of $at w)" ''
}

boot a w 'program=dirty size=24M rate=20M order=random fill=8M publish=50ms' 64 2
at=a to=b moves=0
opts=() xmig_opts=(-v)
# broken WHAT CUTS RULE...: there, with the link breaking.
broken() {
    local what=$1 wanted=$2
    shift 2
    receive $to -- --once
    link_start "$@"
    run $at "$XMIG" migrate --postcopy --json "${opts[@]}" w \
        "127.0.0.1:$link_port" >"$WORK/migrate.out" 2>&1
    status=$?
    same "$what: it moves" $status 0 || logs
    receiver_end
    same "$what: its receiver ends well" $receiver_status 0
    link_stop
    same "$what: the link was cut" "$(link_cuts)" "$wanted"
    whole "$what"
    accounts "$what"
    turn
}
broken 'cut in the push' 1 20000000
opts=(--parallel 3)
broken 'three lanes, cut twice' 2 8000000 8000000
opts=()
broken 'cut while they find each other' 5 12000000 10 150 400 700
# The lanes close before the word that all is there has come.
broken 'control comes late' 1 late=300 20000000
same 'control comes late: the word is waited for' \
    "$(grep -c "can't be reached" "$WORK/migrate.out")" 1 || logs

# ---- by a command -------------------------------------------------------------
mkdir "$WORK/bin"
cp "$TOP/tests/live/fake_ssh.py" "$WORK/bin/ssh"
run $at env PATH="$WORK/bin:$PATH" SSH_WORK="$WORK" SSH_EMU="$EMU" \
    SSH_PATH="$B/bin:$PATH" \
    "$XMIG" migrate --postcopy --bandwidth 8 --json w $to \
    >"$WORK/migrate.out" 2>&1 &
sender=$!
children+=("$sender")
draining() { run $at "$XMIG" status | grep -q drain; }
check 'by a command: it runs there' until_ok 60 draining
kill -9 "$(cat "$WORK/relay.1")"
sender_end
same 'by a command: the control connection is lost, and it moves' $status 0 || logs
check 'by a command: there were new ones' [ -e "$WORK/run.5" ]
whole 'by a command'
turn

# ---- the source's process is killed, another one goes on with the memory ------
cut_for_good() { # OPTION...
    receive $to
    link_start 12000000-
    migrate_bg $at w --postcopy "$@"
    was_cut() { [ "$(link_cuts)" = 1 ]; }
    check 'the link is cut, and stays so' until_ok 60 was_cut
    held() { run $1 "$XMIG" status | grep -q held; }
    check 'the source says so' until_ok 20 held $at
    check 'the destination, too' until_ok 20 held $to
    kill -9 "$(process_of "$sender")"
    wait "$sender"
}
cut_for_good --parallel 2
kill -USR1 "$link"
kill -TERM "$(process_of "$receiver")"
told() { grep -q 'told to end, but .* needs memory' "$WORK/receive.out"; }
check 'a receiver that is told to end says why it does not' until_ok 20 told
boot $at other 'program=idle' 16 1
migrate $at other
check 'it takes no other migration' [ $status -ne 0 ]
matches 'and says so' "$(cat "$WORK/migrate.out")" 'the receiver is being stopped'
"$EMU" destroy "$WORK/$at" "$dom"
run $at "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover goes on with what the killed one had' $? 0 || logs
whole recovered
link_stop
receiver_end
same 'the receiver ends when all is there' $receiver_status 0 || logs
turn

# ---- the source's host is gone, and what it had --------------------------------
cut_for_good
host_stop $at
host_start $at --memory 192
kill -USR1 "$link"
run $at "$XMIG" recover >"$WORK/migrate.out" 2>&1
same 'recover there says that the guest is lost' $? 6 || logs
gone() { [ -z "$(domid_of $to w)$(domid_of $to w--incoming)" ]; }
check 'and nothing of it stays at the destination' until_ok 20 gone
matches 'which says how much of it was missing' "$(cat "$WORK/receive.out")" \
    'is lost: [0-9]+ MiB .* still at the source'
link_stop
stop_receiver

done_testing
