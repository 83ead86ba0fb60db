# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests/xen/*.t: TAP, hosts of the lab (docs/xen-lab.md) and what is said
# about guests there.
#
#   . "$(dirname "$0")/lib.sh"
#   hosts A B                     # or hosts --full A B; skips where it must
#   guest A w memory=128          # bails out when it does not come about
#   check 'it moves' on A xl migrate -s plainssh w B
#   happy 'moved' B w
#   gone A w
#   done_testing                  # stops the hosts
#
# To save the boots while working on a test: start hosts by hand and name
# their directory in XEN_LAB; they are used, and left running.
set -u
export LC_ALL=C
TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
export B=${B:-$TOP/build}
. "$TOP/tests/tap.sh"
LAB=$TOP/tests/xen/lab

# Not below TMPDIR: a socket's path has to fit into 108 bytes.
WORK=$(mktemp -d /tmp/xl.XXXXXX)
export XMIG_LAB=${XEN_LAB:-$WORK}
children=()

cleanup() {
    local rc=$? p
    trap - EXIT
    [ "$BASHPID" = $$ ] || exit $rc
    for p in "${children[@]}"; do
        kill "$p" 2>/dev/null && wait "$p" 2>/dev/null
    done
    if [ -z "${XEN_LAB-}" ]; then
        if [ $rc -ne 0 ] && [ $rc -ne 77 ]; then
            for p in "$WORK"/?/console; do
                [ -e "$p" ] && diag "$p:" "$(tail -n 15 "$p")"
            done
        fi
        "$LAB" stop --all || rc=1
    fi
    rm -rf "$WORK"
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- hosts -------------------------------------------------------------------
hosts() { # [OPTION...] NAME...
    local rc
    [ -z "${XEN_LAB-}" ] || return 0
    command -v qemu-system-x86_64 >/dev/null || skip_all "needs qemu-system-x86"
    "$LAB" start "$@" >"$WORK/start.log" 2>&1
    rc=$?
    [ $rc -ne 77 ] || skip_all "$(tail -n 1 "$WORK/start.log")"
    [ $rc -eq 0 ] || bail 'the hosts do not start' "$(cat "$WORK/start.log")"
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
# guest HOST NAME [KEY=VALUE...]: creates it and waits for its checker.
guest() {
    local out
    out=$(on "$1" guest "${@:2}" 2>&1 && on "$1" checked "$2" 1 2>&1) ||
        bail "no guest $2 at $1" "$out"
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
for dir in /local/domain /libxl /vm /local/domain/0/backend/vif \
    /local/domain/0/backend/vbd /local/domain/0/backend/console; do
    for x in $(xenstore-list $dir 2>/dev/null); do
        case $dir/$x in
        /local/domain/0|/libxl/0|/vm/00000000-*) ;;
        *) echo "$dir/$x: $(xenstore-ls $dir/$x 2>/dev/null | head -n 3 | xargs)" ;;
        esac
    done
done
END
}
bare() { # WHAT HOST: nothing is there but dom0
    none_left() { left=$(litter "$1") && [ -z "$left" ]; }
    if eventually 20 none_left "$2"; then
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
# $WORK/sent, that of the other end to $WORK/received.
xl_move() {
    local rc
    on "$2" sh -c ': >/var/log/plainssh.log'
    on "$1" env LIBXL_SAVE_HELPER="${4-$OURS}" XMIG_SAVE_HELPER_SET="${SET-}" \
        PLAINSSH_ENV="LIBXL_SAVE_HELPER=${5-$OURS}" \
        xl migrate -s plainssh "$3" "$2" >"$WORK/sent" 2>&1
    rc=$?
    on "$2" cat /var/log/plainssh.log >"$WORK/received"
    [ $rc -eq 0 ] || diag "$(grep -v progress "$WORK/sent" "$WORK/received")"
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
