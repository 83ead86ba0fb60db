#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Benchmarks; docs/performance.md says what is measured.
#
#   tests/bench/run.sh [-b BUILD] [-n RUNS] [-m GUEST-MIB] [BENCH...]
#
# SUBJECTS names the subjects (default: all that a bench knows); they take
# turns within each run.  Prints a table of medians, and of ratios, and writes
# BUILD/bench/results.json.
set -eu
export LC_ALL=C
build=build runs=5 guest_mib=2048
while getopts b:n:m: opt; do
    case $opt in
    b) build=$OPTARG ;;
    n) runs=$OPTARG ;;
    m) guest_mib=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- precopy-idle precopy-halfzero precopy-dirty \
    precopy-scale-1 precopy-scale-4 precopy-scale-8 precopy-scale-16 \
    postcopy-idle postcopy-dirty postcopy-greedy postcopy-small \
    postcopy-large \
    postcopy-fault-loop postcopy-fault-0 postcopy-fault-16 \
    postcopy-order-sequential postcopy-order-random postcopy-order-zipf \
    wan-0 wan-4 wan-16 wan-64 wan-dirty-16 wan-dirty-64 wan-hot-0
top=$(cd "$(dirname "$0")/../.." && pwd)
build=$(cd "$build" && pwd)
PATH=$build/bin:$build/emu:$PATH
gauge=$build/tests/bench/gauge
out=$build/bench
work=$(mktemp -d /tmp/xmig-bench.XXXXXX)
A=$work/A Z=$work/B receiver='' raw_pid=''
# Where processes at either end run, and the other end's address.
here=() there=() address=127.0.0.1 line=$work/line
samples=$work/samples
: >"$samples"
mkdir -p "$out"

stop_hosts() {
    local host
    for host in "$A" "$Z"; do
        [ ! -d "$host" ] || xmig-emu stop "$host" >/dev/null 2>&1 || true
    done
    rm -rf "$A" "$Z"
    [ ! -d "$line" ] || xmig-link stop "$line" || true
    here=() there=() address=127.0.0.1
    [ -z "$raw_pid" ] || kill "$raw_pid" 2>/dev/null || true
    [ -z "$raw_pid" ] || wait "$raw_pid" 2>/dev/null || true
    raw_pid=''
}
cleanup() {
    trap - EXIT
    exec 3>&- 2>/dev/null || true
    [ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
    [ -z "$receiver" ] || wait "$receiver" 2>/dev/null || true
    stop_hosts
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
fail() {
    echo "bench: $*" >&2
    for f in "$work"/*.err "$work"/qemu/*.err "$A"/host.log "$Z"/host.log; do
        [ ! -s "$f" ] || { echo "-- $f" >&2; tail -n 15 "$f" >&2; }
    done
    exit 1
}

# shellcheck source=lib/benches.sh
. "$top/tests/bench/lib/benches.sh"
# shellcheck source=lib/subjects.sh
. "$top/tests/bench/lib/subjects.sh"
# shellcheck source=lib/qemu.sh
. "$top/tests/bench/lib/qemu.sh"
# shellcheck source=lib/results.sh
. "$top/tests/bench/lib/results.sh"
port=$((20000 + RANDOM % 10000))
while listening $port; do port=$((port + 1)); done

# Those of the wanted subjects that a bench knows, and that can run here.
subjects_of() {             # subjects_of BENCH
    local subject why
    for subject in $known; do
        why=''
        case " ${SUBJECTS:-$known} " in
        *[[:space:]]"$subject"[[:space:]]*) ;;
        *) continue ;;
        esac
        case $subject in
        qemu*) why=$(qemu_obstacle) ;;
        host-fault) [ -e "$top/tests/bench/host_fault.sh" ] ||
            why="its program is not here" ;;
        xmig*) [ "${1#postcopy}" = "$1" ] || why=$(postcopy_obstacle) ;;
        esac
        [ -z "$why" ] || { echo "$subject is left out: $why" >&2; continue; }
        echo "$subject"
    done
}

# The hosts, and the limit's two processes, for the subjects of a bench.
start_for() {
    local bench=$1 subject emu='' raw=''
    if [ -n "$delay_ms" ]; then
        xmig-link start "$line" --delay "$delay_ms" --rate $link_mbit ||
            fail "no link"
        here=(xmig-link run "$line" here --)
        there=(xmig-link run "$line" there --)
        address=10.77.0.2
    fi
    for subject in $2; do
        case $subject in
        qemu*) [ -e "$work/$bench.img" ] || qemu_image "$work/$bench.img" ;;
        raw-pingpong | host-fault | link | one-stream) ;;
        raw-*) raw=1 ;;
        *) emu=1 ;;
        esac
    done
    if [ -n "$emu" ]; then
        echo "starting two emulated hosts of $mib MiB ..."
        guest_cfg >"$work/$bench.cfg"
        empty_cfg >"$work/empty.cfg"
        for host in "$A" "$Z"; do
            # shellcheck disable=SC2086 # an option or none
            xmig-emu start --memory $((mib + 256)) $untouched "$host" ||
                fail "no host"
        done
    fi
    if [ -n "$raw" ]; then
        rm -f "$work/raw.in" "$work/raw.out"
        mkfifo "$work/raw.in" "$work/raw.out"
        "$build/tests/bench/raw" "$mib" <"$work/raw.in" >"$work/raw.out" \
            2>"$work/raw.err" &
        raw_pid=$!
        exec 3>"$work/raw.in" 4<"$work/raw.out"
    fi
}

run_bench() {
    local bench=$1 subjects subject why run
    bench_set "$bench"
    why=$(bench_obstacle)
    if [ -n "$why" ]; then
        echo "-- $bench is left out: $why"
        return
    fi
    subjects=$(subjects_of "$bench")
    [ -n "$subjects" ] || return 0
    start_for "$bench" "$subjects"
    for ((run = 1; run <= runs; run++)); do
        echo "-- $bench, run $run of $runs"
        for subject in $subjects; do
            printf '%s %-15s' "$bench" "$subject"
            case $subject in
            qemu*) qemu_one "$bench" "$subject" ;;
            raw-pingpong) pingpong_one "$bench" "$subject" ;;
            host-fault) host_fault_one "$bench" "$subject" ;;
            link | one-stream) link_one "$bench" "$subject" ;;
            raw-*) raw_one "$bench" "$subject" ;;
            *) emu_one "$bench" "$subject" ;;
            esac
        done
    done
    stop_hosts
    # What was measured so far is kept, whatever becomes of the rest.
    summary json >"$out/results.json"
}

for bench; do
    (bench_set "$bench")
done
for bench; do
    run_bench "$bench"
done

[ -s "$samples" ] || fail "nothing was measured"
echo
summary table
echo
ratios "$out/results.json"
echo
echo "written: ${out#"$PWD"/}/results.json"
