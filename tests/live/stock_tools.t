#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Tools that nobody here wrote, on an emulated host: xenstore-*, xl list and
# friends, the real xenstored learning of ends by VIRQ_DOM_EXC, and the real
# xenconsoled.
# Timeout: 120
. "$(dirname "$0")/lib.sh"
need_xl

host_start a --memory 320
dom=$(create a "$(cfg worker 'program=idle' 48 2)") || bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail "no guest" "$(console a "$dom")"

# ---- xl --------------------------------------------------------------------
list=$(run_xl a $XL list 2>&1)
matches 'xl list shows dom0' "$list" '^Domain-0 +0 '
matches 'xl list shows the domain with memory and vCPUs' "$list" \
    "^worker +$dom +4[0-9] +2 "
same 'xl domid finds it by name' "$(run_xl a $XL domid worker 2>&1)" "$dom"
same 'xl domname finds it by number' \
    "$(run_xl a $XL domname "$dom" 2>&1)" worker
check 'xl info works' run_xl a $XL info
check 'xl pause works' run_xl a $XL pause worker
matches 'xl list shows it paused' "$(run_xl a $XL list worker 2>&1)" \
    ' -[-b]p--- '
check 'xl unpause works' run_xl a $XL unpause worker
refuse 'xl knows no other domain' 'invalid domain' run_xl a $XL list nobody

# ---- xenstore --------------------------------------------------------------
tree=$(run a xenstore-ls -fp "/local/domain/$dom" 2>&1)
matches 'xenstore-ls shows the name' "$tree" "^/local/domain/$dom/name = \"worker\""
matches 'control/shutdown is the guest'"'"'s' "$tree" \
    "control/shutdown = \"\" +\(n$dom\)"
matches 'the guest may only read its name' "$tree" \
    "/name = \"worker\" +\(n0,r$dom\)"
check 'the guest offers suspend' test "$(store a "/local/domain/$dom/control/feature-suspend")" = 1
matches 'xenconsoled gave the domain a terminal' \
    "$(await a "$dom" console/tty)" '^/dev/pts/'

# ---- ends ------------------------------------------------------------------
# xenstored sends @releaseDomain only when VIRQ_DOM_EXC tells it to look.
watch_release() {
    rm -f "$WORK/fifo"
    mkfifo "$WORK/fifo"
    # Not by run(): the shell would stand between it and a signal.
    "$EMU" run "$WORK/a" -- stdbuf -oL xenstore-watch -n 2 @releaseDomain \
        >"$WORK/fifo" &
    children+=($!)
    exec 9<"$WORK/fifo"
    # The first event is the registration's own.
    read -r -t 20 -u 9 || bail 'no first event from xenstore-watch'
}
released() { read -r -t 20 -u 9; }
watch_release
run a xenstore-write "/local/domain/$dom/control/shutdown" poweroff
check 'the guest powers off when asked' \
    "$EMU" wait --shutdown --timeout 20 "$WORK/a" "$dom"
check '@releaseDomain fires when a guest shuts down' released
watch_release
check 'destroy works' "$EMU" destroy "$WORK/a" "$dom"
check '@releaseDomain fires when a domain is destroyed' released
same 'its subtree is gone' "$(store a "/local/domain/$dom/name")" ''
matches 'xl list does not show it any more' \
    "$(run_xl a $XL list 2>&1 | wc -l)" '^2$'
refuse 'the domain can not be destroyed twice' 'no domain' \
    "$EMU" destroy "$WORK/a" "$dom"

# ---- bad input -------------------------------------------------------------
create a "$(cfg twin 'program=idle' 16)" >/dev/null || bail 'create failed'
refuse 'two domains of one name are refused' 'there is a domain "twin"' \
    create a "$WORK/twin.cfg"
refuse 'more memory than there is is refused' 'cannot populate|No space|Cannot allocate' \
    create a "$(cfg big 'program=idle' 4000)"
same 'and leaves nothing behind' "$(domid_of a big)" ''
refuse 'an unreadable config is refused' 'cannot read' create a "$WORK/none.cfg"
echo 'name = "x" memory = [' >"$WORK/bad.cfg"
refuse 'a broken config is refused' 'bad.cfg' create a "$WORK/bad.cfg"
refuse 'a config without memory is refused' 'memory' \
    create a <(echo 'name = "x"')
refuse 'a PV guest is refused by name' 'type "pv"' \
    create a <(printf 'name = "x"\nmemory = 16\ntype = "pv"\n')
printf 'name = "odd"\nmemory = 16\nmemmory = 3\n' >"$WORK/odd.cfg"
matches 'an unknown key is named with its line' \
    "$(create a "$WORK/odd.cfg" 2>&1)" 'odd.cfg:3: key "memmory"'
refuse 'a host does not start twice' 'runs already' \
    "$EMU" start "$WORK/a"

# ---- nothing stays ---------------------------------------------------------
pids=$(cat "$WORK"/a/*.pid)
check 'the host stops' host_stop a
alive=0
for pid in $pids; do
    [ -d "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" &&
        alive=$((alive + 1))
done
same 'none of its processes is left' $alive 0
refuse 'a stopped host does not answer' 'does not answer' \
    "$EMU" list "$WORK/a"
done_testing
