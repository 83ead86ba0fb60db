#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# tests/run.sh judged by tests whose outcome is known.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
count=0 failed=0

# outcome NAME "LAST LINE" STATUS [PATTERN]: run test NAME from stdin, expect
# this last line and exit status, and PATTERN somewhere in the output.
outcome() {
    local name=$1 line=$2 status=$3 pattern=${4-} rc
    cat >"$work/$name.t"
    chmod +x "$work/$name.t"
    "$top/tests/run.sh" -b "$work" -t 1 "$work/$name.t" >"$work/out" 2>&1
    rc=$?
    count=$((count + 1))
    if [ "$(tail -n 1 "$work/out")" = "$line" ] && [ $rc -eq "$status" ] &&
        grep -q -- "$pattern" "$work/out"; then
        echo "ok $count - $name"
    else
        failed=$((failed + 1))
        echo "not ok $count - $name (exit status $rc)"
        sed 's/^/# /' "$work/out"
    fi
}

outcome status_0_is_a_pass "1 passed, 0 failed, 0 skipped" 0 <<'T'
#!/bin/sh
T
outcome status_1_is_a_failure_with_its_output \
    "0 passed, 1 failed, 0 skipped" 1 'page 7 is stale' <<'T'
#!/bin/sh
echo page 7 is stale
exit 1
T
outcome a_failure_is_shown_from_its_beginning \
    "0 passed, 1 failed, 0 skipped" 1 'not ok 1 - the first' <<'T'
#!/bin/sh
echo 'not ok 1 - the first'
seq 300
echo 1..1
T
outcome a_skip_says_why "0 passed, 0 failed, 1 skipped" 0 \
    'skipped: needs root' <<'T'
#!/bin/sh
echo needs root
exit 77
T
outcome tap_points_are_counted "2 passed, 1 failed, 1 skipped" 1 \
    'skipped: no disk' <<'T'
#!/bin/sh
printf '1..4\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP no disk\nok 4 - d\n'
exit 1
T
outcome cmocka_s_own_skip_is_a_skip "1 passed, 0 failed, 1 skipped" 0 \
    'skipped: b: needs xenstored' <<'T'
#!/bin/sh
printf '1..2\nok 1 - a\nneeds xenstored\nnot ok 2 # SKIP b\n'
T
outcome points_that_never_came_are_failures \
    "1 passed, 2 failed, 0 skipped" 1 <<'T'
#!/bin/sh
printf '1..3\nok 1 - a\n'
T
outcome a_bad_status_behind_good_points_is_a_failure \
    "1 passed, 1 failed, 0 skipped" 1 <<'T'
#!/bin/sh
printf '1..1\nok 1 - a\n'
exit 1
T
outcome a_hanging_test_is_ended "0 passed, 1 failed, 0 skipped" 1 \
    'timed out after 1 s' <<'T'
#!/bin/sh
tail -f /dev/null
T
outcome what_is_left_behind_is_a_failure "1 passed, 1 failed, 0 skipped" 1 \
    'left behind' <<'T'
#!/bin/sh
setsid tail -f /dev/null >/dev/null 2>&1 &
T
outcome a_test_has_a_scratch_directory "1 passed, 0 failed, 0 skipped" 0 <<'T'
#!/bin/sh
touch "$TMPDIR/x" && [ -d "$B" ] && [ -e "$TOP/tests/run.sh" ]
T

# Two that wait for each other end only when both run.
mkfifo "$work/meet"
cat >"$work/here.t" <<T
#!/bin/sh
echo >"$work/meet"
T
cat >"$work/there.t" <<T
#!/bin/sh
read -r line <"$work/meet"
T
chmod +x "$work/here.t" "$work/there.t"
count=$((count + 1))
if [ "$("$top/tests/run.sh" -b "$work" -t 20 -j 2 "$work/here.t" \
    "$work/there.t" | tail -n 1)" = "2 passed, 0 failed, 0 skipped" ]; then
    echo "ok $count - two_run_at_once"
else
    failed=$((failed + 1))
    echo "not ok $count - two_run_at_once"
fi

# Two suites, one with a failure; the total says it again.
cat >"$work/bad.t" <<'T'
#!/bin/sh
printf '1..2\nok 1 - a\nnot ok 2 - b\n# page 7 is stale\n'
exit 1
T
cat >"$work/good.t" <<'T'
#!/bin/sh
T
chmod +x "$work/bad.t" "$work/good.t"
rm -f "$work/tally"
for suite in bad good; do
    "$top/tests/run.sh" -b "$work" -t 20 -o "$work/tally" -s $suite \
        "$work/$suite.t" >/dev/null
done
count=$((count + 1))
"$top/tests/run.sh" --sum "$work/tally" >"$work/out"
if [ "$(tail -n 1 "$work/out")" = "2 passed, 1 failed, 0 skipped" ] &&
    grep -qx 'bad: bad (exit status 1)' "$work/out" &&
    grep -q '| # page 7 is stale' "$work/out"; then
    echo "ok $count - the_total_is_a_sum_and_says_what_failed"
else
    failed=$((failed + 1))
    echo "not ok $count - the_total_is_a_sum_and_says_what_failed"
    sed 's/^/# /' "$work/out"
fi
count=$((count + 1))
if "$top/tests/run.sh" -b "$work" >/dev/null; then
    failed=$((failed + 1))
    echo "not ok $count - nothing_run_is_a_failure"
else
    echo "ok $count - nothing_run_is_a_failure"
fi
count=$((count + 1))
XMIG_TEST_MARK=theirs sleep 60 &
theirs=$!
end() { XMIG_TEST_MARK=$1 bash -c ". '$top/tests/tap.sh'; end_ours $theirs"; }
# Until it has become another program it has our environment.
until grep -qzs theirs "/proc/$theirs/environ"; do :; done
if end ours; kill -0 $theirs && { end theirs; ! wait $theirs; }; then
    echo "ok $count - a_test_ends_none_of_another"
else
    failed=$((failed + 1))
    echo "not ok $count - a_test_ends_none_of_another"
    kill $theirs 2>/dev/null
fi
echo "1..$count"
[ $failed -eq 0 ]
