#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Migrations back to back with random options and troubles: many.py.  N is how
# many, SEED repeats a run; "make soak N=300" runs many.
# Timeout: 14400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
host_start a --memory 128
host_start b --memory 128
mkdir -p "$WORK/a/xmig" "$WORK/b/xmig"
boot a w 'program=dirty size=8M rate=40M order=zipf zero=20 publish=50ms' 24 2
python3 "$TOP/tests/live/many.py" soak "$EMU" "$XMIG" "$WORK/a" "$WORK/b" \
    "${N:-8}" "${SEED-}"
