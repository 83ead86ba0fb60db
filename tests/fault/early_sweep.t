#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# As migrate_sweep.t, with GO going with the state (docs/design.md, "Early
# GO"): a choice of what may break a connection or end a process then.
# Timeout: 600
SWEEP="--early-go --points 24 ${SWEEP-}" exec "$(dirname "$0")/migrate_sweep.t"
