# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash disable=SC2034
#
# What each bench is: the guest's memory and work, on which hosts, and which
# subjects can take part.  One place for the emulated hosts and for QEMU.

precopy_all="xmig stock-free stock-mapped raw-tcp raw-tcp-mapped
    qemu qemu-multifd"
postcopy_all="xmig xmig-hybrid empty-switch qemu qemu-preempt"
wan_all="xmig xmig-4 link one-stream"

# bench_set BENCH: mib fill_mib zero_percent work_mib rate_mib order
# probe known delay_ms (rate_mib in MiB/s, 0: nothing is rewritten; probe: QEMU's guest
# notes how long its accesses take; known: its subjects; delay_ms: one way, of a
# link at link_mbit between the hosts, or nothing for the loopback).
bench_set() {
    mib=$guest_mib zero_percent=0 work_mib=0 rate_mib=0
    known=$precopy_all order=sequential probe=0 delay_ms='' link_mbit=1000
    untouched=''
    case $1 in
    precopy-idle) ;;
    precopy-halfzero) zero_percent=50 ;;
    # 614 MB of 1 GiB, rewritten at 400 MiB/s; the same shares of another size.
    precopy-dirty)
        mib=$((guest_mib / 2)) rate_mib=400
        work_mib=$((mib * 614 / 1024)) ;;
    precopy-scale-*)
        mib=$((${1##*-} * 1024)) known="xmig stock-mapped" ;;
    # Of memory that nobody has written.
    precopy-untouched-*)
        mib=$((${1##*-} * 1024)) known=xmig untouched=--untouched ;;
    wan-dirty-*)
        mib=$((guest_mib / 2)) rate_mib=40 work_mib=$((mib / 8))
        delay_ms=${1##*-} known=xmig ;;
    # Faster than the line carries it, seven of eight times to a sixteenth.
    wan-hot-*)
        mib=$((guest_mib / 4)) rate_mib=320 work_mib=$((mib * 5 / 8))
        order=hot delay_ms=${1##*-} link_mbit=300 known=xmig ;;
    wan-*) delay_ms=${1#wan-} known=$wan_all ;;
    postcopy-idle) known=$postcopy_all ;;
    # Greedy: faster than any link, so that a hybrid ends as post-copy.
    postcopy-dirty | postcopy-greedy)
        mib=$((guest_mib / 2)) rate_mib=400 known=$postcopy_all
        [ "$1" = postcopy-dirty ] || rate_mib=4096
        work_mib=$((mib * 614 / 1024)) ;;
    # Downtime is to depend little on memory.
    postcopy-small) mib=256 known="xmig empty-switch" ;;
    postcopy-large) mib=8192 known="xmig empty-switch" ;;
    # All of it is visited at random, slowly: what a fault costs.
    postcopy-fault-*)
        mib=$((guest_mib / 2)) rate_mib=16 order=random probe=1
        work_mib=$((mib * 90 / 100))
        known="xmig raw-pingpong host-fault"
        if [ "$1" = postcopy-fault-loop ]; then
            known+=" qemu qemu-preempt"
        else
            delay_ms=${1##*-}
        fi ;;
    # Half of it is visited: how much of that has to be waited for.
    postcopy-order-*)
        mib=$((guest_mib / 2)) rate_mib=64 order=${1##*-} probe=1
        work_mib=$((mib / 2)) delay_ms=0
        known="xmig xmig-straight xmig-alone" ;;
    *) fail "no such bench: $1" ;;
    esac
    fill_mib=$((mib * 94 / 100 - work_mib))
    [ -z "$untouched" ] || fill_mib=0
}

# Why a bench can't run here; nothing when it can.  With SWAP=1 swap counts as
# memory: what an engine keeps is then still right, the times are not.
bench_obstacle() {
    local need=$((2 * mib + 1024)) free
    free=$(available_mib)
    if [ "$need" -ge "$free" ]; then
        echo "needs $need MiB of memory, $free are free"
    elif [ -n "$delay_ms" ] && [ ! -c /dev/net/tun ]; then
        echo "needs /dev/net/tun"
    fi
}

available_mib() {
    awk -v swap="${SWAP:-0}" '/^MemAvailable/ || (swap && /^SwapFree/) { n += $2 }
        END { print int(n / 1024) }' /proc/meminfo
}

empty_cfg() {               # a guest without anything to move
    cat <<END
name    = "empty"
type    = "pvh"
memory  = 64
vcpus   = 1
kernel  = "builtin"
extra   = "program=idle"
END
}

guest_cfg() {               # the emulated host's guest, as bench_set said
    local extra="program=idle fill=${fill_mib}M"
    [ "$rate_mib" = 0 ] || extra="program=dirty size=${work_mib}M \
rate=${rate_mib}M order=$order fill=${fill_mib}M"
    [ "$probe" = 0 ] || extra+=" slow=25us publish=200ms"
    # The walk that judges touches every page: not while they are fetched.
    case $known in
    *xmig-hybrid* | *raw-pingpong* | *xmig-straight*)
        extra+=" verify-delay=15s" ;;
    esac
    [ "$zero_percent" = 0 ] || extra+=" zero=$zero_percent"
    cat <<END
name    = "bench"
type    = "pvh"
memory  = $mib
vcpus   = 1
kernel  = "builtin"
extra   = "$extra"
END
}
