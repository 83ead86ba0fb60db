# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# TAP for tests that are scripts, and waiting with a limit.  WORK names a
# scratch directory by the time that a test waits.
nr=0 nr_failed=0

diag() { printf '%s\n' "$@" | sed 's/^/# /'; }
ok() { nr=$((nr + 1)); echo "ok $nr - $*"; }
not_ok() {
    nr=$((nr + 1)) nr_failed=$((nr_failed + 1))
    echo "not ok $nr - $*"
}
skip() { nr=$((nr + 1)); echo "ok $nr - $1 # SKIP $2"; }
skip_all() { echo "1..0 # SKIP $*"; echo "$*"; exit 77; }
# Something this test needs did not come about: no verdict on what it tests.
bail() { diag "$*"; echo "Bail out! $1"; exit 99; }
done_testing() {
    echo "1..$nr"
    [ "$nr_failed" -eq 0 ]
    exit
}

# check WHAT COMMAND...: ok when the command succeeds.
check() {
    local what=$1 out rc
    shift
    out=$("$@" 2>&1)
    rc=$?
    if [ $rc -eq 0 ]; then
        ok "$what"
    else
        not_ok "$what"
        diag "failed ($rc): $*" "$out"
        return 1
    fi
}
# refuse WHAT PATTERN COMMAND...: ok when it fails and says PATTERN (grep -E).
refuse() {
    local what=$1 pattern=$2 out
    shift 2
    if out=$("$@" 2>&1); then
        not_ok "$what"
        diag "succeeded: $*" "$out"
    elif grep -qE -- "$pattern" <<<"$out"; then
        ok "$what"
    else
        not_ok "$what"
        diag "said not \"$pattern\": $*" "$out"
    fi
}
same() { # WHAT GOT WANTED
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        diag "got: $2" "wanted: $3"
        return 1
    fi
}
matches() { # WHAT GOT PATTERN (grep -E)
    if grep -qE -- "$3" <<<"$2"; then
        ok "$1"
    else
        not_ok "$1"
        diag "got: $2" "wanted: $3"
        return 1
    fi
}

# eventually SECONDS COMMAND...: asks again until it succeeds.
eventually() {
    local end=$((SECONDS + $1))
    shift
    [ -p "$WORK/never" ] || mkfifo "$WORK/never"
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        read -r -t 0.02 _ <>"$WORK/never"
    done
    return 0
}

# end_ours PID...: those that are this test's.  The number of a process that
# has ended may be another test's by then: run.sh has marked ours.
end_ours() {
    local p
    for p; do
        [ -z "${XMIG_TEST_MARK-}" ] ||
            grep -qzsxF "XMIG_TEST_MARK=$XMIG_TEST_MARK" "/proc/$p/environ" ||
            continue
        kill "$p" 2>/dev/null && wait "$p" 2>/dev/null
    done
}
