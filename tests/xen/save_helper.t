#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# Unmodified xl on real Xen with xmig-save-helper in the place of libxl's own:
# saves, restores and migrations of a Linux guest that writes, our helper on
# both sides and on either; what goes to the stock helper; failures.
# Timeout: 1800
. "$(dirname "$0")/lib.sh"
hosts
OURS=/xmig/libexec/xmig-save-helper

for h in A B; do
    script $h <<END || bail 'the transports can not be put'
cat >/root/oursssh <<X
#!/bin/sh
h=\\\$1; shift
exec plainssh \\\$h LIBXL_SAVE_HELPER=$OURS "\\\$@"
X
cat >/root/cutssh <<X
#!/bin/sh
head -c 40000000 | exec /root/oursssh "\\\$@"
X
chmod +x /root/*ssh
END
done

# with HOST stock|ours COMMAND...: its words are in $WORK/out
with() {
    local set=''
    [ "$2" = stock ] || set=$OURS
    on "$1" env ${set:+LIBXL_SAVE_HELPER=$set} "${@:3}" >"$WORK/out" 2>&1
}
said() { grep -qaE -- "$1" "$WORK/out"; }
# What xl said at the other end: plainssh keeps that there.
there() { on "$1" grep -qaE -- "$2" /var/log/plainssh.log; }
works() { # WHAT HOST HELPER COMMAND...
    local what=$1
    shift
    with "$@"
    same "$what" $? 0 || diag "$(cat "$WORK/out")"
}

guest A w memory=96
# ---- files -------------------------------------------------------------------
works 'the engine saves' A ours xl save w /tmp/w.img
check 'it did' said 'domain [0-9]+ saved: 0 live rounds'
check 'verify-stream-v2 accepts the file' script A <<'END'
command -v verify-stream-v2 >/dev/null || PATH=$PATH:/usr/lib/xen-4.17/bin
! command -v verify-stream-v2 >/dev/null || verify-stream-v2 -f xl -i /tmp/w.img
END
works 'the engine restores' A ours xl restore /tmp/w.img
check 'it did' said 'domain [0-9]+ restored:'
happy 'saved and restored' A w
works 'the engine saves' A ours xl save w /tmp/w.img
works 'stock restores' A stock xl restore /tmp/w.img
happy 'restored by stock' A w
works 'stock saves' A stock xl save w /tmp/w.img
works 'the engine restores' A ours xl restore /tmp/w.img
happy 'saved by stock' A w

works 'the engine saves' A ours xl save w /tmp/w.img
at=$("$LAB" get A /tmp/w.img 2>/dev/null | head -c 65536 | python3 -c \
    'import sys; print(sys.stdin.buffer.read().index(b"XENF") + 7)')
version() { # BYTE
    script A <<END
printf '$1' | dd of=/tmp/w.img bs=1 seek=$at conv=notrunc 2>/dev/null
END
}
check 'the file becomes one of another version' version '\011'
with A ours xl restore /tmp/w.img
check 'that is refused' [ $? -ne 0 ]
check 'by name' said 'the image is of version 9'
bare 'other version' A
check 'the file becomes good again' version '\003'
works 'and is restored' A ours xl restore /tmp/w.img
happy 'restored after all' A w
on A rm /tmp/w.img

# ---- migrations ------------------------------------------------------------------
works 'the engine moves it' A ours xl migrate -s /root/oursssh w B
check 'in rounds' said 'domain [0-9]+ saved: ([2-9]|[0-9]{2,}) live rounds'
check 'the engine took it' there B 'domain [0-9]+ restored:'
happy 'moved' B w
bare 'moved' A
works 'the engine here, stock there' B ours xl migrate -s plainssh w A
check 'the engine sent it' said 'domain [0-9]+ saved:'
happy 'moved to stock' A w
works 'stock here, the engine there' A stock xl migrate -s /root/oursssh w B
happy 'moved from stock' B w
bare 'in between' A

# ---- failures -----------------------------------------------------------------
with B ours xl migrate -s /root/cutssh w A
check 'a broken transport fails the migration' [ $? -ne 0 ]
happy 'broken transport' B w
bare 'broken transport' A
on A truncate -s 0 /var/log/plainssh.log
in_background B env LIBXL_SAVE_HELPER=$OURS XMIG_SAVE_HELPER_SET=bandwidth=2 \
    xl migrate -s /root/oursssh w A
begun() { there A 'Restoring domain [0-9]+: .* [1-9][0-9]?%'; }
check 'a slow migration begins' eventually 60 begun
check 'its helper gets SIGTERM' on B sh -c \
    'kill -TERM $(pidof xmig-save-helper)'
wait "$child"
check 'it is aborted' [ $? -ne 0 ]
check 'by cancelling' grep -qa cancelled "$WORK/B.out"
happy 'aborted' B w
bare 'aborted' A
works 'the next attempt succeeds' B ours xl migrate -s /root/oursssh w A
happy 'moved after all' A w
gone A w

# ---- the stock helper's ---------------------------------------------------------
guest A p type=pv memory=96
works 'a PV guest is saved' A ours xl save p /tmp/p.img
check 'by the stock helper, which is said' \
    said 'it is PV .*: /.*/libxl-save-helper does it'
works 'and restored' A ours xl restore /tmp/p.img
check 'by the stock helper, too' said 'it is PV .*libxl-save-helper does it'
happy 'PV' A p
gone A p
for h in A B; do
    bare 'in the end' $h
done
done_testing
