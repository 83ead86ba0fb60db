#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The network under Debian's own toolstack: xl makes the interface, xl moves
# the guest with it, xl takes it away, and an outside client never notices
# more than a gap.
# Timeout: 180
. "$(dirname "$0")/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"

mac=00:16:3e:00:00:02
sw=$WORK/switch
mkfifo "$WORK/fifo"
# Held open, so that no word is lost with the one who wrote it.
exec {fifo}<>"$WORK/fifo"
ready() { read -r -t 30 _ <&"$fifo"; }
field() {
    tr -d '\n' <"$WORK/report" |
        sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

"$B/emu/xmig-emu-switch" --socket "$sw" --ready-fd 3 3<>"$WORK/fifo" \
    2>"$WORK/switch.log" &
children+=("$!")
ready || bail 'no switch'
host_start a --memory 256 --switch "$sw"
host_start b --memory 256 --switch "$sw"

# There is no bridge that a script could touch; the backend plugs itself in.
cat >"$WORK/vif-script" <<'END'
#!/bin/sh
[ "$1" != online ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
exec $EMU run --mount $WORK/\$host -- "\$@"
END
chmod +x "$WORK/vif-script" "$WORK/ssh"

conf=$(xl_cfg srv 'program=server size=16M rate=20M' 64 2 \
    "vif = [ \"mac=$mac,script=$WORK/vif-script\" ]")
check 'xl create makes a guest with an interface' \
    run_xl a xl create -e "$conf" || bail 'no guest' \
    "$(tail -n 30 "$WORK/a/host.log")" "$(cat "$WORK/a/netback.log")"
dom=$(domid_of a srv)
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"
matches 'xl network-list sees it' \
    "$(run_xl a xl network-list srv 2>&1)" "0 +0 +$mac +[0-9-]+ +4 "

"$B/emu/xmig-emu-client" --switch "$sw" --mac $mac --rate 500 --json \
    --ready-fd 3 3<>"$WORK/fifo" >"$WORK/report" 2>&1 &
client=$!
children+=("$client")
check 'the server answers' ready || diag "$(console a "$dom")"

check 'xl migrate moves it' run_xl a xl migrate -s "$WORK/ssh" srv b ||
    { host_log a; host_log b; }
dom=$(domid_of b srv)
matches 'it finds its memory right' \
    "$(await b "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '
same 'the source keeps no backend directory' \
    "$(run a xenstore-ls /local/domain/0/backend/vif 2>/dev/null)" ''
kill "$client"
wait "$client"
same 'the client never reconnected and lost nothing' $? 0 ||
    diag "$(cat "$WORK/report")"
same 'every request was answered' "$(field answered)" "$(field sent)"
same 'no acknowledged write was forgotten' "$(field acked_lost)" 0
diag "longest gap: $(field longest_gap_us) us"

check 'xl network-detach takes the interface away' \
    run_xl b xl network-detach srv 0
same 'and its backend directory' \
    "$(run b xenstore-ls "/local/domain/0/backend/vif/$dom" 2>/dev/null)" ''
same 'the guest does not bring it back' \
    "$(store b "/local/domain/$dom/device/vif/0/state")" ''
check 'xl network-attach brings another' run_xl b xl network-attach srv \
    mac=$mac script="$WORK/vif-script"
"$B/emu/xmig-emu-client" --switch "$sw" --mac $mac --rate 500 --count 250 \
    --json >"$WORK/report" 2>&1
same 'over which the server answers' $? 0 ||
    diag "$(cat "$WORK/report")" "$(console b "$dom")" \
        "$(cat "$WORK/b/netback.log")"
check 'xl destroy works' run_xl b xl destroy srv

# ---- a domain that libxl does not know ------------------------------------------
backends() { run b xenstore-ls -f /local/domain/0/backend/vif 2>/dev/null; }
dom=$(create b "$(cfg bare 'program=server' 64 1 "vif = [ \"mac=$mac\" ]")") &&
    await b "$dom" data/state=running >/dev/null || bail 'no bare guest'
check 'a bare guest is saved' run b "$B/bin/xmig" save bare "$WORK/bare.img"
# What some earlier domain has left: the next one will have its number.
for node in 0/hotplug-status=error 1/state=1; do
    run b xenstore-write \
        "/local/domain/0/backend/vif/$((dom + 1))/${node%=*}" "${node#*=}"
done
check 'and restored' run b "$B/bin/xmig" restore "$WORK/bare.img"
same 'under the next number' "$(domid_of b bare)" $((dom + 1))
same 'what was there of its number is gone' \
    "$(backends | grep -E 'hotplug-status|/1/')" ''
matches 'xl network-list sees its interface' \
    "$(run_xl b xl network-list bare 2>&1)" "0 +0 +$mac "
check 'xl destroy works' run_xl b xl destroy bare
same 'and takes the backend along' "$(backends)" ''
same 'and all else of it' "$(run b xenstore-ls -f /libxl 2>/dev/null | grep -v ^/libxl/0)" ''

host_stop a
host_stop b
done_testing
