#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The library's seams to hypervisor and xenstore on an emulated host; the
# guest judges the move that the program makes with them.
# Timeout: 120
. "$(dirname "$0")/lib.sh"

host_start a --memory 256
dom=$(create a "$(cfg worker 'program=dirty size=8M rate=20M publish=100ms' \
    64 2 'vif = [ "mac=00:16:3e:00:00:01" ]')") || bail 'create failed'
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"

# Nodes with their permissions, without what differs by nature.
tree() { # DOM
    run a xenstore-ls -fp "/local/domain/$1" | sort |
        grep -vE '/(data|console/tty|event-channel|name|device/vif/0/state)' |
        sed "s|/domain/$1/|/domain/N/|; s|/vif/$1/|/vif/N/|
             s|(n$1\b|(nN|; s|,r$1\b|,rN|; s|/domid = \"$1\"|/domid|"
    run a xenstore-ls -fp "/local/domain/0/backend/vif/$1" | sort |
        sed "s|/domain/$1/|/domain/N/|; s|/vif/$1/|/vif/N/|; s|,r$1\b|,rN|
             s|frontend-id = \"$1\"|frontend-id|"
}
tree "$dom" >"$WORK/tree.old"
run a "$B/tests/live/hv" "$dom" >"$WORK/out"
grep -v '^1\.\.' "$WORK/out"
# Both are counters of lib.sh.
# shellcheck disable=SC2034
nr=$(grep -c '^\(not \)\?ok ' "$WORK/out")
# shellcheck disable=SC2034
nr_failed=$(grep -c '^not ok ' "$WORK/out")
new=$(sed -n 's/^# new domain //p' "$WORK/out")
[ -n "$new" ] || bail 'the program did not end' "$(tail "$WORK/out")"

matches 'the guest found its memory right' \
    "$(await a "$new" 'data/verdict=ok *')" '^ok .*resumes=1'
tree "$new" >"$WORK/tree.new"
check 'its nodes and their permissions are those of a toolstack' \
    diff "$WORK/tree.old" "$WORK/tree.new"
check 'there were some' [ "$(wc -l <"$WORK/tree.new")" -gt 40 ]
same 'one domain is left' "$(domid_of a worker)" "$new"
same 'its backend nodes too' \
    "$(run a xenstore-list /local/domain/0/backend/vif)" "$new"
done_testing
