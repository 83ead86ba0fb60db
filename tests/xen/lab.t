#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-only
#
# The lab itself: hosts boot, guests of both kinds run, are saved, restored and
# moved by stock tools, a wrong byte is noticed, and a third host joins.
# Timeout: 1200
. "$(dirname "$0")/lib.sh"
hosts --full

# ---- hosts -------------------------------------------------------------------
matches 'the hypervisor is real' "$(on A xl info)" 'xen_version +: 4\.17'
matches 'it has a dirty log for PV guests' \
    "$(on A xenhypfs cat /buildinfo/config)" '^CONFIG_SHADOW_PAGING=y'
same 'a command has its status' "$(on A sh -c 'exit 7'; echo $?)" 7
same 'and its quoting' "$(on A printf '%s|' 'a  b' "c'\$d")" "a  b|c'\$d|"
check 'the build tree is in the PATH of dom0' on A xmig list
same 'the hosts reach one another' "$(on A ssh B hostname)" B
echo text >"$WORK/file"
check 'files can be put' "$LAB" put A "$WORK/file"
same 'and are there' "$(on A cat /host/file)" text

# ---- guests of both kinds --------------------------------------------------------
for type in pvh pv; do
    guest A w type=$type
    happy $type A w
    check "$type: saved" on A xl save w /tmp/w.img
    same "$type: and gone then" "$(domains A)" ''
    check "$type: restored" on A xl restore /tmp/w.img
    on A rm /tmp/w.img
    happy "$type, restored" A w
    check "$type: moved to the other host" on A xl migrate -s plainssh w B
    same "$type: it is there" "$(domains A),$(domains B)" ,w
    happy "$type, moved" B w
    bare "$type" A
    gone B w
    bare "$type" B
done

# ---- a third host ----------------------------------------------------------------
start --full C
for host in A B; do
    check "$host and C reach one another" on C ssh "$host" ping -c 1 -W 30 10.9.0.3
done
guest A w
receive C
check 'a guest goes to the second host' on A xl migrate -s plainssh w B
check 'and on to the third' xmig_move B C w
happy 'at the third host' C w
gone C w
kill_receiver C
bare 'third host' C
"$LAB" stop C
rm -r "$XMIG_LAB/C"             # of no interest to the tests that come next

# ---- the checker bites -----------------------------------------------------------
guest A w static=2 dirty=1
check 'a guest is saved' on A xl save w /tmp/w.img
word=$(python3 - <<'END'
x = 3 * 512 + 8                 # mix() of guest/checker.c
for shift, factor in (30, 0xbf58476d1ce4e5b9), (27, 0x94d049bb133111eb):
    x = (x ^ x >> shift) * factor & (1 << 64) - 1
x ^= x >> 31
print("".join("\\x%02x" % b for b in x.to_bytes(8, "little")))
END
)
# Not the grep that busybox's shell has in it.
script A <<END >"$WORK/out" 2>&1
set -e
at=\$(/bin/grep -obUaP '$word' /tmp/w.img | cut -d : -f 1)
[ "\$at" -gt 0 ]
printf '!' | dd of=/tmp/w.img bs=1 seek=\$at conv=notrunc
END
check 'one byte of a page that never changes is changed' [ $? = 0 ]
check 'the guest is restored' on A xl restore /tmp/w.img
refuse 'and its checker notices' 'bad=1 ' on A checked w
matches 'it says where' "$("$LAB" console A w)" 'static page 3:'
gone A w
bare 'in the end' A
done_testing
