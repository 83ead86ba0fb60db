#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate of domains that xl has made: libxl knows them at both ends, and
# nothing of them is left where they were.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
. "$TOP/tests/live/migrate.sh"
. "$TOP/tests/live/libxl.sh"

sw=$WORK/switch
mac=00:16:3e:00:00:02
field() {
    tr -d '\n' <"$WORK/report" |
        sed -n "s/.*\"$1\": *\"\{0,1\}\([^,\"}]*\).*/\1/p"
}
mkfifo "$WORK/fifo"
# Held open, so that no word is lost with the one who wrote it.
exec {fifo}<>"$WORK/fifo"
ready() { read -r -t 30 _ <&"$fifo"; }
"$B/emu/xmig-emu-switch" --socket "$sw" --ready-fd 3 3<>"$WORK/fifo" \
    2>"$WORK/switch.log" &
children+=("$!")
ready || bail 'no switch'
host_start a --memory 256 --switch "$sw"
host_start b --memory 256 --switch "$sw"

# ---- there and back --------------------------------------------------------
xl_boot a w 'program=dirty size=16M rate=20M' 64 2
config=$(run_xl a xl list -l w | grep -v '"domid"')

move a b w
same 'xmig migrate moves a domain of xl' "$status" 0 || logs
dom=$(domid_of b w)
matches 'it finds its memory right' "$(right b "$dom")" 'resumes=1 ' ||
    console b "$dom"
check 'nothing is left at the source' clean a
matches 'libxl knows it at the destination' "$(store b "/libxl/$dom/type")" \
    '^pvh$'
matches 'xl list shows it running' "$(run_xl b xl list w 2>&1)" \
    "^w +$dom +6[0-9] +2 +[r-][b-]---- "
same 'with the configuration it had' \
    "$(run_xl b xl list -l w | grep -v '"domid"')" "$config"
check 'its console is there' \
    [ -n "$(store b "/local/domain/$dom/console/tty")" ]
matches 'what libxl took is kept for the next prediction, apart' \
    "$(store a /tool/xmig/state-us-libxl),$(store a /tool/xmig/commit-us-libxl),$(
        store a /tool/xmig/state-us)" '^[0-9]+,[0-9]+,$'

move b a w --parallel 3
same 'and back, over three lanes' "$status" 0 || logs
dom=$(domid_of a w)
matches 'it finds its memory right' "$(right a "$dom")" 'resumes=2 '
check 'nothing is left at the other host' clean b

cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
exec $EMU run --mount $WORK/\$host -- "\$@"
END
chmod +x "$WORK/ssh"
check 'stock xl migrate moves it on' run_xl a xl migrate -s "$WORK/ssh" w b
move b a w --name v
same 'xmig back again, under another name' "$status$(domid_of a w)" 0 || logs
dom=$(domid_of a v)
matches 'it finds its memory right' "$(right a "$dom")" 'resumes=4 '
same 'libxl knows the name' "$(run_xl a xl list v | awk 'NR == 2 { print $1 }')" v
check 'xl pause and unpause work' run_xl a sh -c 'xl pause v && xl unpause v'
check 'xl shutdown works' run_xl a xl shutdown v
check 'the guest obeys' "$EMU" wait --shutdown "$WORK/a" "$dom"
check 'xl destroy works' run_xl a xl destroy v
check 'nothing is left' clean a

# ---- with a network interface -----------------------------------------------
cat >"$WORK/vif-script" <<'END'
#!/bin/sh
[ "$1" != online ] || xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
chmod +x "$WORK/vif-script"
xl_boot a srv 'program=server size=16M rate=20M' 64 2 \
    "vif = [ \"mac=$mac,script=$WORK/vif-script\" ]"
"$B/emu/xmig-emu-client" --switch "$sw" --mac $mac --rate 500 --json \
    --ready-fd 3 3<>"$WORK/fifo" >"$WORK/report" 2>&1 &
client=$!
children+=("$client")
check 'the server answers' ready || diag "$(console a "$dom")"

move a b srv
same 'a script from just anybody is refused' "$status" 2
matches 'and says so' "$(cat "$WORK/migrate.out")" 'trusted-peers'
check 'nothing is left of the attempt' clean b

receive b -- --once --trusted-peers
migrate a srv --json
receiver_end
same 'from a trusted peer it is taken' "$status" 0 || logs
dom=$(domid_of b srv)
matches 'it finds its memory right' "$(right b "$dom")" 'resumes=1 '
kill "$client"
wait "$client"
same 'the client lost nothing' $? 0 || diag "$(cat "$WORK/report")"
same 'every request was answered' "$(field answered)" "$(field sent)"
diag "longest gap: $(field longest_gap_us) us"
matches 'xl network-list sees the interface' \
    "$(run_xl b xl network-list srv 2>&1)" "0 +0 +$mac +[0-9-]+ +4 "
check 'xl network-detach takes it away' run_xl b xl network-detach srv 0
check 'nothing is left at the source' clean a
check 'xl destroy works' run_xl b xl destroy srv
check 'nothing is left at the destination' clean b

# ---- watched ---------------------------------------------------------------------
xl_boot a w 'program=dirty size=8M rate=20M' 32 1
receive_opts=()
move a b w
same 'moved to be watched' "$status" 0 || logs
right b "$dom" >/dev/null
before=$dom
again() { dom=$(domid_of b w); [ -n "$dom" ] && [ "$dom" != "$before" ]; }
check 'xl reboot works' run_xl b xl reboot w
check 'the domain is made anew' eventually 30 again
up() { again && await b "$dom" data/state=running 10 >/dev/null 2>&1; }
check 'and comes up' eventually 30 up
same 'under its name' "$(run_xl b xl list | awk 'NR > 2 { print $1 }')" w
move b a w
same 'it is watched when it moves on' "$status" 0 || logs
check 'and not any more where it was' clean b
check 'xl shutdown works' run_xl a xl shutdown w
check 'it is destroyed then, and nothing is left' clean a

xl_boot a w 'program=dirty size=8M rate=20M' 32 1
receive b -- --once
migrate_bg a w --postcopy --bandwidth 1
draining() { run a "$XMIG" status | grep -q drain; }
check 'in post-copy it runs before all of it is there' until_ok 60 draining
before=$("$EMU" list "$WORK/b" | awk 'NR > 1 && $2 != 0 { print $2 }')
check 'and is told to reboot' run_xl b xl reboot "$before"
check 'it shuts down' "$EMU" wait --shutdown "$WORK/b" "$before"
run a "$XMIG" set w bandwidth=0 >/dev/null
sender_end
receiver_end
same 'the rest of it comes' "$status$receiver_status" 00 || logs
check 'then it is made anew' eventually 30 again
check 'and comes up' eventually 30 up
check 'xl shutdown works' run_xl b xl shutdown w
check 'nothing is left' clean b

# ---- its receiver is killed in a post-copy ---------------------------------------
xl_boot a w 'program=dirty size=8M rate=20M publish=100ms' 32 1
receive b
migrate_bg a w --postcopy --bandwidth 1
check 'killed: it runs before all of it is there' until_ok 60 draining
kill -9 "$(process_of "$receiver")"
receiver_end
receive b
hurry() { run a "$XMIG" set w bandwidth=0 >/dev/null 2>&1; }
until_ok 60 hurry
sender_end
same 'killed: its holder goes on, and it moves' "$status" 0 || logs
there() { dom=$(domid_of b w); [ -n "$dom" ]; }
check 'killed: under its name' until_ok 20 there
matches 'killed: it finds its memory right' "$(right b "$dom")" 'resumes=1 '
check 'killed: nothing is left at the source' clean a
before=$dom
check 'killed: xl reboot works' run_xl b xl reboot w
check 'killed: it is watched, and made anew' eventually 30 again
check 'killed: and comes up' eventually 30 up
check 'killed: xl shutdown works' run_xl b xl shutdown w
check 'killed: nothing is left' clean b
stop_receiver
receive_opts=(-e)

# ---- saved ---------------------------------------------------------------------
xl_boot a s 'program=dirty size=8M rate=20M' 32 1
check 'xmig save -c leaves it libxl'\''s' run a "$XMIG" save -c s "$WORK/s.save"
check 'it lives on' writes a "$dom"
check 'xmig save takes it from libxl' run a "$XMIG" save s "$WORK/s.save"
check 'nothing is left of it' clean a
check 'xmig restore brings it back' run a "$XMIG" restore "$WORK/s.save"
dom=$(domid_of a s)
matches 'it finds its memory right' "$(right a "$dom")" 'ok'
"$EMU" destroy "$WORK/a" s

# ---- refused beforehand --------------------------------------------------------
refused() { # WHAT PATTERN NAME
    receive b -- --once
    migrate a "$3"
    stop_receiver
    same "$1 is refused" "$status" 1
    matches 'and says why' "$(cat "$WORK/migrate.out")" "$2"
    run_xl a xl destroy "$3"
}
xl_boot a stay 'program=idle' 32 1 'nomigrate = 1'
refused 'a domain that is not to move' 'says nomigrate' stay

host_stop a
host_stop b
done_testing
