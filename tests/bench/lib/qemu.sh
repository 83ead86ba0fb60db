# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# The subjects on QEMU: qemu, qemu-multifd, qemu-preempt.

# Why QEMU can't take part; nothing when it can.
qemu_obstacle() {
    local tool
    for tool in qemu-system-x86_64 python3 as ld; do
        command -v $tool >/dev/null || { echo "no $tool here"; return; }
    done
    [ "$mib" -le 2560 ] || echo "its guest knows no memory above the hole"
}

# The boot sector of a bench, as bench_set said, on a floppy.
qemu_image() {              # qemu_image FILE
    local begin=$((1 << 20)) pages=$((rate_mib / 4))
    as --32 --defsym "FILL_END=$((begin + ((fill_mib + work_mib) << 20)))" \
        --defsym "ZERO_HALF=$((zero_percent == 50))" \
        --defsym "WORK_END=$((begin + (work_mib << 20)))" \
        --defsym "TICK_PAGES=$pages" --defsym "PROBE=$probe" \
        -o "$1.o" "$top/tests/bench/qemu/guest.S" &&
        ld -m elf_i386 -Ttext 0x7c00 --oformat binary -o "$1" "$1.o" &&
        truncate -s 1440K "$1" || fail "no boot sector for QEMU"
}

qemu_one() {                # qemu_one BENCH SUBJECT
    local bench=$1 how=() line
    case $1 in postcopy-*) how=(--postcopy) ;; esac
    case $2 in
    qemu-multifd) how+=(--multifd 2) ;;
    qemu-preempt) how+=(--preempt) ;;
    esac
    rm -rf "$work/qemu"
    mkdir "$work/qemu"
    python3 "$top/tests/bench/qemu/move.py" --image "$work/$bench.img" \
        --memory "$mib" --dir "$work/qemu" "${how[@]}" >"$work/qemu.out" \
        2>"$work/qemu.err" &
    receiver=$!
    wait $receiver || fail "QEMU could not move its guest"
    receiver=''
    line=$(cat "$work/qemu.out")
    sample "$bench" "$2" "$line"
}
