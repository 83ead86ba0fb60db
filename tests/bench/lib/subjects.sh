# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# The subjects on emulated hosts.  Each move_* prints one line of key=value:
# us bytes cpu_us domid, and what else it knows.

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
    "${map[@]}" xmig-emu run "$A" -- "$gauge" "$work/gauge.stock" \
        "$build/tests/bench/stock" "$A" "$Z" "$2" 2>"$work/stock.err" ||
        fail "stock could not move the guest"
    echo "rss_kib=$(field rss_anon_kib <"$work/gauge.stock")"
}

# Something listens on a port, where the receivers are.
listening() {
    "${there[@]}" cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
        grep -q "$(printf ':%04X ' "$1")[0-9A-F:]* 0A "
}
until_listening() {         # until_listening PORT WHO
    local i
    for ((i = 0; ; i++)); do
        ! listening "$1" || break
        [ $i -lt 600 ] || fail "$2 does not listen"
        sleep 0.05
    done
}

# A figure of xmig's JSON that stands in "downtime-parts-us".
part() {
    tr -d '\n' <"$work/migrate.json" |
        sed -n 's/.*"downtime-parts-us": *{\([^}]*\)}.*/\1/p' |
        sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"
}

# A figure of xmig's JSON that stands in "postcopy".
post() {
    tr -d '\n' <"$work/migrate.json" |
        sed -n 's/.*"postcopy": *{\([^}]*\)}.*/\1/p' |
        sed -n "s/.*\"$1\": *\([0-9]*\).*/\1/p"
}

# How long the round before the last took; where nothing was dirty, that is
# what a round costs.
idle_round_us() {
    sed -n '/"round"/s/.*"round-us": *\([0-9]*\).*/\1/p' "$work/log.json" |
        tail -n 1
}

# CPU of whole processes, from exec to exit.  The clock counts setting up, too:
# besides connecting and building the destination's domain, which stock has
# done beforehand, it is switching the dirty log on, which stock has not.
move_xmig() {               # move_xmig DOMID [OPTION...]
    local i p
    "${there[@]}" xmig-emu run "$Z" -- "$gauge" "$work/gauge.receive" \
        xmig receive --once --json --listen "$address:$port" \
        >"$work/receive.json" 2>"$work/receive.err" &
    receiver=$!
    until_listening "$port" "xmig receive"
    rm -f "$work/log.json"
    "${here[@]}" xmig-emu run "$A" -- "$gauge" "$work/gauge.migrate" \
        xmig migrate --json --log-json "$work/log.json" "${@:2}" "$1" \
        "$address:$port" >"$work/migrate.json" 2>"$work/migrate.err" ||
        fail "xmig could not move the guest"
    wait $receiver || fail "xmig receive failed"
    receiver=''
    i=$(cat "$work/gauge.migrate" "$work/gauge.receive")
    echo "us=$(json total-time-us <"$work/migrate.json")" \
        "bytes=$(json transferred <"$work/migrate.json")" \
        "cpu_us=$(field cpu_us <<<"$i" | sum)" \
        "rss_kib=$(field rss_anon_kib <<<"$i" | sum)" \
        "domid=$(json domid <"$work/receive.json")" \
        "setup_us=$(($(json setup-time <"$work/migrate.json") * 1000))" \
        "round_us=$(idle_round_us)"
    echo "told_us=$(json downtime-us <"$work/migrate.json")" \
        "foretold_us=$(json expected-downtime-us <"$work/migrate.json")"
    for p in suspend last-dirty state commit unpause; do
        echo "part_${p}_us=$(part "$p")"
    done
    for p in requests pages duplicates; do
        echo "$p=$(post "$p")"
    done
}

# How long writes that took long took, as the guest says itself.
waits() {
    local text
    xmig-emu wait --timeout 30 --change --node data/program "$Z" "$1" \
        >"$work/program" 2>"$work/wait.err" || fail "the guest says nothing"
    text=$(cat "$work/program")
    echo "fault_p50_us=$(field p50_us <<<"$text")" \
        "fault_p99_us=$(field p99_us <<<"$text")"
}

# Why xmig can't do post-copy; nothing when it can.
postcopy_obstacle() {
    xmig options | grep -q postcopy || echo "xmig has no post-copy"
}

emu_one() {                 # emu_one BENCH SUBJECT: a move that is judged
    local bench=$1 subject=$2 domid lines cfg=$work/$1.cfg how=()
    [ "$subject" != empty-switch ] || cfg=$work/empty.cfg
    case $bench/$subject in
    wan-*/xmig-4) how=(--parallel 4) ;;
    postcopy-*/xmig) how=(--postcopy) ;;
    postcopy-*/xmig-hybrid) how=(--postcopy-after-precopy) ;;
    postcopy-*/xmig-straight) how=(--postcopy --prepaging off) ;;
    postcopy-*/xmig-alone) how=(--postcopy --prepaging off --fault-neighbours 0) ;;
    esac
    domid=$(xmig-emu create "$A" "$cfg") || fail "no guest"
    xmig-emu wait --timeout 240 --node data/state=running "$A" "$domid" \
        >/dev/null || fail "the guest does not come up"
    case $subject in
    stock-*) lines=$(move_stock "${subject#stock-}" "$domid") ;;
    *) lines=$(move_xmig "$domid" "${how[@]}") ;;
    esac
    domid=$(field domid <<<"$lines")
    [ "$probe" = 0 ] || lines+=" $(waits "$domid")"
    lines+=" down_us=$(judged "$domid")"
    xmig-emu destroy "$Z" "$domid"
    sample "$bench" "$subject" "$lines"
}

pingpong_one() {            # pingpong_one BENCH SUBJECT
    local prog=$build/tests/bench/pingpong line ask
    rm -f "$work/pong"
    mkfifo "$work/pong"
    "${there[@]}" "$prog" serve "$address" 0 >"$work/pong" \
        2>"$work/pong.err" &
    receiver=$!
    read -r -t 20 line <"$work/pong" || fail "pingpong does not listen"
    ask=$("${here[@]}" "$prog" ask "$address" "${line#port=}" 3000 push \
        2>"$work/ping.err") || fail "pingpong failed"
    wait $receiver || fail "pingpong failed"
    receiver=''
    sample "$1" "$2" "us=$(field us <<<"$ask") bytes=$(field push_bytes \
        <<<"$ask") fault_p50_us=$(field p50_us <<<"$ask") \
fault_p99_us=$(field p99_us <<<"$ask")"
}

host_fault_one() {          # host_fault_one BENCH SUBJECT
    local line
    B=$build "$top/tests/bench/host_fault.sh" >"$work/host_fault" \
        2>"$work/host_fault.err" || fail "host_fault.sh failed"
    line=$(grep '^host-fault push:' "$work/host_fault")
    sample "$1" "$2" "fault_p50_us=$(field p50_us <<<"$line") \
fault_p99_us=$(field p99_us <<<"$line")"
}

# What the line carries: 16 streams, or one; from the first byte to the last.
link_one() {                # link_one BENCH SUBJECT
    local prog=$build/tests/bench/streams n=16
    [ "$2" = link ] || n=1
    "${there[@]}" "$prog" receive "$address" "$port" >"$work/streams" \
        2>"$work/streams.err" &
    receiver=$!
    until_listening "$port" streams
    "${here[@]}" "$prog" send "$address" "$port" $n 20000 \
        2>>"$work/streams.err" || fail "streams failed"
    wait $receiver || fail "streams failed"
    receiver=''
    sample "$1" "$2" "$(tail -n 1 "$work/streams")"
}

raw_one() {                 # raw_one BENCH SUBJECT
    local line
    case $2 in
    raw-tcp) echo discard >&3 ;;
    raw-tcp-mapped) echo mapped >&3 ;;
    esac
    read -r -t 120 line <&4 || fail "raw failed"
    sample "$1" "$2" "$line"
}
