# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests/xen/*.t: TAP, hosts of the lab (docs/xen-lab.md) and what is said
# about guests there.
#
#   . "$(dirname "$0")/lib.sh"
#   hosts                         # A and B, or hosts --full; skips where it must
#   guest A w memory=128          # bails out when it does not come about
#   check 'it moves' on A xl migrate -s plainssh w B
#   happy 'moved' B w
#   gone A w
#   done_testing                  # stops the hosts
#
# Booting costs more than most tests do, so hosts are lent: make check-xen names
# a directory in XEN_POOL (tests/xen/pool) with a place for each test that may
# run at once.  The first test at a place boots A and B, and the next one with
# the same wishes takes them over; who fails, or leaves something, takes them
# down.  Hosts that were started by hand are lent by XEN_LAB; they are left
# running.
set -u
export LC_ALL=C
TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export B=${B:-$TOP/build}
. "$TOP/tests/tap.sh"
LAB=$TOP/tests/xen/lab

# Not below TMPDIR: a socket's path has to fit into 108 bytes.
WORK=$(mktemp -d /tmp/xl.XXXXXX)
export XMIG_LAB=${XEN_LAB:-$WORK}
lent=${XEN_LAB:+yes}
exec {held}</dev/null              # the place in the pool, later
children=()

# What may have been the matter, when a test has failed.
state_of() { # HOST
    local queue
    echo "==== $1: console, memory, domains, network"
    tail -n 8 "$XMIG_LAB/$1/console"
    timeout 60 "$LAB" run "$1" - 2>&1 <<'END'
free -m | sed -n 2p
xl list
for address in 10.9.0.1 10.9.0.2; do
    ping -q -c 1 -W 5 $address | tail -n 2 | head -n 1
done
grep -E 'eth0|xenbr0' /proc/net/dev
cat /proc/net/arp
grep virtio0 /proc/interrupts
END
    for queue in 0 1; do
        timeout 30 "$LAB" monitor "$1" "info virtio-queue-status \
/machine/peripheral/nic/virtio-backend $queue" 2>&1 | tr -d '\r' |
            grep -E 'queue_index|inuse|used|avail_idx' | xargs
    done
}
cleanup() {
    local rc=$? p
    trap - EXIT
    [ "$BASHPID" = $$ ] || exit $rc
    end_ours "${children[@]}"
    if [ -z "${XEN_LAB-}" ] && [ $rc -ne 0 ] && [ $rc -ne 77 ]; then
        for p in "$XMIG_LAB"/[A-Z]; do
            [ -e "$p/console" ] && diag "$(state_of "$(basename "$p")")"
        done
        lent=''
    fi
    [ -n "$lent" ] || "$LAB" stop --all || rc=1
    rm -rf "$WORK"
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- hosts -------------------------------------------------------------------
unmarked=()
start() { # ARGUMENT...: of lab start
    local rc
    # Hosts outlive the test, and do not keep its place.
    "${unmarked[@]}" "$LAB" start "$@" >"$WORK/start.log" 2>&1 {held}<&-
    rc=$?
    [ $rc -ne 77 ] || skip_all "$(tail -n 1 "$WORK/start.log")"
    [ $rc -eq 0 ] || bail 'the hosts do not start' "$(cat "$WORK/start.log")"
}
kind_of() { cat "$1/kind" 2>/dev/null; }
# take_place GLOB: one whose hosts are of such a kind and that no other test
# has; it is held by a lock on a descriptor of this shell.
take_place() {
    local place
    for place in "$XEN_POOL"/?; do
        # shellcheck disable=SC2254 # a pattern
        case $(kind_of "$place") in $1) ;; *) continue ;; esac
        exec {held}<&-
        exec {held}<"$place"
        flock -n "$held" && { XMIG_LAB=$place; return; }
    done
    return 1
}
hosts() { # [--full]: A and B, with a disk that both reach
    [ -z "${XEN_LAB-}" ] || return 0
    command -v qemu-system-x86_64 >/dev/null || skip_all "needs qemu-system-x86"
    if [ -n "${XEN_POOL-}" ]; then
        take_place "kind $*" || take_place '' || take_place '*' ||
            bail 'no place for hosts is free'
        lent=yes
        [ "$(kind_of "$XMIG_LAB")" = "kind $*" ] && fresh A && fresh B && return
        # Others use them when this test is over: tests/run.sh shall not end
        # them with it.
        unmarked=(env -u XMIG_TEST_MARK)
        "$LAB" stop --all
    fi
    truncate -s 64M "$XMIG_LAB/disk"
    start "$@" --disk "$XMIG_LAB/disk" A B
    echo "kind $*" >"$XMIG_LAB/kind"
}
# What the last test has left there, but for files, which are removed.
leavings() { # HOST
    timeout 120 "$LAB" run "$1" - <<'END' && litter "$1"
rm -rf /tmp/* /var/lib/xmig /host/*
: >/var/log/plainssh.log
ps | grep -E ' (xmig|xl|/xmig/[^ ]*) ' | grep -v grep
:
END
}
fresh() { # HOST
    local left
    "$LAB" list | grep -q "^$1 " && left=$(leavings "$1") || return
    [ -z "$left" ] || { diag "an earlier test left at $1:" "$left"; return 1; }
}
on() { # HOST COMMAND...: in its dom0
    local host=$1
    shift
    "$LAB" run "$host" -- "$@"
}
script() { "$LAB" run "$1" -; } # HOST <SCRIPT
# in_background HOST COMMAND...: its output is in $WORK/HOST.out; sets child.
in_background() {
    on "$@" >"$WORK/$1.out" 2>&1 &
    child=$!
    children+=("$child")
}

# ---- guests ------------------------------------------------------------------
# guest HOST NAME [KEY=VALUE...]: creates it and waits for its checker.  That is
# xl's work and the kernel's alone; under emulation a kernel has been seen to
# panic while it booted, so there is a second try, aloud.
guest() {
    local out
    for _ in 1 2; do
        out=$(on "$1" guest "${@:2}" 2>&1 && on "$1" checked "$2" 1 2>&1) &&
            return
        diag "$2 does not come about at $1:" "$out"
        on "$1" xl destroy "$2" >/dev/null 2>&1
    done
    bail "no guest $2 at $1"
}
happy() { # WHAT HOST DOMAIN: it runs and finds its memory right
    local out
    if out=$(on "$2" checked "$3" 2>&1); then
        ok "$1: the guest is well ($out)"
    else
        not_ok "$1: the guest is well"
        diag "$out"
    fi
}
domains() { # HOST: names of all guests there
    on "$1" xl list | awk 'NR > 1 && $2 != 0 { print $1 }' | sort | xargs
}
# What xenstore and the hypervisor still have of guests that are gone.
litter() { # HOST
    script "$1" <<'END'
xl list | awk 'NR > 1 && $2 != 0'
xenstore-ls -f >/tmp/nodes || exit
/bin/grep -E \
    -e '^/(local/domain|libxl|vm)/[^/ ]+ ' \
    -e '^/local/domain/0/backend/[^/ ]+/[0-9]+ ' /tmp/nodes |
    /bin/grep -Ev '^/(local/domain/0|libxl/0|vm/00000000-[^ ]*) '
rm /tmp/nodes
END
}
bare() { # WHAT HOST: nothing is there but dom0
    none_left() { left=$(litter "$1") && [ -z "$left" ]; }
    if eventually 60 none_left "$2"; then
        ok "$1: nothing is left at $2"
    else
        not_ok "$1: nothing is left at $2"
        diag "$left"
    fi
}
gone() { # HOST DOMAIN: the test has done with it
    on "$1" xl destroy "$2" >/dev/null 2>&1 || bail "cannot destroy $2 at $1"
}

# ---- xl with our helper -------------------------------------------------------
OURS=/xmig/libexec/xmig-save-helper
STOCK=/usr/lib/xen-4.17/bin/libxl-save-helper
# xl_with HELPER HOST ARGUMENT...
xl_with() { on "$2" env LIBXL_SAVE_HELPER="$1" xl "${@:3}"; }
# xl_move FROM TO DOMAIN [SENDER [RECEIVER]]: by xl migrate; its output goes to
# $WORK/sent.
xl_move() {
    local rc
    on "$1" env LIBXL_SAVE_HELPER="${4-$OURS}" XMIG_SAVE_HELPER_SET="${SET-}" \
        PLAINSSH_ENV="LIBXL_SAVE_HELPER=${5-$OURS}" \
        xl migrate -s plainssh "$3" "$2" >"$WORK/sent" 2>&1
    rc=$?
    [ $rc -eq 0 ] || diag "$(grep -v progress "$WORK/sent")" \
        "$(on "$2" tail -n 20 /var/log/plainssh.log)"
    return $rc
}

# ---- xmig ---------------------------------------------------------------------
# receive HOST [OPTION...]: until told to end; its output is in /tmp/receive
# over there.
receive() {
    script "$1" <<END || bail "no receiver at $1"
setsid xmig receive --trusted-peers ${@:2} >/tmp/receive 2>&1 </dev/null &
echo \$! >/tmp/receive.pid
end=\$((\$(date +%s) + 60))
until netstat -ltn | grep -q ':8002 '; do
    [ \$(date +%s) -lt \$end ] && kill -0 \$! || { cat /tmp/receive; exit 1; }
    sleep 0.1
done
END
}
received() { on "$1" cat /tmp/receive; }
kill_receiver() { # HOST [SIGNAL]: waits for its end
    script "$1" <<END
kill -${2-TERM} \$(cat /tmp/receive.pid)
while kill -0 \$(cat /tmp/receive.pid) 2>/dev/null; do sleep 0.1; done
END
}
# xmig_move FROM TO DOMAIN [OPTION...]: where TO receives; output in $WORK/sent.
xmig_move() {
    local rc
    on "$1" xmig migrate "${@:4}" "$3" "$2:8002" >"$WORK/sent" 2>&1
    rc=$?
    [ $rc -eq 0 ] || diag "$(cat "$WORK/sent")" "$(received "$2")"
    return $rc
}
