#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Grants and event channels of an emulated host, as a backend uses them.
# Timeout: 60
. "$(dirname "$0")/lib.sh"

host_start a --memory 128
dom=$(create a "$(cfg worker 'program=idle' 32)") || bail 'create failed'
await a "$dom" data/state=running >/dev/null ||
    bail 'no guest' "$(console a "$dom")"
run a "$B/tests/live/grants" "$dom"
