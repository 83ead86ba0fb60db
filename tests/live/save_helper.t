#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Stock xl with xmig-save-helper in the place of libxl's own.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"
export LIBXL_SAVE_HELPER=$B/libexec/xmig-save-helper

host_start a --memory 256
conf=$(xl_cfg mover 'program=dirty size=16M rate=20M' 64 2)
check 'xl create builds a PVH domain' run_xl a xl create -e "$conf" ||
    bail 'xl create failed' "$(tail -n 30 "$WORK/a/host.log")"
dom=$(domid_of a mover)
await a "$dom" data/state=running >/dev/null || bail 'no guest' "$(console a "$dom")"

run_xl a xl save mover "$WORK/mover.save" >"$WORK/out" 2>&1
same 'xl save works' $? 0 || diag "$(cat "$WORK/out")"
check 'what is handed to the stock helper stands in its log' \
    grep -q ': /usr.*/libxl-save-helper does it' "$WORK/out"
run_xl a xl restore -e "$WORK/mover.save" >"$WORK/out" 2>&1
same 'xl restore works' $? 0 || diag "$(cat "$WORK/out")"
dom=$(domid_of a mover)
matches 'the restored guest finds its memory right' \
    "$(await a "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '
done_testing
