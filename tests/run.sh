#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Run tests and add up what they say.
#
#   tests/run.sh [-v] [-b BUILD] [-s SUITE] [-t SECONDS] [-j N] [-k GLOBS]
#                [-o FILE] TEST...
#   tests/run.sh --sum FILE
#
#   -v  show all output, not only that of tests that fail
#   -b  build tree, exported to the tests as B (absolute); default build
#   -s  name of the suite, for messages ("unit", "live under ASan")
#   -t  time-out of a test in seconds, default 120; a line "Timeout: N" in the
#       first 30 lines of the test (or of its .c file) wins
#   -j  how many at once, default 1; those that may take longest start first,
#       and each may take so many times longer
#   -k  only tests whose file name without suffix matches one of these
#   -o  append the counts and how each failure began to FILE, for --sum
#
# A test is a program.  It speaks TAP (cmocka's dialect included), or says
# by its exit status alone: 0 passed, 77 skipped (the last line of output is
# the reason), anything else failed.  It runs in a session of its own with a
# scratch directory TMPDIR and with TOP, B and PATH set.  When it is over,
# processes it left behind (found by a mark in their environment) are killed
# and held against it.
#
# The last line is "N passed, N failed, N skipped"; the exit status is 0 when
# nothing failed and something ran.
set -u
export LC_ALL=C

total_line() {
    echo "$1 passed, $2 failed, $3 skipped"
    [ "$2" -eq 0 ] && [ $(($1 + $3)) -gt 0 ]
}

if [ "${1-}" = --sum ]; then
    read -r p f s < <(awk '!/^!/ { p += $1; f += $2; s += $3 }
        END { print p + 0, f + 0, s + 0 }' "$2")
    sed -n 's/^! //p' "$2"
    awk '!/^!/ { n = $1 " passed, " $2 " failed, " $3 " skipped"
           $1 = $2 = $3 = ""; printf "  %-28s %s\n", substr($0, 4), n }' "$2"
    total_line "$p" "$f" "$s"
    exit
fi

verbose='' build=build suite=tests limit=120 jobs=1 only=('*') tally=''
while getopts vb:s:t:j:k:o: opt; do
    case $opt in
    v) verbose=1 ;;
    b) build=$OPTARG ;;
    s) suite=$OPTARG ;;
    t) limit=$OPTARG ;;
    j) jobs=$OPTARG ;;
    k) read -ra only <<<"$OPTARG" ;;
    o) tally=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))

TOP=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$build"
B=$(cd "$build" && pwd)
export TOP B PATH="$B/bin:$B/emu:$PATH"
export CMOCKA_MESSAGE_OUTPUT=TAP CMOCKA_XML_FILE=
export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:${ASAN_OPTIONS-}"
export UBSAN_OPTIONS="print_stacktrace=1:${UBSAN_OPTIONS-}"
export TSAN_OPTIONS="halt_on_error=0:exitcode=66:${TSAN_OPTIONS-}"
unset MAKEFLAGS MFLAGS MAKELEVEL

work=$(mktemp -d /tmp/xt.XXXXXX)
trap 'left_behind "$work" KILL >/dev/null; rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# Signal ($2) the processes with mark $1 in their environment; print them.
left_behind() {
    local environ pid
    for environ in $(grep -lzsF "XMIG_TEST_MARK=$1" /proc/[0-9]*/environ); do
        pid=${environ//[!0-9]/}
        if [ "$pid" = $$ ] || [ "$pid" = "$BASHPID" ]; then continue; fi
        { tr "\0" " " <"/proc/$pid/cmdline"; } 2>/dev/null | cut -c 1-100 |
            sed "s/^/$pid /"
        kill "-$2" "$pid" 2>/dev/null
    done
}

name_of() { basename "$1" .t; }

source_of() {
    case $1 in
    "$build"/*.t) echo "$1" ;;
    "$build"/*) echo "$TOP/${1#"$build"/}.c" ;;
    *) echo "$1" ;;
    esac
}

timeout_of() {
    local t
    t=$(sed -n '1,30s/.*Timeout: *\([0-9][0-9]*\).*/\1/p;30q' "$1" \
        2>/dev/null | head -n 1)
    echo "${t:-$limit}"
}

# Read TAP from file $1; print "passed failed skipped" and, behind a tab
# each, reasons of the skips.  cmocka 1.1 says "not ok N # SKIP name" for a
# skip, with the reason on the line before.
count_tap() {
    awk '
    /^1\.\.0/ { s++; r = $0; sub(/^1\.\.0[ #]*(SKIP|skip)?[ :]*/, "", r)
                why = why "\t" r; next }
    /^1\.\.[0-9]+/ { planned += substr($1, 4); next }
    /^(not )?ok( |$)/ {
        seen++
        if ( $0 ~ /# *[Ss][Kk][Ii][Pp]/ ) {
            s++; r = $0; sub(/.*# *[Ss][Kk][Ii][Pp][: ]*/, "", r)
            why = why "\t" r (prev == "" ? "" : ": " prev)
        } else if ( /^ok/ ) p++
        else f++
        prev = ""; next }
    { prev = ($0 ~ /^#/ && $0 !~ /[a-z]/) ? "" : $0
      sub(/^# */, "", prev) }
    END { if ( seen < planned ) f += planned - seen
          printf "%d %d %d%s\n", p, f, s, why }' "$1"
}

matches() {                 # NAME: one of the globs
    local glob
    for glob in "${only[@]}"; do
        # shellcheck disable=SC2254 # a pattern
        case $1 in $glob) return 0 ;; esac
    done
    return 1
}

# The two ends of a long text: what began it and what it came to.
ends() {
    awk '{ line[NR] = $0 }
        END { for (i = 1; i <= NR; i++)
                  if (i <= 80 || i > NR - 80) print line[i]
                  else if (i == 81) print "[...]" }'
}

# How a failure began, for the end of a long log: of test $1, whose output is
# in file $2 and which ended with status $3.
beginning() {
    echo "! $suite: $1 (exit status $3)"
    { grep '^not ok' -A 15 "$2" || tail -n 15 "$2"; } | grep -v '^ok ' |
        head -n 15 | sed 's/^/!     | /'
}

# Run test $2 as number $1; the last line of the report is its counts.
run_one() {
    local test=$2 name secs dir out rc p f s why start took counts left
    name=$(name_of "$test")
    secs=$(($(timeout_of "$(source_of "$test")") * jobs))
    dir=$work/$1.dir out=$work/$1.out
    mkdir "$dir"

    start=$(date +%s%N)
    TMPDIR=$dir XMIG_TEST_MARK=$dir setsid -w \
        timeout -k 5 "$secs" "$test" </dev/null >"$out" 2>&1
    rc=$?
    took=$((($(date +%s%N) - start) / 1000000))
    left=$(left_behind "$dir" KILL)

    counts=$(count_tap "$out")
    read -r p f s <<<"${counts%%$'\t'*}"
    why=; case $counts in *$'\t'*) why=${counts#*$'\t'} ;; esac
    if [ $((p + f + s)) -eq 0 ]; then
        case $rc in
        0) p=1 ;;
        77) s=1; why=$(tail -n 1 "$out") ;;
        *) f=1 ;;
        esac
    elif [ $rc -ne 0 ] && [ $rc -ne 77 ] && [ "$f" -eq 0 ]; then
        f=1
    fi
    if [ $rc -eq 124 ] || [ $rc -eq 137 ]; then
        echo "# timed out after $secs s" >>"$out"
        [ "$f" -gt 0 ] || f=1
    fi
    if [ -n "$left" ]; then
        printf '# left behind:\n%s\n' "$left" >>"$out"
        f=$((f + 1))
    fi

    local verdict=ok
    [ $((p + f)) -gt 0 ] || verdict=SKIP
    [ "$f" -eq 0 ] || verdict=FAILED
    printf '%-6s %-34s %5d.%03d s  (%d' "$verdict" "$name" \
        $((took / 1000)) $((took % 1000)) "$p"
    [ "$f" -eq 0 ] || printf ', %d failed' "$f"
    [ "$s" -eq 0 ] || printf ', %d skipped' "$s"
    echo ')'
    [ -z "$why" ] || tr '\t' '\n' <<<"$why" | sed 's/^/       skipped: /'
    if [ -n "$verbose" ]; then
        sed 's/^/    | /' "$out"
    elif [ "$f" -ne 0 ]; then
        [ $rc -eq 99 ] && echo "    | harness error"
        grep -v '^ok ' "$out" | uniq | ends | sed 's/^/    | /'
        echo "    | exit status $rc"
    fi
    [ "$f" -eq 0 ] || [ -z "$tally" ] ||
        beginning "$name" "$out" $rc >"$work/$1.began"
    rm -rf "$dir" "$out"
    echo "$p $f $s"
}

passed=0 failed=0 skipped=0
tell() {                    # REPORT
    local p f s
    sed '$d' "$1"
    read -r p f s < <(tail -n 1 "$1")
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    rm "$1"
    [ ! -e "${1%report}began" ] || cat "${1%report}began" >>"$tally"
}

# The tests asked for, in the order in which they start.
chosen() {
    local t
    for t in "$@"; do
        if matches "$(name_of "$t")"; then
            echo "$(timeout_of "$(source_of "$t")") $t"
        fi
    done | if [ "$jobs" -gt 1 ]; then sort -s -k 1,1nr; else cat; fi |
        cut -d ' ' -f 2-
}

echo "== $suite"
mapfile -t tests < <(chosen "$@")
declare -A number=()       # by pid
until_fewer_than() {        # N
    local pid
    while [ ${#number[@]} -ge "$1" ]; do
        wait -n -p pid
        tell "$work/${number[$pid]}.report"
        unset "number[$pid]"
    done
}
for i in "${!tests[@]}"; do
    until_fewer_than "$jobs"
    run_one "$i" "${tests[i]}" >"$work/$i.report" &
    number[$!]=$i
done
until_fewer_than 1
[ -z "$tally" ] || echo "$passed $failed $skipped $suite" >>"$tally"
total_line $passed $failed $skipped
