#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# xmig by itself on real Xen, with domains that libxl does not know: save and
# restore, xl's files in both directions, migration between hosts with the
# guest dirtying memory, and what becomes of it when something fails.
# Timeout: 1800
. "$(dirname "$0")/lib.sh"

hosts
xmig() { on "$1" xmig "${@:2}"; } # HOST ARGUMENT...
# A receiver at a host, until stop_receiver; its output is there in /tmp.
receiver() { # HOST
    script "$1" <<'END'
setsid xmig receive >/tmp/receive.out 2>&1 </dev/null &
echo $! >/tmp/receive.pid
i=0
until netstat -ltn | grep -q ':8002 '; do
    i=$((i + 1)); [ $i -lt 300 ] || exit 1; sleep 0.1
done
END
}
stop_receiver() { # HOST [SIGNAL]
    # shellcheck disable=SC2016 # for dom0's shell
    on "$1" sh -c 'kill -'"${2:-TERM}"' $(cat /tmp/receive.pid)
        while [ -e /proc/$(cat /tmp/receive.pid) ]; do sleep 0.1; done'
}
# libxl knows what xl has made; what comes out of a file is nobody's.
make_bare() { # HOST NAME
    xmig "$1" save "$2" /tmp/bare && xmig "$1" restore /tmp/bare
    local rc=$?
    on "$1" rm -f /tmp/bare
    return $rc
}
to() { case $1 in A) echo 10.9.0.1:8002 ;; B) echo 10.9.0.2:8002 ;; esac; }
rounds() { sed -n 's/.* in \([0-9]*\) rounds*,.*/\1/p' "$WORK/out"; }

# ---- files -------------------------------------------------------------------
guest A w memory=96 rate=200
check 'a domain that xl made is saved and restored' make_bare A w
happy 'restored' A w
same 'libxl knows nothing of it' "$(on A xenstore-list /libxl)" ''
check 'save -c' xmig A save -c w /tmp/f
happy 'cooperatively resumed' A w
on A rm /tmp/f
guest A x memory=96
check 'xl saves' on A xl save x /tmp/x
check 'xmig restores it' xmig A restore /tmp/x
happy "xl's file" A x
on A rm /tmp/x
check 'it is saved without a header' xmig A save --plain x /tmp/x
check 'and restored with a configuration' xmig A restore /root/x.cfg /tmp/x
happy 'plain' A x
gone A x
on A rm /tmp/x
# Nobody but xmig runs the hotplug script of a bare domain.
guest A n memory=96 ip=10.9.0.101
check 'a guest with a network interface is saved and restored' make_bare A n
happy 'with a network interface' A n
check 'it answers' eventually 30 on A ping -c 1 -W 2 10.9.0.101
matches 'xl sees it' "$(on A xl network-list n)" '^0 +0 +00:16:3e:'
dom=$(on A xl domid n)
gone A n
same 'and xl destroy takes it along' "$(litter A | grep "/$dom ")" ''

# ---- there and back ------------------------------------------------------------
receiver A
receiver B
from=A dest=B
for i in 1 2 3 4; do
    if xmig $from migrate w "$(to $dest)" >"$WORK/out" 2>&1; then
        ok "move $i, $from to $dest"
    else
        not_ok "move $i, $from to $dest"
        diag "$(cat "$WORK/out")"
        break
    fi
    happy "move $i" $dest w
    check "with more than one round" [ "$(rounds)" -gt 1 ]
    bare "move $i" $from
    x=$from from=$dest dest=$x
done

# ---- failures ------------------------------------------------------------------
# slowly COMMAND...: in the middle of a migration of w from A to B, which fails.
slowly() {
    in_background A xmig migrate --bandwidth 4M --io-timeout 5s w "$(to B)"
    under_way() { on B xl list | grep -q '^w--incoming .* 9[0-9] '; }
    eventually 60 under_way || bail 'no migration' "$(cat "$WORK/A.out")"
    "$@"
    wait "$child"
    same 'the migration fails, the guest is at the source' $? 2 ||
        diag "$(cat "$WORK/A.out")"
    happy 'after the failure' A w
}
kill_receiver() { stop_receiver B KILL; }
slowly kill_receiver
receiver B
bare 'its next start tidies up' B

# shellcheck disable=SC2016 # for dom0's shell
kill_source() { on A sh -c 'kill -9 $(pidof xmig | tr " " "\n" |
    grep -vx "$(cat /tmp/receive.pid)")'; }
in_background A xmig migrate --bandwidth 4M w "$(to B)"
under_way() { on B xl list | grep -q '^w--incoming .* 9[0-9] '; }
eventually 60 under_way || bail 'no migration' "$(cat "$WORK/A.out")"
kill_source
wait "$child"
check 'a source that is killed has nothing in doubt' xmig A recover
happy 'the source killed' A w
bare 'the source killed' B

cut() { on B ip link set xenbr0 down; }
mend() { on B ip link set xenbr0 up; }
slowly cut
mend
bare 'the link cut' B

# 2 GiB less dom0's: no room for another of 96 MiB.
free=$(on B xl info | awk '$1 == "free_memory" { print $3 }')
on B guest filler memory=$((free - 80)) || bail 'no filler'
on B xl pause filler
if xmig A migrate w "$(to B)" >"$WORK/out" 2>&1; then
    not_ok 'a destination without memory refuses'
else
    matches 'a destination without memory refuses' "$(cat "$WORK/out")" \
        'not enough memory: .* MiB are free here'
fi
happy 'refused' A w
same 'only the filler is there' "$(domains B)" filler
gone B filler
check 'and with memory it moves' xmig A migrate w "$(to B)"
happy 'at last' B w
bare 'at last' A

# ---- a save that is killed -------------------------------------------------------
# shellcheck disable=SC2016
script B <<'END'
mkfifo /tmp/pipe
exec 5<>/tmp/pipe
xmig save w - >/tmp/pipe 2>/dev/null &
until xl list w | grep -q -- ' ---ss- '; do sleep 0.2; done
kill -9 $!
END
matches 'a save that is killed leaves it suspended' "$(on B xl list w)" ' ---ss- '
check 'recover' xmig B recover
happy 'recover resumes it' B w
stop_receiver A
stop_receiver B
same 'no journal is open' "$(xmig A recover; xmig B recover)" \
    "$(printf 'Nothing is left in doubt.\nNothing is left in doubt.')"
gone B w
done_testing
