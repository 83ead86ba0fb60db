# SPDX-License-Identifier: LGPL-2.1-only
# shellcheck shell=bash
#
# For tests of xmig with domains of libxl, behind lib.sh and migrate.sh: what
# libxl keeps of a domain, and that nothing of it is left.
need_xl
export PATH="$XENBIN:$PATH"

receive_opts=(-e)

# xmig needs libxl's directories, as xl does.
run() { run_xl "$@"; }

# xl_boot HOST NAME EXTRA [MIB [VCPUS [MORE]]]: sets dom.
xl_boot() {
    local host=$1 conf
    shift
    conf=$(xl_cfg "$@")
    run_xl "$host" xl create -e "$conf" >"$WORK/create.out" 2>&1 ||
        bail "xl create failed" "$(cat "$WORK/create.out")"
    dom=$(domid_of "$host" "$1")
    await "$host" "$dom" data/state=running 60 >/dev/null ||
        bail 'no guest' "$(console "$host" "$dom")"
}
writes() { "$EMU" wait --node data/writes --change "$WORK/$1" "$2"; }

# Nothing of a domain is left at a host: no domain, no frame, no node, no file
# of libxl's, no journal, no helper.
nodes() {
    local p
    for p in /libxl /vm /local/domain /local/domain/0/backend/vif \
        /local/domain/0/backend/console; do
        run_xl "$1" xenstore-list $p 2>/dev/null | sed "s|^|$p/|"
    done | grep -v -e '^/local/domain/0$' -e '^/libxl/0$' \
        -e '^/vm/00000000-0000-0000-0000-000000000000$'
}
files() { # of libxl's, and journals
    run_xl "$1" sh -c 'ls -d /var/lib/xen/userdata-*' 2>/dev/null
    # (one that was abandoned waits to be asked)
    grep -Ls state=ABANDONED "$WORK/$1/xmig"/*.{source,destination}
}
clean() {
    local left
    eventually 10 all_free "$1" || { diag 'memory is held'; return 1; }
    left=$(nodes "$1"; files "$1")
    [ -z "$left" ] || { diag "$left"; return 1; }
}
