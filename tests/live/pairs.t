#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Every value of every option alone, and all of them in pairs: many.py.  The
# options are those that xmig lists, so a new one joins by itself.
# Timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/migrate.sh"
host_start a --memory 128
host_start b --memory 128
mkdir -p "$WORK/a/xmig" "$WORK/b/xmig"
boot a w 'program=dirty size=8M rate=40M order=random zero=20 publish=50ms' 24 2
python3 "$TOP/tests/live/many.py" pairs "$EMU" "$XMIG" "$WORK/a" "$WORK/b"
