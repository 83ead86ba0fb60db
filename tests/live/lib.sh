# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests/live/*.t: TAP, emulated hosts in a scratch directory, and an exit
# trap that stops exactly those hosts.
#
#   . "$(dirname "$0")/lib.sh"
#   need_root                     # or need_xl: skips the file where it must
#   host_start a --memory 256     # $WORK/a
#   dom=$(create a "$(cfg worker 'program=dirty size=32M' 64)")
#   await a "$dom" data/state=running
#   check 'xl list shows it' run_xl a xl list worker
#   done_testing
set -u
export LC_ALL=C
TOP=${TOP:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
B=${B:-$TOP/build}
. "$TOP/tests/tap.sh"
EMU=$B/emu/xmig-emu
XENBIN=/usr/lib/xen-4.17/bin
XL=$XENBIN/xl

# Not below TMPDIR: a socket's path has to fit into 108 bytes.
WORK=$(mktemp -d /tmp/xh.XXXXXX)
hosts=() children=()

cleanup() {
    local h rc=$?
    trap - EXIT
    # Not a child that is killed before it has become another program.
    [ "$BASHPID" = $$ ] || exit $rc
    end_ours "${children[@]}"
    for h in "${hosts[@]}"; do
        "$EMU" stop "$WORK/$h" >&2 || rc=1
    done
    # What a sanitizer found in a daemon fails the test, too.
    if grep -hE 'ERROR: [A-Za-z]*Sanitizer|WARNING: ThreadSan|runtime error:' \
        -A 25 "$WORK"/*/*.log >"$WORK/found" 2>/dev/null; then
        diag "$(cat "$WORK/found")"
        [ $rc -ne 0 ] || rc=1
    fi
    if [ -n "${KEEP-}" ]; then
        echo "# kept: $WORK"
    else
        rm -rf "$WORK"
    fi
    exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# ---- what a test needs -----------------------------------------------------
need_root() { [ "$(id -u)" = 0 ] || skip_all "needs root: $*"; }
# Stock xl: its hard-coded directories need a mount namespace.
need_xl() {
    need_root "a mount namespace for xl"
    [ -x $XL ] || skip_all "needs xen-utils-4.17"
    unshare -m true 2>/dev/null || skip_all "needs mount namespaces"
}

# ---- hosts -----------------------------------------------------------------
host_start() { # NAME [OPTION...]
    local name=$1
    shift
    hosts+=("$name")
    "$EMU" start "$@" "$WORK/$name" ||
        bail "host $name does not start" "$(tail -n 20 "$WORK/$name"/*.log)"
}
host_stop() { # NAME
    local i
    "$EMU" stop "$WORK/$1" || return
    for i in "${!hosts[@]}"; do
        [ "${hosts[i]}" = "$1" ] && unset "hosts[i]"
    done
    return 0
}
host_log() { diag "$(tail -n "${2:-20}" "$WORK/$1/host.log")"; }
run() { local h=$1; shift; "$EMU" run "$WORK/$h" -- "$@"; }
run_xl() { local h=$1; shift; "$EMU" run --mount "$WORK/$h" -- "$@"; }

# cfg NAME EXTRA [MIB [VCPUS [MORE]]]: writes a config file, prints its path.
cfg() {
    cat >"$WORK/$1.cfg" <<END
name = "$1"
type = "pvh"
memory = ${3:-64}
vcpus = ${4:-1}
kernel = "builtin"
extra = "$2"
${5-}
END
    echo "$WORK/$1.cfg"
}
# The same for xl create, whose kernel has to be a file.
xl_cfg() {
    local f
    f=$(cfg "$@")
    sed -i "s|\"builtin\"|\"$B/emu/pvh-kernel\"|" "$f"
    echo "$f"
}
# No domain is left, and nobody holds a frame of one.
all_free() { # HOST
    "$EMU" status "$WORK/$1" | awk '
        { v[$1] = $2 }
        END { exit v["domains"] || v["free-pages"] != v["machine-pages"] }'
}
create() { local h=$1; shift; "$EMU" create "$WORK/$h" "$@"; }
# await HOST DOM NODE[=PATTERN] [SECONDS]: prints the node's value.
await() { "$EMU" wait --node "$3" --timeout "${4:-30}" "$WORK/$1" "$2"; }
console() { "$EMU" console "$WORK/$1" "$2"; }
domid_of() { # HOST NAME
    "$EMU" list "$WORK/$1" | awk -v n="$2" '$1 == n { print $2 }'
}
domains() { # HOST: names of all guests there; one that is going has none
    "$EMU" list "$WORK/$1" | awk 'NR > 1 && $2 != 0 && !/^\(no name\)/ { print $1 }' | xargs
}
# A guest's own judgement of its memory, once it has come to one.
right() { await "$1" "$2" 'data/verdict=ok*' 60; } # HOST DOMID
journals() { # HOST: the open ones
    grep -L -E 'state=(DONE|RESUMED|ABANDONED) ' "$WORK/$1/xmig/"*-* 2>/dev/null |
        xargs -r -n1 basename | xargs
}
store() { # HOST PATH: value, or nothing
    run "$1" xenstore-read "$2" 2>/dev/null
}
