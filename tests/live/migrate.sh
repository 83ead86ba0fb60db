# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests of xmig migrate, behind lib.sh: receivers and senders as processes
# that are waited for, whole moves, and their figures.
XMIG=$B/bin/xmig

listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}
port=$((20000 + RANDOM % 10000))
mkfifo "$WORK/never"
nap() { read -r -t "$1" _ <>"$WORK/never"; }   # within bounded polls only
# until SECONDS COMMAND...: polls until it succeeds.
until_ok() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        nap 0.02
    done
    return 0
}
receive_opts=()
xmig_opts=()    # of the receiver, in front of its command
sender_opts=()  # of migrate(), likewise
# receive HOST [ENV=V...] [-- OPTION...]: starts a receiver; sets receiver.
receive() {
    local host=$1 env=()
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do env+=("$1"); shift; done
    [ $# -eq 0 ] || shift
    while listening $port; do port=$((port + 1)); done
    run "$host" env "${env[@]}" "$XMIG" "${xmig_opts[@]}" receive \
        --listen "127.0.0.1:$port" \
        "${receive_opts[@]}" "$@" >"$WORK/receive.out" 2>&1 &
    receiver=$!
    children+=("$receiver")
    until_ok 20 listening $port || bail 'no receiver' "$(cat "$WORK/receive.out")"
    children+=("$(process_of "$receiver")")
}
receiver_end() { wait "$receiver"; receiver_status=$?; }
# The process itself, below the launcher that the shell started.
process_of() { pgrep -P "$1" -x xmig || echo "$1"; }
stop_receiver() { kill -TERM "$(process_of "$receiver")"; receiver_end; }
# link_start RULE...: a link that breaks (link.py) to the receiver, on
# link_port; sets link, its process.
link_start() {
    link_port=$((port + 1))
    while listening $link_port; do link_port=$((link_port + 1)); done
    : >"$WORK/link.log"
    "$TOP/tests/live/link.py" $link_port "$port" "$WORK/link.log" "$@" \
        2>"$WORK/link.err" &
    link=$!
    children+=("$link")
    until_ok 40 listening $link_port || bail 'no link' "$(cat "$WORK/link.err")"
}
link_stop() { kill "$link"; wait "$link" 2>/dev/null; }
link_cuts() { wc -l <"$WORK/link.log"; }
migrate() { # HOST DOMAIN [OPTION...]: sets status, output in migrate.out
    local host=$1 dom=$2
    shift 2
    run "$host" "$XMIG" "${sender_opts[@]}" migrate "$@" "$dom" \
        "127.0.0.1:$port" >"$WORK/migrate.out" 2>&1
    status=$?
}
# In the background, by the link if there is one; sets sender.
migrate_bg() {
    local host=$1 dom=$2
    shift 2
    run "$host" "$XMIG" migrate "$@" "$dom" "127.0.0.1:${link_port:-$port}" \
        >"$WORK/migrate.out" 2>&1 &
    sender=$!
    children+=("$sender")
}
sender_end() { wait "$sender"; status=$?; }
logs() {
    diag "$(cat "$WORK/migrate.out" "$WORK/receive.out" 2>/dev/null)"
    [ ! -s "$WORK/link.err" ] || diag "$(cat "$WORK/link.err")"
}
figure() { # NAME: of migrate --json
    grep -oE "\"$1\": ?[0-9]+" "$WORK/migrate.out" | head -1 | grep -oE '[0-9]+$'
}
part() { # NAME: of the object "postcopy" in migrate --json
    sed -n '/"postcopy":/,/}/p' "$WORK/migrate.out" |
        grep -oE "\"$1\": ?[0-9]+" | grep -oE '[0-9]+$' || echo 0
}
# move FROM TO DOMAIN [OPTION...]: one whole move; sets status and dom.
move() {
    local from=$1 to=$2 name=$3
    shift 3
    receive "$to" -- --once
    migrate "$from" "$name" --json "$@"
    # One that did not even connect left the receiver waiting.
    [ $status = 0 ] || kill -TERM "$(process_of "$receiver")" 2>/dev/null
    receiver_end
    dom=$(domid_of "$to" "$name")
}
boot() { # HOST NAME EXTRA MIB VCPUS: sets dom
    local host=$1
    shift
    dom=$(create "$host" "$(cfg "$@")") || bail "create $1 failed"
    await "$host" "$dom" data/state=running 60 >/dev/null ||
        bail 'no guest' "$(console "$host" "$dom")"
}
