#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Benchmarks; docs/performance.md says what is measured.
#
#   tests/bench/run.sh [-b BUILD] [-n RUNS] [-m GUEST-MIB] [BENCH...]
#
# The subjects take turns within each run.  Prints a table of medians and
# writes BUILD/bench/results.json.
set -eu
export LC_ALL=C
build=build runs=5 mib=2048
while getopts b:n:m: opt; do
    case $opt in
    b) build=$OPTARG ;;
    n) runs=$OPTARG ;;
    m) mib=$OPTARG ;;
    *) exit 2 ;;
    esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || set -- precopy-idle precopy-dirty
build=$(cd "$build" && pwd)
PATH=$build/bin:$build/emu:$PATH
out=$build/bench
work=$(mktemp -d /tmp/xmig-bench.XXXXXX)
A=$work/A Z=$work/B receiver='' raw_pid=''
samples=$work/samples
: >"$samples"
mkdir -p "$out"

cleanup() {
    trap - EXIT
    exec 3>&- 2>/dev/null || true
    [ -z "$receiver" ] || kill "$receiver" 2>/dev/null || true
    for host in "$A" "$Z"; do
        [ ! -d "$host" ] || xmig-emu stop "$host" >/dev/null 2>&1 || true
    done
    [ -z "$raw_pid" ] || kill "$raw_pid" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
fail() {
    echo "bench: $*" >&2
    for f in "$work"/*.err "$A"/host.log "$Z"/host.log; do
        [ ! -s "$f" ] || { echo "-- $f" >&2; tail -n 15 "$f" >&2; }
    done
    exit 1
}

guest_cfg() {               # guest_cfg BENCH: the guest of a bench
    local extra
    case $1 in
    precopy-idle)
        extra="program=idle fill=$((mib * 94 / 100))M" ;;
    precopy-dirty)
        extra="program=dirty size=$((mib / 4))M rate=100M order=random"
        extra="$extra fill=$((mib * 69 / 100))M" ;;
    *) fail "no such bench: $1" ;;
    esac
    cat <<EOF
name    = "bench"
type    = "pvh"
memory  = $mib
vcpus   = 1
kernel  = "builtin"
extra   = "$extra"
EOF
}

# What a "key=value ..." line says of a key.
field() { sed -n "s/.*\b$1=\([0-9]*\).*/\1/p"; }
json() { tr -d '\n' | sed -n "s/.*\"$1\": *\([0-9.]*\).*/\1/p"; }

# sample BENCH SUBJECT us bytes cpu_us [downtime_us]
sample() {
    awk -v b="$1" -v s="$2" -v us="$3" -v by="$4" -v cpu="$5" \
        -v down="${6-}" -v mib="$mib" 'BEGIN {
        print b, s, "goodput", "MB/s", mib * 1048576 / us
        print b, s, "total-time", "ms", us / 1000
        if ( down != "" ) print b, s, "downtime", "ms", down / 1000
        print b, s, "bytes", "MiB", by / 1048576
        print b, s, "cpu", "s/GiB", cpu / 1e6 / (by / 1073741824) }' |
        tee -a "$samples" |
        awk '{ printf "%s%s %.4g %s", NR == 1 ? "   " : ", ", $3, $5, $4 }
             END { print "" }'
}

# The guest on B judges itself; prints its own downtime.
judged() {
    local domid=$1
    xmig-emu wait --timeout 120 --node 'data/verdict=ok*' "$Z" "$domid" \
        >/dev/null 2>"$work/wait.err" || fail "the guest is not well: $(
            cat "$work/wait.err")"
    xmig-emu wait --node data/resumes=1 "$Z" "$domid" >/dev/null &&
        xmig-emu wait --node data/downtime_us "$Z" "$domid"
}

move_stock() {              # move_stock free|mapped DOMID
    local map=()
    [ "$1" != free ] || map=(env XMIG_EMU_MAP=direct)
    "${map[@]}" xmig-emu run "$A" -- "$build/tests/bench/stock" \
        "$A" "$Z" "$2" 2>"$work/stock.err" ||
        fail "stock could not move the guest"
}

listening() {
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}

# CPU of a command that bash's time reported as "user system".
cpu_us() { awk '{ printf "%d", ($1 + $2) * 1e6 }' "$1"; }

# CPU of whole processes, from exec to exit.  The clock counts setting up, too:
# besides connecting and building the destination's domain, which stock has
# done beforehand, it is switching the dirty log on, which stock has not.
move_xmig() {               # move_xmig DOMID
    local i TIMEFORMAT='%U %S' us
    { time xmig-emu run "$Z" -- xmig receive --once --json \
        --listen "127.0.0.1:$port" \
        >"$work/receive.json" 2>"$work/receive.err"; } 2>"$work/cpu.receive" &
    receiver=$!
    for ((i = 0; ; i++)); do
        ! listening "$port" || break
        [ $i -lt 600 ] || fail "xmig receive does not listen"
        sleep 0.05
    done
    { time xmig-emu run "$A" -- xmig migrate --json "$1" "127.0.0.1:$port" \
        >"$work/migrate.json" 2>"$work/migrate.err"; } 2>"$work/cpu.migrate" ||
        fail "xmig could not move the guest"
    wait $receiver || fail "xmig receive failed"
    receiver=''
    us=$(json total-time-us <"$work/migrate.json")
    echo "bytes=$(json transferred <"$work/migrate.json") us=$us" \
        "cpu_us=$(($(cpu_us "$work/cpu.migrate") + $(cpu_us \
            "$work/cpu.receive"))) domid=$(json domid <"$work/receive.json")"
}

bench_one() {               # bench_one BENCH SUBJECT
    local bench=$1 subject=$2 domid line down
    printf '%s %-15s' "$bench" "$subject"
    case $subject in
    raw-tcp) echo discard >&3 ;;
    raw-tcp-mapped) echo mapped >&3 ;;
    esac
    case $subject in
    raw-*)
        read -r -t 120 line <&4 || fail "raw failed"
        sample "$bench" "$subject" "$(field us <<<"$line")" \
            "$(field bytes <<<"$line")" "$(field cpu_us <<<"$line")"
        return
        ;;
    esac

    domid=$(xmig-emu create "$A" "$work/$bench.cfg") || fail "no guest"
    xmig-emu wait --timeout 120 --node data/state=running "$A" "$domid" \
        >/dev/null || fail "the guest does not come up"
    case $subject in
    stock-*) line=$(move_stock "${subject#stock-}" "$domid") ;;
    xmig) line=$(move_xmig "$domid") ;;
    esac
    domid=$(field domid <<<"$line")
    down=$(judged "$domid")
    xmig-emu destroy "$Z" "$domid"
    sample "$bench" "$subject" "$(field us <<<"$line")" \
        "$(field bytes <<<"$line")" "$(field cpu_us <<<"$line")" "$down"
}

# ---- results ---------------------------------------------------------------
summary() {                 # table | json
    sort -s -k1,1 -k2,2 -k3,3 -k5,5g "$samples" | awk -v how="$1" '
    function flush() {
        if ( !n ) return
        med = n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
        split(key, k, " ")
        if ( how == "json" )
            printf "%s  {\"bench\": \"%s\", \"subject\": \"%s\", " \
                "\"metric\": \"%s\", \"unit\": \"%s\", \"median\": %.6g, " \
                "\"min\": %.6g, \"max\": %.6g, \"runs\": %d}", sep, k[1],
                k[2], k[3], k[4], med, v[1], v[n], n
        else
            printf "%-14s %-15s %-11s %10.4g %10.4g %10.4g  %s\n", k[1],
                k[2], k[3], med, v[1], v[n], k[4]
        sep = ",\n"; n = 0
    }
    BEGIN {
        if ( how == "json" ) print "["
        else printf "%-14s %-15s %-11s %10s %10s %10s\n", "bench", "subject",
            "metric", "median", "min", "max"
    }
    { id = $1 " " $2 " " $3 " " $4
      if ( id != key ) { flush(); key = id }
      v[++n] = $5 }
    END { flush(); if ( how == "json" ) print "\n]" }'
}

subjects=${SUBJECTS:-xmig stock-free stock-mapped raw-tcp raw-tcp-mapped}
port=$((20000 + RANDOM % 10000))
while listening $port; do port=$((port + 1)); done

for bench; do
    guest_cfg "$bench" >"$work/$bench.cfg"
done
echo "starting two emulated hosts and filling $((4 * mib)) MiB of memory ..."
for host in "$A" "$Z"; do
    xmig-emu start --memory $((mib + 256)) "$host" || fail "no host"
done
mkfifo "$work/raw.in" "$work/raw.out"
"$build/tests/bench/raw" "$mib" <"$work/raw.in" >"$work/raw.out" \
    2>"$work/raw.err" &
raw_pid=$!
exec 3>"$work/raw.in" 4<"$work/raw.out"

for bench; do
    for ((run = 1; run <= runs; run++)); do
        echo "-- $bench, run $run of $runs"
        for subject in $subjects; do
            bench_one "$bench" "$subject"
        done
    done
done

summary json >"$out/results.json"
echo
summary table
echo
echo "written: ${out#"$PWD"/}/results.json"
