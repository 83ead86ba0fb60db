#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# libxl's own life cycle of a domain, all by stock xl: create, save, restore,
# and a complete migration between two emulated hosts; Debian's libxenguest
# moves the memory and the guest judges it.
# Timeout: 300
. "$(dirname "$0")/lib.sh"
need_xl
export PATH="$XENBIN:$PATH"

verify() { # FILE
    PYTHONPATH=/usr/lib/xen-4.17/lib/python \
        $XENBIN/verify-stream-v2 -v -f xl -i "$1"
}

# Both ways to log dirty pages: a -> b by one, b -> a by the other.
host_start a --memory 256 --dirty-log async
host_start b --memory 256 --dirty-log sync

# ---- create ----------------------------------------------------------------
conf=$(xl_cfg mover 'program=dirty size=16M rate=20M' 64 2)
check 'xl create builds a PVH domain' run_xl a xl create -e "$conf" ||
    bail 'xl create failed' "$(tail -n 30 "$WORK/a/host.log")"
dom=$(domid_of a mover)
check 'its guest comes up' await a "$dom" data/state=running ||
    bail 'no guest' "$(console a "$dom")"
matches 'libxl knows the domain' "$(store a "/libxl/$dom/type")" '^pvh$'

# ---- save and restore ------------------------------------------------------
check 'xl save works' run_xl a xl save mover "$WORK/mover.save"
same 'the saved domain is gone' "$(domid_of a mover)" ''
check 'verify-stream-v2 accepts the file' verify "$WORK/mover.save"
check 'xl restore works' run_xl a xl restore -e "$WORK/mover.save" ||
    host_log a
dom=$(domid_of a mover)
matches 'the restored guest finds its memory right' \
    "$(await a "$dom" 'data/verdict=ok*' 60)" 'resumes=1 '

# ---- migrate ---------------------------------------------------------------
cat >"$WORK/ssh" <<END
#!/bin/sh
host=\$1; shift
exec $EMU run --mount $WORK/\$host -- "\$@"
END
chmod +x "$WORK/ssh"
check 'xl migrate moves the dirtying guest' \
    run_xl a xl migrate -s "$WORK/ssh" mover b || { host_log a; host_log b; }
same 'it is gone at the source' "$(domid_of a mover)" ''
dom=$(domid_of b mover)
matches 'it finds its memory right at the destination' \
    "$(await b "$dom" 'data/verdict=ok*' 60)" 'resumes=2 '
matches 'xl list there shows it running' \
    "$(run_xl b xl list mover 2>&1)" "^mover +$dom +6[0-9] +2 +[r-][b-]---- "
check 'xl migrate moves it back, with the other kind of dirty log' \
    run_xl b xl migrate -s "$WORK/ssh" mover a || { host_log a; host_log b; }
dom=$(domid_of a mover)
matches 'it finds its memory right there, too' \
    "$(await a "$dom" 'data/verdict=ok*' 60)" 'resumes=3 '

# ---- a migration that the destination can not take --------------------------
check 'xl shutdown works' run_xl a xl shutdown -w mover
conf=$(xl_cfg big 'program=dirty size=16M rate=10M' 150)
check 'a larger domain starts' run_xl b xl create -e "$conf"
dom=$(domid_of b big)
await b "$dom" data/state=running >/dev/null || bail 'no guest' "$(console b "$dom")"
create a "$(cfg hog 'program=idle' 120)" >/dev/null || bail 'create failed'
refuse 'xl migrate fails where there is no memory' 'igration failed' \
    run_xl b xl migrate -s "$WORK/ssh" big a
same 'the guest still lives at the source' "$(domid_of b big)" "$dom"
same 'and nothing is left at the destination' \
    "$(run_xl a xl list 2>&1 | grep -c '^big')" 0
check 'and goes on writing' \
    "$EMU" wait --node data/writes --change "$WORK/b" "$dom"
check 'xl destroy works' run_xl b xl destroy big

host_stop a
host_stop b
done_testing
