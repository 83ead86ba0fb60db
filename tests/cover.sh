#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
# Line coverage per source file of a tree built with --coverage.
#   usage: cover.sh BUILD
set -eu
build=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."
find "$build" -name '*.gcda' | while read -r f; do
    gcov -n -o "$(dirname "$f")" "$f" 2>/dev/null
done | awk -F"'" '
    /^File / { file = $2; next }
    /^Lines executed/ && file ~ /^(src|tools)\// {
        split($0, w, /[:% ]+/); part = w[3]; lines = w[5]
        if ( !(file in n) || part > best[file] ) best[file] = part
        n[file] = lines; file = "" }
    END { for ( f in n ) {
              printf "%6.1f %% of %5d  %s\n", best[f], n[f], f
              hit += best[f] * n[f] / 100; all += n[f] }
          if ( all ) printf "%6.1f %% of %5d  all\n", 100 * hit / all, all }' |
    sort -k5
