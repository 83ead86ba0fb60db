#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only
#
# split.pml; MODEL_FLAGS=-DFAULTS=3 looks longer.
# shellcheck disable=SC2086 # several words
exec "$(dirname "$0")/model.sh" "$(dirname "$0")/split.pml" ${MODEL_FLAGS-}
