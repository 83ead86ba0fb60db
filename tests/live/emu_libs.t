#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The replaced libraries: symbols and versions as Xen's own have them, handles
# across fork(), and both ways of mapping.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

symbols() { # of a library: name@version
    LC_ALL=C objdump -T "$1" |
        awk '$2 == "g" && $4 != "*UND*" && $(NF-1) ~ /VERS/ {
                 gsub(/[()]/, "", $(NF-1)); print $NF "@" $(NF-1) }' | sort -u
}
real=/usr/lib/x86_64-linux-gnu
for lib in call foreignmemory evtchn gnttab; do
    if [ -e "$real/libxen$lib.so.1" ]; then
        same "libxen$lib.so.1 exports what Xen's exports" \
            "$(symbols "$B/emu/lib/libxen$lib.so.1" | grep -v '^VERS')" \
            "$(symbols "$real/libxen$lib.so.1" | grep -v '^VERS')"
    else
        skip "libxen$lib.so.1" "Xen's own is not installed"
    fi
done

host_start a --memory 320
host_start b --memory 320 --untouched
dom=$(create a "$(cfg worker 'program=dirty size=32M rate=50M' 96)") ||
    bail 'create failed'
await a "$dom" data/state=running >/dev/null || bail 'no guest'
check 'a forked child uses the handles' run a "$B/tests/live/emu_fork" "$dom"

export XMIG_EMU_MAP=direct
check 'XMIG_EMU_MAP=direct moves a guest rightly' \
    run a "$B/tests/live/stock_move" --compare "$WORK/a" "$dom" "$WORK/b"
unset XMIG_EMU_MAP
done_testing
