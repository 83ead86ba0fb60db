#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Absent pages on real Xen: the seam's program (tests/live/pager.c), which the
# emulated hosts are tested with, takes all the memory of a running Linux guest
# away and gives it back, by faults and by a push at once.
# Timeout: 600
. "$(dirname "$0")/lib.sh"

hosts --full
guest A w memory=96
dom=$(on A xl domid w)
on A /xmig/tests/live/pager "$dom" paging >"$WORK/out" 2>&1
rc=$?
sed -n 's/^# /# /p' "$WORK/out"
same 'each claim of the program holds' "$(grep '^not ok' "$WORK/out")$rc" 0
[ $rc = 0 ] || diag "$(cat "$WORK/out")" "$(on A xl dmesg | tail)"
happy 'with its memory back' A w
gone A w

# The same figures as on emulated hosts, for docs/pager.md.
guest A v memory=96
dom=$(on A xl domid v)
on A xl pause v
on A /xmig/tests/bench/absent "$dom" 0x1000 2048 >"$WORK/figures" 2>&1
same 'the measuring program ends well' $? 0
diag "$(cat "$WORK/figures")"
gone A v
done_testing
