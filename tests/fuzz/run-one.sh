#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
# Run fuzzer NAME for SECONDS from its seeds; show what it found.
#   usage: run-one.sh NAME SECONDS      (B names the build tree)
set -u
name=$1 seconds=$2
seeds=$(dirname "$0")/corpus/$name
out=${TMPDIR:-/tmp}/fuzz-$name
mkdir -p "$out/corpus" || exit 99
[ -d "$seeds" ] || seeds=

"$B/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 \
    -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
    -artifact_prefix="$out/" "$out/corpus" ${seeds:+"$seeds"}
rc=$?
for f in "$out"/crash-* "$out"/leak-* "$out"/oom-* "$out"/timeout-*; do
    [ -f "$f" ] || continue
    echo "reproduce: base64 -d >input, then $B/tests/fuzz/fuzz_$name input"
    base64 "$f"
done
exit $rc
