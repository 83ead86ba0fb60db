#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig migrate of domains of libxl between real hosts: with a network interface
# and a disk on storage that both share; and what fails leaves nothing behind.
# Timeout: 1800
. "$(dirname "$0")/lib.sh"
hosts

# An emulated processor copies slowly: the last round may take its time.  And
# the machine may do other things as well.
slow=(--tcp --max-iters 2 --downtime-limit 5s --io-timeout 300s
    --ssh-timeout 600s)
receive() { # HOST [OPTION...]
    local host=$1
    in_background "$host" xmig receive --once -e "${@:2}"
    listening() { on "$host" sh -c 'netstat -ltn | grep -q :8002'; }
    eventually 60 listening || bail 'no receiver' "$(cat "$WORK/$host.out")"
}
move() { # WHAT FROM TO DOMAIN
    local out rc
    receive "$3" --trusted-peers
    out=$(on "$2" xmig -vvv migrate "${slow[@]}" "$4" "$3" 2>&1)
    rc=$?
    wait "$child"
    out=$(grep -Ev '^(libxl|xencall)|: progress:' <<<"$out")
    if [ $rc = 0 ]; then
        ok "$1: moved"
        diag "$out"
        # Else it is looked for in the downtime, too.  Its devices write to the
        # grant table, which is in the dirty log and is not its memory.
        same "$1: what memory it has was found out once" \
            "$(grep -c ': walked ' <<<"$out")" 1
    else
        not_ok "$1: moved"
        diag "$out" "$(cat "$WORK/$3.out")"
    fi
}
by_ssh() { # WHAT FROM TO DOMAIN
    check "$1: moved" on "$2" xmig migrate "${slow[@]:1}" "$4" "$3"
}
stays() { # WHAT
    same "$1: it runs on at the source" "$(domains A)" w
    happy "$1" A w
    bare "$1" B
}
arriving() { [ "$(domains B)" = w--incoming ]; }

# ---- network and disk ----------------------------------------------------------
guest A w memory=128 ip=10.9.0.101 disk=/dev/vda
happy 'before' A w
move 'A to B' A B w
happy 'at B' B w
bare 'at B' A
check 'libxl knows its disk' on B sh -c 'xl block-list w | grep -q '^51712 ''
check 'it answers on the network' on A ping -c 3 -w 20 10.9.0.101
by_ssh 'B to A by ssh' B A w
happy 'at A again' A w
bare 'at A again' B

# ---- failures ---------------------------------------------------------------------
receive B
refuse 'disks are not for just anybody' 'trusted-peers' \
    on A xmig migrate "${slow[@]}" w B
wait "$child"
stays 'refused'

receive B --trusted-peers
on A xmig migrate --tcp --bandwidth 2 w B >"$WORK/A.out" 2>&1 &
sender=$!
children+=("$sender")
eventually 60 arriving || bail 'nothing arrives' "$(cat "$WORK/A.out")"
attached() {
    on B sh -c 'xenstore-exists /local/domain/0/backend/vbd &&
        xenstore-exists /local/domain/0/backend/vif'
}
check 'its devices are there before it is' eventually 60 attached
on A sh -c 'kill -INT $(pidof xmig)'
wait "$sender"
same 'cancelled: the guest is said to be here' $? 2 || diag "$(cat "$WORK/A.out")"
wait "$child"
stays 'cancelled'
gone A w

# ---- a disk that comes late --------------------------------------------------------
# What a script makes of its target must not be read while the guest writes it
# elsewhere.  This one notes how the guest is at A just then, and may fail.
for h in A B; do
    script $h <<'END' || bail 'the script can not be put'
cat >/etc/xen/scripts/block-late <<'X'
#!/bin/bash
if [ "$1" = add ] && [ "$(hostname)" = B ]; then
    ssh A xl list w </dev/null >>/tmp/late 2>&1
    if [ -e /tmp/fails ]; then
        xenstore-write "$XENBUS_PATH/hotplug-error" 'not today' \
            "$XENBUS_PATH/hotplug-status" error
        exit 1
    fi
fi
exec /etc/xen/scripts/block "$@"
X
chmod +x /etc/xen/scripts/block-late
END
done
guest A w memory=160 disk=/dev/vda disk_script=block-late
on B touch /tmp/fails
receive B --trusted-peers
refuse 'a late disk that does not come fails the migration' 'runs on at the source' \
    on A xmig migrate "${slow[@]}" w B
wait "$child"
stays 'no late disk'
matches 'the guest had been suspended by then' "$(on B tail -n 1 /tmp/late)" \
    '^w .* ---ss- '
on B rm -f /tmp/fails /tmp/late
move 'late disk' A B w
happy 'late disk' B w
matches 'it came when the guest was suspended' "$(on B tail -n 1 /tmp/late)" \
    '^w .* ---ss- '
bare 'late disk' A
gone B w
bare 'late disk' B

# ---- refused beforehand -----------------------------------------------------------
# Nothing has started then: no receiver is needed.  Paused, so that the guest
# does not balloon down first.
refused() { # WHAT PATTERN LINE
    on A guest v create=no more="$3"
    check "$1: is created" on A xl create -qp /root/v.cfg || return
    refuse "$1: is refused by name" "$2" on A xmig migrate --tcp v B
    gone A v
}
# (libxl 4.17 fails to build a PVH domain with virtual NUMA.)
refused 'nested HVM' 'it has nested HVM' 'nestedhvm = 1'
refused 'populate-on-demand' 'of its pages are populate-on-demand' \
    'maxmem = 160'
bare 'in the end' A
done_testing
