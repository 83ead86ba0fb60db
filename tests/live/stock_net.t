#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Stock xl migrates a server guest with a network interface, while a client
# outside both hosts talks to it: no acknowledged write may be lost, and the
# client never reconnects.
# Timeout: 120
. "$(dirname "$0")/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"

mac=00:16:3e:00:00:01
sw=$WORK/switch
mkfifo "$WORK/fifo"
ready() { read -r -t 30 _ <>"$WORK/fifo"; }
field() { # KEY of the client's report
    tr -d '\n' <"$WORK/report" |
        sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

"$B/emu/xmig-emu-switch" --socket "$sw" --ready-fd 3 3<>"$WORK/fifo" \
    2>"$WORK/switch.log" &
children+=($!)
ready || bail 'no switch'
host_start a --memory 160 --switch "$sw"
host_start b --memory 160 --switch "$sw"

# There is no bridge for the hotplug script to attach anything to.
conf=$(xl_cfg srv 'program=server size=16M rate=20M' 64 2 \
    "vif = [ \"mac=$mac,script=/bin/true\" ]")
check 'xl create makes a guest with an interface' \
    run_xl a xl create -e "$conf" || bail 'no guest' "$(host_log a)"
dom=$(domid_of a srv)
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"
check 'frontend and backend connect' \
    await a "$dom" device/vif/0/state=4
matches 'xl network-list shows it connected' \
    "$(run_xl a xl network-list srv 2>&1)" "^0 +0 +$mac +0 +4 "

"$B/emu/xmig-emu-client" --switch "$sw" --mac $mac --json --ready-fd 3 \
    --rate 500 3<>"$WORK/fifo" >"$WORK/report" 2>"$WORK/client.err" &
client=$!
children+=("$client")
ready || bail 'no client' "$(cat "$WORK/client.err")"

cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
exec $EMU run --mount $WORK/\$host -- "\$@"
END
chmod +x "$WORK/ssh"
for to in b a; do
    from=$([ $to = a ] && echo b || echo a)
    check "xl migrate moves it from $from to $to under load" \
        run_xl $from xl migrate -s "$WORK/ssh" srv $to ||
        { host_log $from; host_log $to; }
    dom=$(domid_of $to srv)
    matches 'it finds its memory right' \
        "$(await $to "$dom" 'data/verdict=ok*' 60)" 'resumes='
    check 'its interface is connected there' \
        await $to "$dom" device/vif/0/state=4
    same 'the backend at the source is gone' \
        "$(run $from xenstore-ls -f | grep -c 'backend/vif/[0-9]*/0/state')" 0
done

kill "$client"
wait "$client"
same 'the client is content' "$?" 0
same 'every request was answered' "$(field answered)" "$(field sent)"
same 'no acknowledged write was lost' "$(field acked_lost)" 0
same 'the verdict is good' "$(field verdict)" good
diag "longest gap $(field longest_gap_us) us," \
    "$(field sent) requests, $(field retries) sent again"
check 'xl destroy works' run_xl a xl destroy srv
done_testing
